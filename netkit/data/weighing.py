"""What each row of a table counts in the loss: by a column, by the balance of the classes, or by both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.data.columns import column, numbers
from netkit.errors import DataError
from netkit.rows import Rows
from netkit.scoring import weights_for

__all__ = ["Weighing", "balance", "check_weights"]


def check_weights(name: str, values: pa.ChunkedArray) -> None:
    """Raise `DataError` for the first row whose weight is missing, negative or not a finite number."""
    found = numbers(name, values)
    if (row := pc.index(pc.is_null(found), True).as_py()) >= 0:
        raise DataError(f"{name}: every row needs a weight, row {row + 1} has none")
    if (row := pc.index(pc.less(found, 0), True).as_py()) >= 0:
        raise DataError(f"{name}: a weight is at least 0, row {row + 1} holds {found[row].as_py():g}")


def balance(target: Tensor) -> Tensor:
    """What a row of each class counts, so that all classes count alike: n / (k count), for k classes among n targets
    (n, width). A class that is not among them counts as one row of it would. Source: King and Zeng 2001."""
    counts = _members(target).sum(0)
    weights: Tensor = len(target) / ((counts > 0).sum() * counts.clamp(min=1))
    return weights


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
        weights = torch.ones(len(rows), dtype=torch.float64)
        if self.column is not None:
            weights = weights * torch.tensor(numbers(self.column, column(table, self.column)).to_numpy())
        if self.classes is not None:
            weights = weights * (_members(rows.target) @ self.classes)
        who = f"{self.column} of the {part} rows" if self.column else part
        return replace(rows, weight=weights_for(len(rows), weights, who).to(rows.x))


def _members(target: Tensor) -> Tensor:
    """One-hot rows (n, k) in float64, also of a binary target (n, 1)."""
    found = target.double()
    return torch.cat([1 - found, found], 1) if found.shape[1] == 1 else found
