"""Preparation of a table, fitted on the training rows alone and stored with the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.data.columns import as_numbers, as_text, column, is_number
from netkit.errors import DataError, ModelFileError

__all__ = ["Column", "Features", "split"]

LEVELS = 100
"""Levels of a text column that get an input of their own; the rarer ones share one."""
SMALL = 20
"""A text column of more rows than this that never repeats itself is a name, and left out."""


@dataclass(frozen=True)
class Column:
    """How one column becomes inputs: numbers standardised, text one-hot.

    A missing number counts as the mean, and where training had some, another input says so. A missing text is all
    zeros, and so is one that training never saw, unless rare levels share an input.
    """

    name: str
    type: str
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    levels: tuple[str, ...] = ()
    other: bool = False

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs it becomes."""
        if self.type == "number":
            return [self.name, *([f"{self.name} (missing)"] if self.indicator else [])]
        return [f"{self.name}={level}" for level in self.levels] + ([f"{self.name} (other)"] if self.other else [])

    @classmethod
    def fit(cls, name: str, values: pa.ChunkedArray) -> Column | str:
        """From the training rows; the reason why the column is left out when it can tell nothing."""
        return cls._fit_numbers(name, values) if is_number(values) else cls._fit_text(name, values)

    @classmethod
    def _fit_numbers(cls, name: str, values: pa.ChunkedArray) -> Column | str:
        numbers = as_numbers(name, values)
        missing = np.isnan(numbers)
        if missing.all():
            return "every value is missing"
        with np.errstate(over="ignore"):
            mean, scale = float(numbers[~missing].mean()), float(numbers[~missing].std())
        if not np.isfinite([mean, scale]).all():
            raise DataError(f"{name}: its values are too large to standardise, the largest is {np.nanmax(np.abs(numbers)):g}")
        if scale <= 1e-12 * abs(mean) or scale == 0.0:
            if not missing.any():
                return f"every value is {mean:g}"
            scale = 1.0
        return cls(name, "number", mean, scale, bool(missing.any()))

    @classmethod
    def _fit_text(cls, name: str, values: pa.ChunkedArray) -> Column | str:
        counts = pc.value_counts(as_text(values).drop_null()).to_pylist()
        if len(counts) < 2 and not (counts and values.null_count):
            return f"every value is {counts[0]['values']!r}" if counts else "every value is missing"
        if len(counts) == len(values) > SMALL:
            return "every value differs, as in a name"
        counts.sort(key=lambda entry: (-entry["counts"], entry["values"]))
        return cls(name, "text", levels=tuple(sorted(e["values"] for e in counts[:LEVELS])), other=len(counts) > LEVELS)

    def transform(self, values: pa.ChunkedArray, into: np.ndarray) -> int:
        """Fill the inputs (n, len(self.inputs)), which are zeros; returns how many values training never saw."""
        if self.type == "number":
            numbers = as_numbers(self.name, values)
            missing = np.isnan(numbers)
            into[:, 0] = np.where(missing, 0.0, (numbers - self.mean) / self.scale)
            if self.indicator:
                into[:, 1] = missing
            return 0
        text = as_text(values)
        codes = pc.index_in(text, pa.array(self.levels, pa.string())).to_numpy().astype(np.float64)
        known = ~np.isnan(codes)
        into[np.flatnonzero(known), codes[known].astype(np.int64)] = 1
        unseen = ~known & pc.is_valid(text).to_numpy()
        if self.other:
            into[unseen, -1] = 1
            return 0
        return int(unseen.sum())


@dataclass(frozen=True)
class Features:
    """Every column of the training table that says something, in the order of that table."""

    columns: tuple[Column, ...]
    notes: list[str] = field(default_factory=list, compare=False)
    """What happened to the columns; `transform` replaces them by its own."""

    @classmethod
    def fit(cls, table: pa.Table, exclude: tuple[str, ...] = ()) -> Features:
        """From the training rows. Raises `DataError` when no column is left."""
        columns, notes = [], []
        for name in table.column_names:
            if name not in exclude:
                found = Column.fit(name, table[name])
                if isinstance(found, Column):
                    columns.append(found)
                    if found.other:
                        notes.append(f"{name}: the {LEVELS} most frequent values keep an input each, the others share one")
                else:
                    notes.append(f"{name}: left out: {found}")
        if not columns:
            raise DataError("no column is left to learn from" + "".join(f"; {note}" for note in notes))
        return cls(tuple(columns), notes)

    @property
    def names(self) -> list[str]:
        """The names of the inputs, such as `age`, `age (missing)`, `sex=male`."""
        return [name for each in self.columns for name in each.inputs]

    @property
    def width(self) -> int:
        """The number of inputs."""
        return len(self.names)

    def transform(self, table: pa.Table) -> Tensor:
        """The inputs for every row, float32 (n, width). Raises `DataError` for a missing column or a wrong type."""
        inputs = np.zeros((table.num_rows, self.width), dtype=np.float32)
        self.notes.clear()
        start = 0
        for each in self.columns:
            end = start + len(each.inputs)
            if unseen := each.transform(column(table, each.name), inputs[:, start:end]):
                self.notes.append(f"{each.name}: {unseen} values that training never saw count as none of its levels")
            start = end
        return torch.from_numpy(inputs)

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` makes the same preparation to the bit."""
        return {"columns": msgspec.to_builtins(self.columns)}

    @classmethod
    def from_json(cls, data: Any) -> Features:
        """Raises `ModelFileError`."""
        try:
            columns = msgspec.convert(data, dict[str, tuple[Column, ...]])["columns"]
        except (msgspec.ValidationError, KeyError) as error:
            raise ModelFileError(f"the preparation of the columns is damaged: {error}") from None
        bad = [each for each in columns if each.type not in ("number", "text") or not each.scale]
        if bad or not columns:
            raise ModelFileError(f"the preparation of the columns is damaged: {bad[:1]}")
        return cls(columns)


def split(rows: int, fraction: float, seed: int, strata: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Row numbers to keep and to hold out, each in order; `strata` (n, k) are rows that should be shared out evenly.

    Raises `DataError` when a part would be empty.
    """
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(rows, generator=rng)
    if strata is not None:  # a stable sort by class, then every 1/fraction-th row: within one row of even
        _, group = strata.unique(dim=0, return_inverse=True)
        order = order[group[order].argsort(stable=True)]
    steps = torch.floor((torch.arange(rows, dtype=torch.float64) + 0.5) * fraction + 0.5)
    held_out = steps.diff(prepend=steps.new_zeros(1)) > 0
    if not 0 < int(held_out.sum()) < rows:
        raise DataError(f"{rows} rows are too few to hold out a share of {fraction:g}")
    return order[~held_out].sort().values, order[held_out].sort().values
