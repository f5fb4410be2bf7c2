"""Rows of a data set, and the way through them: windows of as many rows as memory holds at once, cut into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol
from zlib import crc32

import torch
from torch import Generator, Tensor

__all__ = ["Dataset", "RowStream", "Rows", "Window", "by_rows"]


class Window(NamedTuple):
    """Rows in memory, the order in which to take them (None: as they lie), and the first place of it to take."""

    rows: Rows
    order: Tensor | None
    first: int

    def picked(self, start: int, stop: int) -> slice | Tensor:
        """What indexes the rows at these places of the order."""
        return slice(start, stop) if self.order is None else self.order[start:stop]

    def batches(self, size: int) -> Iterator[Rows]:
        """All rows that are left, `size` at a time."""
        for start in range(self.first, len(self.rows), size):
            yield self.rows[self.picked(start, min(start + size, len(self.rows)))]


class RowStream(Protocol):
    """Rows that are gone through once, to evaluate on; they need not be in memory all at once."""

    def __len__(self) -> int:
        """The number of rows, known when all have passed."""

    def windows(self, rng: Generator | None, start: int = 0) -> Iterator[Window]:
        """Every row once."""


class Dataset(RowStream, Protocol):
    """Rows to train on, gone through as often as wanted."""

    @property
    def simplex(self) -> bool:
        """Whether the columns of every target add up to one."""

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""

    @property
    def digest(self) -> int:
        """A checksum of everything in them."""

    def steps(self, batch: int) -> int:
        """The number of batches in an epoch."""

    def windows(self, rng: Generator | None, start: int = 0) -> Iterator[Window]:
        """Every row once, shuffled where there is an rng, without the first `start` rows of that order. What is drawn
        from rng does not depend on `start`."""


@dataclass(frozen=True)
class Rows:
    """Rows in memory: inputs (n, ...), targets (n, ...) and weights (n,), None where all weigh one."""

    x: Tensor
    target: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, picked: slice | Tensor) -> Rows:
        return Rows(self.x[picked], self.target[picked], None if self.weight is None else self.weight[picked])

    @cached_property
    def simplex(self) -> bool:
        """Whether the columns of every target add up to one."""
        return all(bool(((block.sum(-1) - 1).abs() < 1e-6).all()) for block in self.target.split(2**16))

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weight is not None

    @cached_property
    def digest(self) -> int:
        """A checksum of everything in them."""
        checksum = 0
        for values in (self.x, self.target, self.weight):
            if values is not None:
                checksum = crc32(values.detach().cpu().contiguous().numpy().data.cast("B"), checksum)
        return checksum

    def steps(self, batch: int) -> int:
        """The number of batches in an epoch."""
        return -(-len(self) // batch)

    def windows(self, rng: Generator | None, start: int = 0) -> Iterator[Window]:
        """One window of all rows."""
        dtype = torch.int32 if len(self) < 2**31 else torch.int64  # as few bytes as the order needs
        order = None if rng is None else torch.randperm(len(self), generator=rng, dtype=dtype).to(self.x.device)
        yield Window(self, order, start)


def by_rows(weight: Tensor, like: Tensor) -> Tensor:
    """Weights (n,) in a shape (n, 1, ...) that multiplies each row of `like`."""
    return weight.view(-1, *[1] * (like.ndim - 1))
