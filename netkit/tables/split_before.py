"""How 0.1 held rows out: by one rule in memory and by another in a stream. For checkpoints that 0.1 wrote, and no
longer than it takes their runs to end: to go in 0.3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.tables.columns import column, is_text, text
from netkit.tables.split import Split, by_name, drawn
from netkit.tables.target import Target

__all__ = ["split"]


def split(by: str, share: float, seed: int, grouped: bool, streamed: bool, task: str | None) -> Split:
    """The rule by which 0.1 would have held rows out of this run."""
    return (_Streamed if streamed else _InMemory)(by, share, seed, grouped, task)


class _Before(Split):
    def __init__(self, by: str, share: float, seed: int, grouped: bool, task: str | None) -> None:
        super().__init__(by, share, seed, grouped)
        self._begin = (by, share, seed, grouped, task)
        self.seed, self.task = seed, task

    def anew(self) -> Split:
        return type(self)(*self._begin)

    def notes(self, part: str, rows: int) -> list[str]:
        return []


class _Streamed(_Before):
    """Each value of the target by itself; each group by a number that follows from it alone."""

    def held_out(self, table: pa.Table) -> np.ndarray:
        values = column(table, self.by)
        if self.grouped:
            return by_name(values, self.seed) < self.share
        codes, places = self._places.of(values)
        return drawn(self.seed, self.share, places, codes)


class _InMemory(_Before):
    """All rows at once: shuffled, sorted by class, every 1 / share-th of them; or groups in a shuffled order, each that
    brings the rows held out closer to the share."""

    def held_out(self, table: pa.Table) -> np.ndarray:
        values = column(table, self.by)
        out = (
            _groups(values, self.share, self.seed)
            if self.grouped
            else _rows(values, self.share, self.seed, self._strata(values))
        )
        chosen = np.zeros(len(table), dtype=bool)
        chosen[out.numpy()] = True
        return chosen

    def _strata(self, values: pa.ChunkedArray) -> Tensor | None:
        target = Target.fit(self.by, values, self.task)
        return target.encode(values) if target.classes else None


def _rows(values: Any, share: float, seed: int, strata: Tensor | None) -> Tensor:
    rows = len(values)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    if strata is not None:
        _, group = strata.unique(dim=0, return_inverse=True)
        order = order[group[order].argsort(stable=True)]
    steps = torch.floor((torch.arange(rows, dtype=torch.float64) + 0.5) * share + 0.5)
    return order[steps.diff(prepend=steps.new_zeros(1)) > 0]


def _groups(values: pa.ChunkedArray, share: float, seed: int) -> Tensor:
    encoded = pc.dictionary_encode((text(values) if is_text(values) else values).combine_chunks())
    group = torch.tensor(encoded.indices.to_numpy(), dtype=torch.int64).unique(return_inverse=True)[1]
    sizes = group.bincount()
    order = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed))
    taken, held, goal = list[int](), 0, share * len(group)
    for each, size in zip(order.tolist(), sizes[order].tolist()):
        if abs(held + size - goal) < abs(held - goal) and held + size < len(group):
            taken, held = [*taken, each], held + size
    chosen = torch.tensor(taken or [int(order[sizes[order].argmin()])])
    return torch.isin(group, chosen).nonzero().flatten()
