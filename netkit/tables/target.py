"""The column to predict: what task it is, and how it becomes targets and comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.errors import DataError, ModelFileError
from netkit.tables.columns import RowError, numbers, text
from netkit.tables.summaries import SMALLEST, Labels, Numbers

__all__ = ["Target"]

FEW = 20
"""Whole numbers with at most this many values, each in 5 rows or more on average, count as classes."""
TASKS = ("binary", "multiclass", "regression")
Label = bool | int | float | str


@dataclass(frozen=True)
class Target:
    """Two classes become one column of 0 and 1 (the second in order is the 1), more become one-hot rows, and numbers
    are standardised: (n, width)."""

    name: str
    task: str
    classes: tuple[Label, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, name: str, values: pa.ChunkedArray, task: str | None = None) -> Target:
        """From all its values, none missing, as `of` does."""
        labels = Labels()
        labels.feed(values)
        return cls.of(name, labels, task).rescaled(values)

    @classmethod
    def of(cls, name: str, labels: Labels, task: str | None = None) -> Target:
        """From a summary of all its values. Without a task: two values are binary, text or few whole numbers are
        multiclass, the rest is regression. Raises `DataError` when the values cannot be the task's."""
        if not labels.usable:
            raise DataError(f"{name}: the target must be numbers, text or dates, got {labels.type}")
        distinct = labels.values
        if len(distinct) < 2:
            raise DataError(f"{name}: the target has one value only, {distinct[0]!r}")
        task = task or _task(labels, len(distinct))
        if task == "regression" and not labels.measured:
            raise DataError(f"{name}: a regression needs numbers, got {labels.first!r}")
        if task == "binary" and len(distinct) != 2:
            raise DataError(f"{name}: a binary target has two values, this one has {len(distinct)}")
        if task != "regression" and labels.cut:
            raise DataError(f"{name}: a target of classes has {len(distinct)} at most, this one has more")
        return cls(name, task, () if task == "regression" else tuple(sorted(distinct)))

    @property
    def width(self) -> int:
        """Columns of the encoded target."""
        return len(self.classes) if self.task == "multiclass" else 1

    def rescaled(self, values: pa.ChunkedArray) -> Target:
        """In a regression, with mean and scale of these values: the training rows alone."""
        if self.task != "regression":
            return self
        found = Numbers(self.name)
        found.feed(values)
        return self.scaled(found)

    def scaled(self, found: Numbers) -> Target:
        """In a regression, with mean and scale of the values that were summarised."""
        return replace(self, mean=found.mean, scale=found.deviation or 1.0) if self.task == "regression" else self

    def encode(self, values: pa.ChunkedArray) -> Tensor:
        """Targets, float32 (n, width). Raises `DataError` for a missing value or a class that training never saw."""
        if values.null_count:
            raise RowError(f"{self.name}: row {{row}} has no value", pc.index(pc.is_null(values), True).as_py())
        if self.task == "regression":
            scaled = (numbers(self.name, values).to_numpy() - self.mean) / self.scale
            return torch.from_numpy(scaled.astype(np.float32))[:, None]
        codes = self._codes(values)
        return (
            codes[:, None].float() if self.task == "binary" else torch.nn.functional.one_hot(codes, self.width).float()
        )

    def unscale(self, values: Tensor) -> Tensor:
        """Outputs or targets of a regression in the target's own unit, in float64; others as they are."""
        return values.double() * self.scale + self.mean if self.task == "regression" else values

    def decode(self, outputs: Tensor, threshold: float = 0.5) -> list[Label]:
        """Outputs (n, width) as values of the column."""
        if self.task == "regression":
            return self.unscale(outputs).flatten().tolist()
        codes = outputs.argmax(1) if self.task == "multiclass" else (outputs[:, 0] >= threshold).long()
        return [self.classes[code] for code in codes.tolist()]

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` makes the same target."""
        return {**msgspec.to_builtins(self)}

    @classmethod
    def from_json(cls, data: Any) -> Target:
        """Raises `ModelFileError`."""
        try:
            target = msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise ModelFileError(f"the target is damaged: {error}") from None
        enough = {"binary": len(target.classes) == 2, "multiclass": len(target.classes) > 1, "regression": True}
        if not enough.get(target.task):
            raise ModelFileError(f"the target is damaged: task {target.task!r} with {len(target.classes)} classes")
        if len(set(target.classes)) < len(target.classes) or len({*map(type, target.classes)}) > 1:
            raise ModelFileError(f"the target is damaged: its classes repeat or are of several types: {target.classes}")
        if target.scale < SMALLEST:
            raise ModelFileError(f"the target is damaged: its scale is {target.scale}")
        return target

    def _codes(self, values: pa.ChunkedArray) -> Tensor:
        """The number of each value's class. A label is the same label in another type: 1 in a column of 1.0."""
        words = isinstance(self.classes[0], str)
        known = pa.array(self.classes) if words else pa.array([float(label) for label in self.classes])
        given = text(values) if words else numbers(self.name, values)
        codes = pc.index_in(given, known)
        if codes.null_count:
            row = pc.index(pc.is_null(codes), True).as_py()
            raise RowError(
                f"{self.name}: row {{row}} holds {values[row].as_py()!r}, a class that training never saw", row
            )
        return torch.from_numpy(codes.to_numpy().astype(np.int64))


def _task(labels: Labels, distinct: int) -> str:
    if distinct == 2:
        return "binary"
    if not labels.measured:
        return "multiclass"
    return "multiclass" if labels.whole and distinct <= FEW and distinct * 5 <= labels.count else "regression"
