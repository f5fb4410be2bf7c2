"""The column to predict: what task it is, and how it becomes targets and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from netkit.errors import DataError, ModelFileError
from netkit.tables.columns import SECONDS, RowError, is_text, labels, numbers, text
from netkit.tables.summaries import DAY, SMALLEST, Labels, NumberSummary

__all__ = ["Target"]

FEW = 20
"""Whole numbers with at most this many values, each in 5 rows or more on average, count as classes."""
TASKS = ("binary", "multiclass", "regression")
Label = bool | int | float | str


@dataclass(frozen=True)
class Target:
    """Two classes become one column of 0 and 1 (the second in order is the 1), more become one-hot rows, and numbers
    are standardised: (n, width). Equal values are one class, however they are written: 1 and 1.0, true and TRUE."""

    name: str
    task: str
    classes: tuple[Label, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    spelled: tuple[str, ...] = field(default=(), repr=False)
    """How each class was first written in the training table, where its value does not tell."""
    resolution: Literal["", "D", "s", "ms", "us"] = field(default="", repr=False)
    """Of the dates that a regression gives."""

    @classmethod
    def fit(
        cls, name: str, values: pa.ChunkedArray, task: str | None = None, spelled: Mapping[Any, str] | None = None
    ) -> Target:
        """From all its values, none missing, as `of` does."""
        labels, found = Labels(), NumberSummary()
        labels.feed(values)
        target = cls.of(name, labels, task, spelled)
        if target.task == "regression":
            found.feed(numbers(name, values))
        return target.scaled(found)

    @classmethod
    def of(cls, name: str, labels: Labels, task: str | None = None, spelled: Mapping[Any, str] | None = None) -> Target:
        """From a summary of all its values, and how a CSV file writes them. Without a task: two values are binary, text
        or few whole numbers are multiclass, the rest is regression. Raises `DataError` when the values cannot be the
        task's."""
        if not labels.usable:
            raise DataError(f"{name}: the target must be numbers, text or dates, got {labels.type}")
        distinct = labels.values
        if len(distinct) < 2:
            raise DataError(f"{name}: the target has one value only, {next(iter(distinct))!r}")
        task = task or _task(labels, len(distinct))
        if task == "regression" and not labels.measured:
            raise DataError(f"{name}: a regression needs numbers, got {labels.first!r}")
        if task == "binary" and len(distinct) != 2:
            raise DataError(f"{name}: a binary target has two values, this one has {len(distinct)}")
        if task != "regression" and labels.cut:
            raise DataError(f"{name}: a target of classes has {len(distinct)} at most, this one has more")
        if task == "regression":
            return cls(name, task, resolution=_resolution(labels.type))
        classes = tuple(sorted(distinct))
        words = [(spelled or {}).get(each) or distinct[each] or str(each) for each in classes]
        times = any(distinct.values()) and isinstance(classes[0], str)
        plain = not times and words == [str(each) for each in classes]
        return cls(name, task, classes, spelled=() if plain else tuple(words))

    def notes(self, labels: Labels, task: str | None) -> list[str]:
        """What may surprise of the classes in all its values; task: the one that somebody chose."""
        count = len(self.classes)
        if self.task == "multiclass" and 2 * count > labels.count:
            said = (
                f"{count} classes in {labels.count} rows, hardly a row of each to learn from; is it a name or a date?"
            )
            return [f"{self.name}: {said}"]
        if self.task == "multiclass" and task is None and labels.measured:
            return [f"{self.name}: its {count} values are taken for classes; task regression predicts a number"]
        return []

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes as they are given back: as they were written where that is not how Python writes them."""
        return self.spelled or self.classes

    @property
    def words(self) -> bool:
        """Whether its classes are text whatever they look like; dates and times are spelled."""
        return not self.spelled and any(isinstance(label, str) for label in self.classes)

    @property
    def width(self) -> int:
        """Columns of the encoded target."""
        return len(self.classes) if self.task == "multiclass" else 1

    def scaled(self, found: NumberSummary) -> Target:
        """In a regression, with mean and scale of the values that were summarised. Raises `DataError`."""
        if self.task != "regression":
            return self
        try:
            return replace(self, mean=found.mean, scale=found.deviation or 1.0)
        except DataError as error:
            raise DataError(f"{self.name}: {error}") from None

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
        """Outputs (n, width) as values of the column; of a column of dates as ISO text, in UTC."""
        if self.task == "regression":
            values = self.unscale(outputs).flatten()
            return _dates(values, self.resolution) if self.resolution else values.tolist()
        codes = outputs.argmax(1) if self.task == "multiclass" else (outputs[:, 0] >= threshold).long()
        labels = self.labels
        return [labels[code] for code in codes.tolist()]

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
        kinds = {float if type(each) is int else type(each) for each in target.classes}  # of decimals some are whole
        if len(set(target.classes)) < len(target.classes) or len(kinds) > 1:
            raise ModelFileError(f"the target is damaged: its classes repeat or are of several types: {target.classes}")
        if target.scale < SMALLEST:
            raise ModelFileError(f"the target is damaged: its scale is {target.scale}")
        if len(target.spelled) not in (0, len(target.classes)):
            raise ModelFileError(f"the target is damaged: {len(target.spelled)} of its classes are spelled")
        return target

    def _codes(self, values: pa.ChunkedArray) -> Tensor:
        """The number of each value's class. A label is the same label in another type: 1 in a column of 1.0."""
        numeric = not isinstance(self.classes[0], str)
        places, found = labels(text(values) if self.words else values)
        known: dict[Any, int] = {}
        for code, each in [*enumerate(self.classes), *enumerate(self.spelled)]:
            known.setdefault(each, code)
        if numeric and is_text(values):
            found = [each if each in known else _number(each) for each in found]
        codes = np.array([known.get(each, -1) for each in found], np.int64)[places]
        if len(unseen := np.flatnonzero(codes < 0)):
            row = int(unseen[0])
            held = found[places[row]]
            raise RowError(f"{self.name}: row {{row}} holds {held!r}, a class that training never saw", row)
        return torch.from_numpy(codes)


def _number(word: str) -> Label:
    """The number that a text is, or the text."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word


def _resolution(kind: pa.DataType) -> Any:
    """Of dates; finer than microseconds float64 cannot tell."""
    if pa.types.is_date(kind):
        return "D"
    return {"ns": "us"}.get(kind.unit, kind.unit) if pa.types.is_timestamp(kind) else ""


def _dates(seconds: Tensor, resolution: str) -> list[Label]:
    """Seconds since 1970 as ISO text; what lies beyond the years 1 to 9999 is cut off there."""
    ends = np.array(["0001-01-01", "9999-12-31"], "datetime64[s]").astype(np.float64)
    counts = np.rint(
        np.clip(np.nan_to_num(seconds.numpy()), *ends) / (DAY if resolution == "D" else SECONDS[resolution])
    )
    found: list[Label] = np.datetime_as_string(counts.astype(np.int64).astype(f"datetime64[{resolution}]")).tolist()
    return found


def _task(labels: Labels, distinct: int) -> str:
    if distinct == 2:
        return "binary"
    if not labels.measured:
        return "multiclass"
    return "multiclass" if labels.whole and distinct <= FEW and distinct * 5 <= labels.count else "regression"
