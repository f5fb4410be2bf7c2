"""What may stand beside a prediction: the shapes of targets, reconciled or refused."""

from __future__ import annotations

import torch
from torch import Tensor

from netkit.errors import ShapeError

__all__ = ["comparable", "labels", "like"]


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
