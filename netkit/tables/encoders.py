"""How one column becomes inputs: numbers, dates, text with an input for each level, text as codes.

Each is fitted on the training rows alone and stored with the model as plain JSON. A missing value has inputs of 0, and
for numbers and dates another input says that it is missing, where training had some.
"""

from __future__ import annotations

from math import ceil
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit.tables.columns import dates, numbers, text
from netkit.tables.summaries import CYCLES, SMALLEST, Cycle, Dates, Levels, Numbers

__all__ = ["Codes", "Column", "Date", "Number", "Text"]

LEVELS = 100
"""Levels of a text column that get an input of their own; the rarer ones share one."""
TAIL = 5.0
"""A column of numbers has a heavy tail when a value lies this many interquartile ranges from the median."""
LARGEST = 1e30
"""An input is cut off here, so that it is finite in float32 whatever a later table holds."""

Scale = Annotated[float, msgspec.Meta(ge=SMALLEST)]


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="number"):
    """(x - center) / scale, the mean and the standard deviation; where the column has a heavy tail also its body:
    v / sqrt(1 + (v / 3)^2) with v = (x - median) / (interquartile range), which stays within 3 (arXiv:2407.04491).

    The body alone would hide how far out a value lies, which costs a regression on such a column more than it gains.
    """

    summary: ClassVar = Numbers
    name: str
    center: float = 0.0
    scale: Scale = 1.0
    body: tuple[float, Scale] | None = None
    missing: bool = False

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs it becomes."""
        given = {self.name: True, f"{self.name} (body)": self.body, f"{self.name} (missing)": self.missing}
        return [name for name, there in given.items() if there]

    @property
    def treatment(self) -> str:
        """What is done, in words."""
        given = {"standardised": True, "body": self.body, "missing": self.missing}
        return " + ".join(name for name, there in given.items() if there)

    @classmethod
    def fit(cls, found: Numbers) -> Number | str:
        """From the training rows; a text that says why the column can tell nothing. Raises `DataError`."""
        if not found.count:
            return "every value is missing"
        if found.low == found.high and not found.missing:
            return f"every value is {found.low:g}"
        return cls(found.name, found.mean, found.deviation or 1.0, _body(found), found.missing > 0)

    def conform(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The whole column in the type that `fill` takes. Raises `DataError`."""
        return numbers(self.name, values)

    def fill(self, values: pa.Array, into: np.ndarray) -> int:
        """Write the inputs (n, len(self.inputs)) over zeros; returns how many values training never saw."""
        _write(_standardised(values, self.center, self.scale), into, self.missing)
        if self.body:
            v = _standardised(values, *self.body)
            _write(v / np.sqrt(1 + np.square(v / 3)), into[:, 1:])
        return 0


