"""What each row of a table counts in the loss: by a column, by the balance of the classes, or by both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.engine.rows import Rows
from netkit.engine.scoring import weights_for
from netkit.errors import DataError
from netkit.tables.columns import RowError, column, numbers
from netkit.tables.store import Spill
from netkit.tables.target import Target

__all__ = ["Weighing", "balance", "balance_of", "check_weights"]


def check_weights(name: str, values: pa.ChunkedArray) -> None:
    """Raise `DataError` for the first row whose weight is missing, negative or not a finite number."""
    found = numbers(name, values)
    if (row := pc.index(pc.is_null(found), True).as_py()) >= 0:
        raise RowError(f"{name}: every row needs a weight, row {{row}} has none", row)
    if (row := pc.index(pc.less(found, 0), True).as_py()) >= 0:
        raise RowError(f"{name}: a weight is at least 0, row {{row}} holds {found[row].as_py():g}", row)


def balance(target: Tensor) -> Tensor:
    """What a row of each class counts, so that all classes count alike: n / (k count), for k classes among n targets
    (n, width). A class that is not among them counts as one row of it would. Source: King and Zeng 2001."""
    return _balanced(_members(target).sum(0))


@dataclass(frozen=True)
class Weighing:
    """The column of weights, and what a row of each class counts, (k,); None where the rows do not go by it."""

    column: str | None = None
    classes: Tensor | None = None

    def rows(self, rows: Rows, table: pa.Table, part: str) -> Rows:
        """The rows of a table with their weights, scaled to a mean of one. Raises `DataError` when all are 0; `part` says
        of which rows."""
        if self.column is None and self.classes is None:
            return rows
        who = f"{self.column} of the {part} rows" if self.column else part
        return replace(rows, weight=weights_for(len(rows), self.of(table, rows.target), who).to(rows.x))

    def of(self, table: pa.Table, target: Tensor) -> Tensor:
        """The weight of each row, (n,), not scaled."""
        weights = torch.ones(len(target), dtype=torch.float64)
        if self.column is not None:
            weights = weights * torch.tensor(numbers(self.column, column(table, self.column)).to_numpy())
        return weights if self.classes is None else weights * (_members(target) @ self.classes)

    def scaled(self, spill: Spill, target: Target, part: str) -> Callable[[pa.Table], Tensor] | None:
        """A function from a table to the weights of its rows, scaled to a mean of one over all rows of a spill. Goes
        through the spill for it. Raises `DataError` when all are 0."""
        if self.column is None and self.classes is None or not len(spill):
            return None

        def weigh(table: pa.Table) -> Tensor:
            return self.of(table, target.encode(column(table, target.name)))

        mean = sum(float(weigh(table).sum()) for table in spill.tables()) / len(spill)
        if not mean:
            raise DataError(f"{self.column} of the {part} rows: one must be above 0, all are 0")
        return lambda table: weigh(table) / mean


def balance_of(spill: Spill, target: Target) -> Tensor:
    """`balance` of all rows of a spill."""
    found = (_members(target.encode(column(table, target.name))).sum(0) for table in spill.tables())
    return _balanced(torch.stack(list(found)).sum(0))


def _balanced(counts: Tensor) -> Tensor:
    weights: Tensor = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1))
    return weights


def _members(target: Tensor) -> Tensor:
    """One-hot rows (n, k) in float64, also of a binary target (n, 1)."""
    found = target.double()
    return torch.cat([1 - found, found], 1) if found.shape[1] == 1 else found
