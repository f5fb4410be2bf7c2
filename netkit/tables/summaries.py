"""What an encoding is fitted from: a small summary of a column, fed with one batch of its values after another.

However the values are cut into batches, it comes out the same, to the bit, up to `MOST` levels. Summaries of two parts
of a column merge into that of both: to the bit where the first part ends at a block's border, else to rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import reduce
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit.errors import DataError
from netkit.tables.columns import is_date, is_number, is_text, is_whole, iso_text, labels, plain

__all__ = ["DAY", "SMALLEST", "DateSummary", "Labels", "NumberSummary", "TextSummary"]

DAY = 86400.0
SAMPLE = 100_000
"""Values that are kept at most to find the quartiles of a column."""
SMALLEST = sys.float_info.min
"""The smallest number with all of its digits."""
MOST = 2**16
"""Levels that are counted from one batch to the next; where there are more, the rarer half is forgotten."""

Cycle = Literal["day", "week", "year"]
Moments = tuple[int, float, float, int]
"""Count, mean and sum of squared differences from it, of values in units of 2^k, and k: 0 but where squares would leave
float64."""
ZERO = -1074
"""The exponent of the smallest number, so any unit is as large."""
NONE: Moments = (0, 0.0, 0.0, ZERO)
"""Those of no values."""


class NumberSummary:
    """Of a column of numbers: how many there are, how many are missing, their mean, deviation, ends and quartiles."""

    block: int | None = 2**14
    """Values that are summed up at once, wherever a batch ends, so that no bit depends on that; None: as they are
    fed."""

    def __init__(self) -> None:
        self.count, self.missing = 0, 0
        self.low, self.high = np.inf, -np.inf
        self._blocks: list[Moments] = []
        """Of the blocks that are full, or were the last of a part."""
        self._left = np.empty(0)
        self._sample, self._stride = np.empty(0), 1

    def feed(self, values: pa.ChunkedArray) -> None:
        """Take in float64, null where missing."""
        known = values.drop_null()
        self.missing += len(values) - len(known)
        for chunk in known.chunks if self.block else [known.combine_chunks()]:
            if len(chunk):
                self._add(chunk.to_numpy())

    def merge(self, other: Self) -> None:
        """Take in what another summary of the same kind has seen, as what follows on this one's values."""
        if other.count:
            self._blocks, self._left = [*self._parts, *other._blocks], other._left
            stride = max(self._stride, other._stride)
            samples = [each._sample[:: stride // each._stride] for each in (self, other)]
            self._sample, self._stride = np.concatenate(samples), stride
            self._thin()
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.count, self.missing = self.count + other.count, self.missing + other.missing

    @property
    def mean(self) -> float:
        """The mean; 0 without a value."""
        _, mean, _, unit = reduce(_together, self._parts, NONE)
        return float(np.ldexp(mean, unit))

    @property
    def deviation(self) -> float:
        """The standard deviation, 0 where it is too small to divide by. Raises `DataError` where it is too large."""
        _, _, squares, unit = reduce(_together, self._parts, NONE)
        if self.count and not np.isfinite(self.high - self.low):
            largest = max(abs(self.low), abs(self.high))
            raise DataError(f"its values are too large to standardise, the largest is {largest:g}")
        found = float(np.ldexp(np.sqrt(squares / max(self.count, 1)), unit))
        return found if found >= SMALLEST else 0.0

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Of every 2^k-th value, where all would be more than `SAMPLE`; nan without a value."""
        if not self.count:
            return np.nan, np.nan, np.nan
        with np.errstate(over="ignore"):
            low, median, high = map(float, np.percentile(self._sample, [25, 50, 75]))
        return low, median, high

    def _add(self, values: np.ndarray) -> None:
        self._sample = np.concatenate([self._sample, values[-self.count % self._stride :: self._stride]])
        self._thin()
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.count += len(values)
        size = self.block or len(values)
        left = np.concatenate([self._left, values]) if len(self._left) else values
        self._blocks += [_moments(left[start : start + size]) for start in range(0, len(left) - size + 1, size)]
        self._left = left[len(left) - len(left) % size :].copy()

    def _thin(self) -> None:
        """Halve the sample, of which every `_stride`-th value is in it, while it is too large."""
        while len(self._sample) > SAMPLE:
            self._sample, self._stride = self._sample[::2].copy(), 2 * self._stride

    @property
    def _parts(self) -> list[Moments]:
        """Of all values, block after block."""
        return [*self._blocks, *([_moments(self._left)] if len(self._left) else [])]


def _moments(values: np.ndarray) -> Moments:
    largest = float(np.abs(values).max())
    unit = 0 if 1e-100 < largest < 1e100 else int(np.frexp(largest)[1]) if largest else ZERO
    found = pa.array(np.ldexp(values, -unit) if unit else values)
    return len(values), pc.mean(found).as_py(), float(pc.variance(found).as_py() * len(values)), unit


def _together(one: Moments, other: Moments) -> Moments:
    """The moments of both parts together (Chan, Golub and LeVeque, 1979)."""
    if not one[0]:
        return other
    unit = max(one[3], other[3])
    (before, mean, squares), (count, own, spread) = _in_units(one, unit), _in_units(other, unit)
    share, apart = count / (before + count), own - mean
    return before + count, mean + apart * share, squares + spread + apart**2 * (before * share), unit


def _in_units(found: Moments, unit: int) -> tuple[int, float, float]:
    """In units of 2^unit, which are no smaller."""
    count, mean, squares, own = found
    return count, float(np.ldexp(mean, own - unit)), float(np.ldexp(squares, 2 * (own - unit)))


class DateSummary(NumberSummary):
    """Of a column of dates, in seconds since 1970: as of numbers, and which cycles they go through."""

    CYCLES: ClassVar[dict[Cycle, float]] = {"day": DAY, "week": 7 * DAY, "year": 365.2425 * DAY}
    """Seconds of each cycle that dates may follow."""

    def __init__(self) -> None:
        super().__init__()
        self._wraps = dict.fromkeys(self.CYCLES, (np.inf, -np.inf))

    def merge(self, other: Self) -> None:
        """Take in what another summary of dates has seen."""
        super().merge(other)
        for cycle, (low, high) in other._wraps.items():
            self._wrap(cycle, low, high)

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """Those that are shorter than the whole span, and in which the dates differ."""
        return tuple(
            cycle
            for cycle, length in self.CYCLES.items()
            if self.high - self.low >= length and self._wraps[cycle][1] > self._wraps[cycle][0]
        )

    def _add(self, values: np.ndarray) -> None:
        super()._add(values)
        for cycle, length in self.CYCLES.items():
            into = values % length
            self._wrap(cycle, into.min(), into.max())

    def _wrap(self, cycle: Cycle, low: float, high: float) -> None:
        before = self._wraps[cycle]
        self._wraps[cycle] = min(before[0], low), max(before[1], high)


class TextSummary:
    """Of a column of text: how many values there are of each level."""

    def __init__(self) -> None:
        self.count, self.missing = 0, 0
        self._counts: dict[str, int] = {}

    def feed(self, values: pa.ChunkedArray) -> None:
        """Take in text, null where missing."""
        known = values.drop_null()
        self.missing += len(values) - len(known)
        found = pc.value_counts(known)
        self._add(len(known), zip(found.field("values").to_pylist(), found.field("counts").to_pylist()))

    def merge(self, other: Self) -> None:
        """Take in what another summary of text has seen."""
        self.missing += other.missing
        self._add(other.count, other._counts.items())

    @property
    def counts(self) -> dict[str, int]:
        """How often each level occurs, the most frequent first."""
        return dict(self._most())

    @property
    def differ(self) -> bool:
        """Whether no value comes twice and none is missing."""
        return not self.missing and all(count == 1 for count in self._counts.values())

    def _add(self, count: int, levels: Iterable[tuple[str, int]]) -> None:
        self.count += count
        if len(self._counts) > MOST:
            self._counts = dict(self._most()[: MOST // 2])
        for level, often in levels:
            self._counts[level] = self._counts.get(level, 0) + often

    def _most(self) -> list[tuple[str, int]]:
        return sorted(self._counts.items(), key=lambda each: (-each[1], each[0]))


class Labels:
    """Of the column to predict, where it is not missing: its type, its distinct values, and whether all are whole."""

    def __init__(self) -> None:
        self.count, self.whole, self.cut = 0, True, False
        """How many values there are, whether all are whole, and whether there were too many distinct ones to keep."""
        self.type: pa.DataType = pa.null()
        self.first: str | None = None
        """The first text."""
        self._distinct: dict[Any, str | None] = {}

    def feed(self, values: pa.ChunkedArray) -> None:
        """Take in a batch without missing values."""
        if not len(values):
            return
        if not self.count or pa.types.is_floating(values.type):
            self.type = values.type
        self._kinds = is_number(values), is_date(values), is_text(values)
        self.first = self.first if self.first is not None or not is_text(values) else values[0].as_py()
        self.whole = self.whole and is_whole(values)
        self.cut = self.cut or len(self._distinct) > MOST
        if self.usable and not self.cut:
            for label, word in zip(*_distinct(values)):
                self._distinct.setdefault(label, word)
        self.count += len(values)

    @property
    def usable(self) -> bool:
        """Whether they are numbers, dates or text."""
        return any(self._kinds)

    @property
    def measured(self) -> bool:
        """Whether they are numbers or dates."""
        return self._kinds[0] or self._kinds[1]

    @property
    def values(self) -> dict[Any, str | None]:
        """The distinct ones in a type that JSON can keep, and how each is written where that type does not tell."""
        as_float = pa.types.is_floating(self.type)
        return {float(each) if as_float else each: word for each, word in self._distinct.items()}


def _distinct(values: pa.ChunkedArray) -> tuple[list[Any], list[str | None]]:
    """The labels in a column, and the digits of decimals, dates and times."""
    kind, known = values.type, pc.unique(plain(values))
    found = labels(pa.chunked_array([known]))[1]
    if pa.types.is_decimal(kind) or (pa.types.is_temporal(kind) and not pa.types.is_duration(kind)):
        return found, iso_text(pa.chunked_array([known])).to_pylist()
    return found, [None] * len(found)