class Date(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="date"):
    """The seconds t since 1970, standardised, and sin and cos of 2 pi t / period for each cycle that it goes
    through."""

    summary: ClassVar = Dates
    name: str
    center: float = 0.0
    scale: Scale = 1.0
    cycles: tuple[Cycle, ...] = ()
    missing: bool = False

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs it becomes."""
        waves = [f"{self.name} ({wave} of the {cycle})" for cycle in self.cycles for wave in ("sin", "cos")]
        return [self.name, *waves, *([f"{self.name} (missing)"] if self.missing else [])]

    @property
    def treatment(self) -> str:
        """What is done, in words."""
        return " + ".join(["standardised", *self.cycles, *(["missing"] if self.missing else [])])

    @classmethod
    def fit(cls, found: Dates) -> Date | str:
        """From the training rows; a text that says why the column can tell nothing. Raises `DataError`."""
        if not found.count:
            return "every value is missing"
        if found.low == found.high and not found.missing:
            return "every date is the same"
        return cls(found.name, found.mean, found.deviation or 1.0, found.cycles, found.missing > 0)

    def conform(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The whole column in the type that `fill` takes. Raises `DataError`."""
        return dates(self.name, values)

    def fill(self, values: pa.Array, into: np.ndarray) -> int:
        """Write the inputs (n, len(self.inputs)) over zeros; returns how many values training never saw."""
        seconds = values.to_numpy(zero_copy_only=False)
        _write(_standardised(values, self.center, self.scale), into, self.missing)
        for number, cycle in enumerate(self.cycles):
            angle = 2 * np.pi * (seconds % CYCLES[cycle]) / CYCLES[cycle]
            _write(np.sin(angle), into[:, 1 + 2 * number :])
            _write(np.cos(angle), into[:, 2 + 2 * number :])
        return 0


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A 1 for the level that the value is; where there were too many levels the rare and the unseen share an input."""

    summary: ClassVar = Levels
    name: str
    levels: tuple[str, ...]
    other: bool = False

    def __post_init__(self) -> None:
        _refuse_repeated(self.levels)

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs it becomes."""
        return [f"{self.name}={level}" for level in self.levels] + ([f"{self.name} (other)"] if self.other else [])

    @property
    def treatment(self) -> str:
        """What is done, in words."""
        return f"one-hot of {len(self.levels)} levels" + (" + other" if self.other else "")

    @classmethod
    def fit(cls, found: Levels) -> Text | str:
        """From the training rows; a text that says why the column can tell nothing."""
        counts = found.counts
        if len(counts) < 2 and not (counts and found.missing):
            return f"every value is {next(iter(counts))!r}" if counts else "every value is missing"
        return cls(found.name, tuple(sorted(list(counts)[:LEVELS])), other=len(counts) > LEVELS)

    def conform(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The whole column in the type that `fill` takes."""
        return text(values, self.name)

    def fill(self, values: pa.Array, into: np.ndarray) -> int:
        """Write the inputs (n, len(self.inputs)) over zeros; returns how many values training never saw."""
        codes, unseen = _codes(values, self.levels)
        known = codes >= 0
        into[np.flatnonzero(known), codes[known]] = 1
        if self.other:
            into[unseen, -1] = 1
            return 0
        return int(unseen.sum())


class Codes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="embedding"):
    """The number of the level, from 1 on; 0 for a value that is missing, was seen once only, or never."""

    summary: ClassVar = Levels
    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        _refuse_repeated(self.levels)

    @property
    def inputs(self) -> list[str]:
        """The name of the one input that it becomes."""
        return [self.name]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and dimensions of its table: the fourth root of the rows, rounded up; more cost time and scored no
        better."""
        rows = len(self.levels) + 1
        return rows, ceil(rows**0.25)

    @property
    def treatment(self) -> str:
        """What is done, in words."""
        return f"embedding, {self.size[0]} x {self.size[1]}"

    @classmethod
    def fit(cls, found: Levels) -> Codes | str:
        """From the training rows; a text that says why the column can tell nothing."""
        levels = [level for level, count in found.counts.items() if count > 1]
        return cls(found.name, tuple(levels)) if levels else "every value differs"

    def conform(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The whole column in the type that `fill` takes."""
        return text(values, self.name)

    def fill(self, values: pa.Array, into: np.ndarray) -> int:
        """Write the codes (n, 1); returns 0, since a value that training never saw has a code of its own."""
        into[:, 0] = _codes(values, self.levels)[0] + 1
        return 0


Column = Number | Date | Text | Codes


def _refuse_repeated(levels: tuple[str, ...]) -> None:
    if len(set(levels)) < len(levels):
        raise ValueError("every level comes once")


def _body(found: Numbers) -> tuple[float, float] | None:
    """Median and interquartile range where the values have a heavy tail."""
    low, median, high = found.quartiles
    return (
        (median, high - low)
        if high - low >= SMALLEST and max(median - found.low, found.high - median) > TAIL * (high - low)
        else None
    )


def _standardised(values: pa.Array, center: float, scale: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        u: np.ndarray = np.clip((values.to_numpy(zero_copy_only=False) - center) / scale, -LARGEST, LARGEST)
    return u


def _write(u: np.ndarray, into: np.ndarray, mark: bool = False) -> None:
    """Into the first column, 0 where it is missing; with `mark` a 1 into the last there."""
    missing = np.isnan(u)
    u[missing] = 0
    into[:, 0] = u
    if mark:
        into[:, -1] = missing


def _codes(values: pa.Array, levels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each value's level, -1 for none, and which values are neither missing nor a level."""
    codes = pc.fill_null(pc.index_in(values, pa.array(levels, pa.string())), -1).to_numpy().astype(np.int64)
    return codes, (codes < 0) & values.is_valid().to_numpy(zero_copy_only=False)
