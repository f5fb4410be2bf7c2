"""Whole groups of rows held out, so that nothing of a group that is judged was learnt from."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.errors import DataError
from netkit.tables.columns import RowError, is_text, labels, text
from netkit.tables.split import uniform

__all__ = ["Grouped", "check_groups", "groups", "split_groups"]


def check_groups(name: str, values: pa.ChunkedArray) -> None:
    """Raise `DataError` for the first row without a group: any group could be its own."""
    if pa.types.is_nested(values.type):
        raise DataError(f"{name}: {values.type} cannot be a group")
    missing = pc.is_null(values, nan_is_null=True)
    if (row := pc.index(missing, True).as_py()) >= 0:
        raise RowError(f"{name}: every row needs a group, row {{row}} has none", row)


def groups(values: pa.ChunkedArray) -> Tensor:
    """The number of each row's group, (n,)."""
    encoded = pc.dictionary_encode((text(values) if is_text(values) else values).combine_chunks())
    found: Tensor = torch.tensor(encoded.indices.to_numpy(), dtype=torch.int64).unique(return_inverse=True)[1]
    return found


class Grouped:
    """Groups held out while a table is read and nobody knows yet which there are: each with the same chance, which follows
    from the seed and the group alone."""

    def __init__(self, name: str, share: float, seed: int) -> None:
        self._name, self._share, self._seed = name, share, seed

    def held_out(self, values: pa.ChunkedArray) -> np.ndarray:
        """Which of the next rows are held out, by their groups."""
        places, found = labels(values)
        digests = [blake2b(repr(_as_float(each)).encode(), digest_size=8).digest() for each in found]
        drawn = uniform(self._seed, np.array([int.from_bytes(each, "little") for each in digests], dtype=np.uint64))
        chosen: np.ndarray = (drawn < self._share)[places]
        return chosen


def _as_float(label: Any) -> Any:
    """The float that is the same number, where there is one: equal labels have one spelling."""
    return label if isinstance(label, str) or float(label) != label else float(label)


def split_groups(name: str, group: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers to keep and to hold out, each in order. Groups are taken in a shuffled order, each that brings the
    rows held out closer to `fraction` of all; the smallest where none does. Raises `DataError` for a single group."""
    sizes = group.bincount()
    if len(sizes) < 2:
        raise DataError(f"{name}: at least 2 groups are needed to hold one out, got {len(sizes)}")
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(sizes), generator=rng)
    taken, held, goal = list[int](), 0, fraction * len(group)
    for each, size in zip(order.tolist(), sizes[order].tolist()):
        if abs(held + size - goal) < abs(held - goal) and held + size < len(group):
            taken, held = [*taken, each], held + size
    chosen = torch.tensor(taken or [int(order[sizes[order].argmin()])])
    out = torch.isin(group, chosen)
    return (~out).nonzero().flatten(), out.nonzero().flatten()
