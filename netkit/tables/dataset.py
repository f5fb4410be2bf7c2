"""Rows that are trained on without being in memory: read and prepared a window at a time, shuffled as far as that reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TypeVar
from zlib import crc32

import pyarrow as pa
import torch
from torch import Generator, Tensor

from netkit.engine.rows import Rows, Window
from netkit.tables.columns import column
from netkit.tables.features import Features
from netkit.tables.store import Spill
from netkit.tables.target import Target
from netkit.tensors import generator

__all__ = ["Streamed", "ahead"]

GROUP = 16
"""Blocks that are prepared at a time; what they are before takes more memory than the inputs that they become."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Streamed:
    """The rows of a spill, in windows of `size` rows: of blocks drawn from everywhere, all rows of a window shuffled.

    weigh: gives the weight of each row of a table, (n,); without it every row weighs one.
    """

    spill: Spill
    features: Features
    target: Target
    size: int
    weigh: Callable[[pa.Table], Tensor] | None = None

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def _rows(self) -> int:
        return len(self.spill)

    @property
    def simplex(self) -> bool:
        """Whether the columns of every target add up to one."""
        return self.target.width > 1

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weigh is not None

    @cached_property
    def digest(self) -> int:
        """A checksum of everything in them, and of the windows that they come in."""
        return crc32(repr((self.features.columns, self.target, self.size)).encode(), self.spill.digest())

    def steps(self, batch: int) -> int:
        """The number of batches in an epoch, in order; of shuffled rows the short window may make one more or less."""
        return sum(-(-sum(self.spill.sizes[number] for number in blocks) // batch) for blocks, _ in self._plan(None))

    def windows(self, rng: Generator | None, start: int = 0) -> Iterator[Window]:
        """Every row once, shuffled where there is an rng, without the first `start` rows of that order, and the next
        window prepared while one is used. What is drawn from rng does not depend on `start`."""
        return ahead(self._windows(self._plan(rng), start))

    def _plan(self, rng: Generator | None) -> list[tuple[list[int], int | None]]:
        """The blocks of each window, and what the order of its rows is drawn from."""
        sizes = self.spill.sizes
        order = list(range(len(sizes))) if rng is None else torch.randperm(len(sizes), generator=rng).tolist()
        many = max(1, self.size // max(sizes))
        parts = [order[start : start + many] for start in range(0, len(order), many)]
        if rng is None:
            return [(blocks, None) for blocks in parts]
        return list(zip(parts, torch.randint(2**62, (len(parts),), generator=rng).tolist()))

    def _windows(self, plan: list[tuple[list[int], int | None]], start: int) -> Iterator[Window]:
        for blocks, seed in plan:
            rows = sum(self.spill.sizes[number] for number in blocks)
            if start < rows:
                order = None if seed is None else torch.randperm(rows, generator=generator(seed, 0), dtype=torch.int32)
                yield Window(self._prepared(blocks), order, start)
            start = max(0, start - rows)

    def _prepared(self, blocks: list[int]) -> Rows:
        ends = [0, *accumulate(self.spill.sizes[number] for number in blocks)]
        x, target = torch.zeros(ends[-1], self.features.width), torch.empty(ends[-1], self.target.width)
        weight = torch.empty(ends[-1]) if self.weigh else None
        for first in range(0, len(blocks), GROUP):
            table = self.spill.table(blocks[first : first + GROUP])
            rows = slice(ends[first], ends[min(first + GROUP, len(blocks))])
            self.features.prepare(table, x[rows])
            target[rows] = self.target.encode(column(table, self.target.name))
            if weight is not None and self.weigh is not None:
                weight[rows] = self.weigh(table)
        return Rows(x, target, weight)


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, items, None)
        while (item := future.result()) is not None:
            future = pool.submit(next, items, None)
            yield item
