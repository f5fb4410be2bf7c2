"""Encoded rows: all of them in memory, or a window at a time, read and encoded while the one before it is trained
on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TypeVar
from zlib import crc32

import torch
from torch import Generator

from netkit.engine.rows import Rows, Window
from netkit.tables.encoding import Encoding
from netkit.tables.store import GROUP, FileStore, Store
from netkit.tables.weights import RowWeights
from netkit.tensors import generator

__all__ = ["StoredRows", "ahead", "dataset"]

Item = TypeVar("Item")


def dataset(store: Store, encoding: Encoding, weights: RowWeights, part: str, window: int | None) -> Rows | StoredRows:
    """The rows of a store, encoded: all at once where they are in memory, else in windows of so many rows."""
    scaled = weights.scaled(store, part)
    if isinstance(store, FileStore):
        return StoredRows(store, encoding, window or 1, scaled)
    [table] = store.tables()
    x, y = encoding.features.transform(table), encoding.targets(table)
    return Rows(x, y, None if scaled is None else scaled.of(table).to(x))


@dataclass(frozen=True)
class StoredRows:
    """The rows of a file in windows of `size` rows: of blocks drawn from everywhere, all rows of a window shuffled."""

    store: FileStore
    encoding: Encoding
    size: int
    weights: RowWeights | None = None

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def _rows(self) -> int:
        return len(self.store)

    @property
    def simplex(self) -> bool:
        """Whether the columns of every target add up to one."""
        return self.encoding.target.width > 1

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weights is not None

    @cached_property
    def digest(self) -> int:
        """A checksum of everything in them, and of the windows that they come in."""
        about = (self.encoding.features.columns, self.encoding.target, self.size)
        return crc32(repr(about).encode(), self.store.digest())

    def steps(self, batch: int) -> int:
        """The number of batches in an epoch, in order; of shuffled rows the short window may make one more or less."""
        return sum(-(-sum(self.store.sizes[number] for number in blocks) // batch) for blocks, _ in self._plan(None))

    def windows(self, rng: Generator | None, start: int = 0) -> Iterator[Window]:
        """Every row once, shuffled where there is an rng, without the first `start` rows of that order, and the next
        window encoded while one is used. What is drawn from rng does not depend on `start`."""
        return ahead(self._windows(self._plan(rng), start))

    def _plan(self, rng: Generator | None) -> list[tuple[list[int], int | None]]:
        """The blocks of each window, and what the order of its rows is drawn from."""
        sizes = self.store.sizes
        order = list(range(len(sizes))) if rng is None else torch.randperm(len(sizes), generator=rng).tolist()
        many = max(1, self.size // max(sizes))
        parts = [order[start : start + many] for start in range(0, len(order), many)]
        if rng is None:
            return [(blocks, None) for blocks in parts]
        return list(zip(parts, torch.randint(2**62, (len(parts),), generator=rng).tolist()))

    def _windows(self, plan: list[tuple[list[int], int | None]], start: int) -> Iterator[Window]:
        for blocks, seed in plan:
            rows = sum(self.store.sizes[number] for number in blocks)
            if start < rows:
                order = None if seed is None else torch.randperm(rows, generator=generator(seed, 0), dtype=torch.int32)
                yield Window(self._encoded(blocks), order, start)
            start = max(0, start - rows)

    def _encoded(self, blocks: list[int]) -> Rows:
        ends = [0, *accumulate(self.store.sizes[number] for number in blocks)]
        x = torch.zeros(ends[-1], self.encoding.features.width)
        target = torch.empty(ends[-1], self.encoding.target.width)
        weight = torch.empty(ends[-1]) if self.weights else None
        for first in range(0, len(blocks), GROUP):
            table = self.store.table(blocks[first : first + GROUP])
            rows = slice(ends[first], ends[min(first + GROUP, len(blocks))])
            self.encoding.features.encode(table, x[rows])
            target[rows] = self.encoding.targets(table)
            if weight is not None and self.weights is not None:
                weight[rows] = self.weights.of(table)
        return Rows(x, target, weight)


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, items, None)
        while (item := future.result()) is not None:
            future = pool.submit(next, items, None)
            yield item
