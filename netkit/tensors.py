"""What people hand in, as tensors: converted where that loses nothing that was meant, refused by name elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netkit.errors import DataError, MemoryExhausted, SettingError, ShapeError

__all__ = [
    "by_row",
    "comparable",
    "finite",
    "floats",
    "generator",
    "labels",
    "like",
    "row_means",
    "tensor",
    "within_memory",
]


def tensor(who: str, values: Any) -> Tensor:
    """Any array, list or number as a tensor without a tape. Raises `DataError` naming `who`."""
    try:
        return torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        if not isinstance(values, str) and (text := _text(values)) is not None:
            hint = "netkit.train takes tables with text"
            raise DataError(f"{who}: numbers are needed, got text such as {text[:40]!r}; {hint}") from None
        raise DataError(f"{who}: numbers are needed, got {type(values).__name__} ({_line(error)})") from None


def floats(who: str, values: Any, like: Tensor) -> Tensor:
    """Rows as numbers of the dtype and on the device of `like`. Raises `DataError` for no rows or complex numbers."""
    given = tensor(who, values)
    if given.is_complex():
        raise DataError(f"{who}: real numbers are needed, got {given.dtype}")
    if not given.ndim or not len(given):
        raise DataError(f"{who}: at least one row is needed, got shape {tuple(given.shape)}")
    return finite(who, given.to(like))


def finite(who: str, values: Tensor) -> Tensor:
    """The values, when all are finite. Raises `DataError` naming the first row that is not."""
    if not values.numel() or math.isfinite(float(values.sum())):
        return values  # nan and infinite numbers survive in a sum, which needs no memory of its own
    good = torch.isfinite(values)
    if bool(good.all()):
        return values
    place = tuple(int(i) for i in (~good).nonzero()[0])
    raise DataError(f"{who}: every value must be finite, row {place[0]} holds {float(values[place])}")


def by_row(operation: Callable[[Tensor, int], Tensor], z: Tensor) -> Tensor:
    """operation(z, -1); for narrow rows through transposed memory, since along the last axis torch has vector code for
    wide rows alone (12 to 18 times faster below 16 columns)."""
    if z.ndim != 2 or z.shape[1] >= 16 or len(z) < 64:
        return operation(z, -1)
    return operation(z.t().contiguous(), 0).t()


def row_means(values: Tensor) -> Tensor:
    """The mean of each row, (n, ...) to (n,)."""
    return values.reshape(len(values), -1).mean(1)


def generator(seed: int, stream: int) -> torch.Generator:
    """The stream-th random source of one seed: starting weights, shuffling and dropout do not disturb each other."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise SettingError(f"seed: a whole number from 0 to 2^63 - 1 is needed, got {seed!r}")
    rng = torch.Generator().manual_seed(seed)
    seeds = torch.randint(2**62, (stream + 1,), generator=rng)
    return torch.Generator().manual_seed(int(seeds[stream]))


@contextmanager
def within_memory(what: str) -> Iterator[None]:
    """Raise `MemoryExhausted`, naming what was too large, where memory runs out while this lasts."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch has a class of its own for it on devices alone
        words = str(error)
        if not isinstance(error, MemoryError) and "allocate memory" not in words and "out of memory" not in words:
            raise
        raise MemoryExhausted(f"{what} need more memory than there is") from None


def _text(values: Any) -> str | None:
    """The first text among values of any shape."""
    with suppress(Exception):  # whatever this is, it is no array of text
        return next((each for each in np.asarray(values, object).flat if isinstance(each, str)), None)
    return None


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def like(prediction: Tensor, target: Tensor) -> Tensor:
    """The target in the prediction's shape: a column and a flat vector of the same length are the same thing.

    Raises `ShapeError`, naming both shapes, for anything else, where torch would broadcast (n, 1) and (n,) to (n, n).
    """
    if target.shape == prediction.shape:
        return target
    if target.numel() == prediction.numel() and _flat(target).shape == _flat(prediction).shape:
        return target.reshape(prediction.shape)
    raise ShapeError(f"target: shape {tuple(target.shape)} does not match prediction {tuple(prediction.shape)}")


def comparable(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as tensors whose rows can be compared: equal shapes, or class columns beside a vector of class numbers."""
    prediction, target = _flat(torch.as_tensor(prediction)), _flat(torch.as_tensor(target))
    one_is_classes = {prediction.ndim, target.ndim} == {1, 2}
    if prediction.shape != target.shape and not (one_is_classes and len(prediction) == len(target)):
        raise ShapeError(f"target: shape {tuple(target.shape)} does not match prediction {tuple(prediction.shape)}")
    if not len(target):
        raise ShapeError("target: at least one row is needed, got none")
    return prediction, target


def labels(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as decisions whose rows are equal or differ: class numbers (n,), or several 0/1 columns (n, k).

    Class columns beside one-hot rows or class numbers become class numbers by argmax (the first of equals). Columns
    that hold nothing but 0 and 1 on both sides are left alone: one-hot rows are equal exactly where their argmax is,
    and rows with several ones are not one-hot.
    """
    prediction, target = comparable(prediction, target)
    if prediction.ndim != target.ndim:
        return _classes(prediction), _classes(target)
    if prediction.ndim == 2 and not _binary(prediction) and _one_hot(target):
        return _classes(prediction), _classes(target)
    return prediction, target


def _flat(values: Tensor) -> Tensor:
    return values.squeeze(1) if values.ndim == 2 and values.shape[1] == 1 else values


def _classes(values: Tensor) -> Tensor:
    return values.argmax(1) if values.ndim == 2 else values


def _binary(values: Tensor) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _one_hot(values: Tensor) -> bool:
    return _binary(values) and bool((values.sum(1) == 1).all())
