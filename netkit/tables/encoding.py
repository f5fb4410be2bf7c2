"""How rows of a table become inputs and targets, and what of them training never saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from netkit.engine.rows import Rows, Window
from netkit.tables.columns import all_missing, column, lost_rows, rows_among, rows_from, with_value
from netkit.tables.features import Features, unseen_notes
from netkit.tables.target import Target

__all__ = ["Encoding", "TableRows"]


@dataclass(frozen=True)
class Encoding:
    """Features turn columns into inputs, and the target its column into what outputs are compared with."""

    features: Features
    target: Target

    @property
    def text(self) -> list[str]:
        """The columns that are text whatever their values look like."""
        return [*self.features.text, *([self.target.name] if self.target.words else [])]

    @property
    def exact(self) -> list[str]:
        """The column whose whole numbers are read to the last digit."""
        return [] if self.target.words else [self.target.name]

    def inputs(self, tables: Iterable[pa.Table], unseen: Counter[str]) -> Iterator[tuple[Tensor, pa.Table]]:
        """The inputs for each batch of rows, and the batch; `unseen` counts values that training never saw."""
        rows = 0
        for table in tables:
            with rows_from(rows):
                x = torch.zeros(len(table), self.features.width)
                unseen.update(self.features.encode(table, x))
            rows += len(table)
            yield x, table

    def targets(self, table: pa.Table) -> Tensor:
        """The targets of rows that all have one, (n, width). Raises `DataError`."""
        return self.target.encode(column(table, self.target.name))

    def check(self, table: pa.Table, unseen: Counter[str]) -> None:
        """Raise `DataError` for a row that cannot be encoded; `unseen` counts values that training never saw."""
        unseen.update(self.features.encode(table, torch.zeros(len(table), self.features.width)))
        self.targets(table)


class TableRows:
    """The rows of a table with a target, gone through once, as it is read."""

    def __init__(self, encoding: Encoding, tables: Iterable[pa.Table]) -> None:
        self._encoding, self._tables, self._rows, self._lost = encoding, tables, 0, 0
        self._unseen = Counter[str]()

    def __len__(self) -> int:
        """The number of rows that have passed."""
        return self._rows

    def windows(self, rng: torch.Generator | None, start: int = 0) -> Iterator[Window]:
        """One window for each batch. Raises `DataError`."""
        first = 0
        for whole in self._tables:
            table, numbers = with_value(whole, self._encoding.target.name)
            x = torch.zeros(len(table), self._encoding.features.width)
            with rows_from(first), rows_among(numbers):
                self._unseen.update(self._encoding.features.encode(table, x))
                rows = Rows(x, self._encoding.targets(table))
            first += len(whole)
            self._lost += len(whole) - len(rows)
            self._rows += len(rows)
            yield Window(rows, None, 0)
        if not self._rows:
            raise all_missing(self._encoding.target.name)

    @property
    def notes(self) -> list[str]:
        """What was left out, and what training never saw."""
        return [*lost_rows(self._encoding.target.name, self._lost), *unseen_notes(self._unseen)]
