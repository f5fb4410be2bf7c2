"""What each row of a table counts in the loss: by a column, by the balance of the classes, or by both."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.errors import DataError
from netkit.tables.columns import RowError, column, numbers
from netkit.tables.store import Store
from netkit.tables.target import Target

__all__ = ["RowWeights", "check_weights", "class_weights"]


def check_weights(name: str, values: pa.ChunkedArray) -> None:
    """Raise `DataError` for the first row whose weight is missing, negative or not a finite number."""
    found = numbers(name, values)
    if (row := pc.index(pc.is_null(found), True).as_py()) >= 0:
        raise RowError(f"{name}: every row needs a weight, row {{row}} has none", row)
    if (row := pc.index(pc.less(found, 0), True).as_py()) >= 0:
        raise RowError(f"{name}: a weight is at least 0, row {{row}} holds {found[row].as_py():g}", row)


@dataclass(frozen=True)
class RowWeights:
    """The weight of a row is what its column says, times the weight of its class, (k,), over `mean`. None: all count
    alike."""

    target: Target
    column: str | None = None
    classes: Tensor | None = None
    mean: float = 1.0

    def of(self, table: pa.Table) -> Tensor:
        """The weight of each row, (n,), float64."""
        weights = torch.ones(len(table), dtype=torch.float64)
        if self.column is not None:
            weights = weights * torch.tensor(numbers(self.column, column(table, self.column)).to_numpy())
        if self.classes is not None:
            weights = weights * (_members(self.target, table) @ self.classes)
        return weights / self.mean

    def scaled(self, store: Store, part: str) -> RowWeights | None:
        """The same with a mean of one over all rows of a store; None where they all count alike. Raises `DataError`
        when all are 0; `part` says of which rows."""
        if self.column is None and self.classes is None:
            return None
        mean = sum(float(self.of(table).sum()) for table in store.tables()) / max(len(store), 1)
        if not mean:
            raise DataError(f"{self.column} of the {part} rows: one must be above 0, all are 0")
        return RowWeights(self.target, self.column, self.classes, mean)


def class_weights(store: Store, target: Target) -> Tensor:
    """What a row of each class counts, so that all classes count alike: n / (k count), (k,), for k classes among n
    rows. A class that is not among them counts as one row of it would. Source: King and Zeng 2001."""
    counts = torch.stack([_members(target, table).sum(0) for table in store.tables()]).sum(0)
    weights: Tensor = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1))
    return weights


def _members(target: Target, table: pa.Table) -> Tensor:
    """One-hot rows (n, k) in float64, also of a binary target (n, 1)."""
    found = target.encode(column(table, target.name)).double()
    return torch.cat([1 - found, found], 1) if found.shape[1] == 1 else found
