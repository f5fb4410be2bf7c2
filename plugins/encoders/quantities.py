"""Numbers and dates: standardised, and an input that says where the value is missing, where training had some."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
import pyarrow as pa

from netkit import DateSummary, Encoder, NumberSummary

__all__ = ["Date", "DateState", "Number", "NumberState"]

TAIL = 5.0
"""A column of numbers has a heavy tail when a value lies this many interquartile ranges from the median."""
LARGEST = 1e30
"""An input is cut off here, so that it is finite in float32 whatever a later table holds."""
SMALLEST = sys.float_info.min
"""The smallest number with all of its digits."""

Scale = Annotated[float, msgspec.Meta(ge=SMALLEST)]


class NumberState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation; median and interquartile range, where there is a body; whether any was missing."""

    center: float = 0.0
    scale: Scale = 1.0
    body: tuple[float, Scale] | None = None
    missing: bool = False


@dataclass(frozen=True)
class Number(Encoder):
    """u = (x - mean) / deviation; of a column with a heavy tail, if `body` is true, also its body:
    v / sqrt(1 + (v / 3)^2) with v = (x - median) / (interquartile range), which stays within 3 (arXiv:2407.04491).

    A tail is heavy where a value lies more than 5 interquartile ranges from the median. The body alone would hide how
    far out a value lies, which costs a regression on such a column more than it gains. A missing value has inputs of 0,
    and another input says so where training had some. Raises `DataError` where the deviation is beyond float64.
    """

    takes = "number"
    State = NumberState
    body: bool = True

    def fit(self, summary: NumberSummary) -> NumberState | str:
        if not summary.count:
            return "every value is missing"
        if summary.low == summary.high and not summary.missing:
            return f"every value is {summary.low:g}"
        body = _body(summary) if self.body else None
        return NumberState(summary.mean, summary.deviation or 1.0, body, summary.missing > 0)

    def names(self, column: str, state: NumberState) -> list[str]:
        given = {column: True, f"{column} (body)": state.body, f"{column} (missing)": state.missing}
        return [name for name, there in given.items() if there]

    def transform(self, state: NumberState, values: pa.Array, inputs: np.ndarray) -> None:
        _write(_standardised(values, state.center, state.scale), inputs, state.missing)
        if state.body:
            v = _standardised(values, *state.body)
            _write(v / np.sqrt(1 + np.square(v / 3)), inputs[:, 1:])

    def treatment(self, state: NumberState) -> str:
        given = {"standardised": True, "body": state.body, "missing": state.missing}
        return " + ".join(name for name, there in given.items() if there)


class DateState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation in seconds, the cycles that the dates go through, and whether any was missing."""

    center: float = 0.0
    scale: Scale = 1.0
    cycles: tuple[Literal["day", "week", "year"], ...] = ()
    missing: bool = False


@dataclass(frozen=True)
class Date(Encoder):
    """The seconds t since 1970, standardised, and sin and cos of 2 pi t / period for each cycle (day, week, year) that
    it goes through.

    A missing value has inputs of 0, and another input says so where training had some. Text, and whole numbers, are
    read in the `format`, of %d, %m, %b (a month's name), %q (a quarter), %Y, %y, %H, %M and %S; in none, as ISO 8601.
    """

    takes = "date"
    State = DateState
    format: str = ""

    def date_format(self) -> str:
        return self.format

    def fit(self, summary: DateSummary) -> DateState | str:
        if not summary.count:
            return "every value is missing"
        if summary.low == summary.high and not summary.missing:
            return "every date is the same"
        return DateState(summary.mean, summary.deviation or 1.0, summary.cycles, summary.missing > 0)

    def names(self, column: str, state: DateState) -> list[str]:
        waves = [f"{column} ({wave} of the {cycle})" for cycle in state.cycles for wave in ("sin", "cos")]
        return [column, *waves, *([f"{column} (missing)"] if state.missing else [])]

    def transform(self, state: DateState, values: pa.Array, inputs: np.ndarray) -> None:
        seconds = values.to_numpy(zero_copy_only=False)
        _write(_standardised(values, state.center, state.scale), inputs, state.missing)
        for number, cycle in enumerate(state.cycles):
            period = DateSummary.CYCLES[cycle]
            angle = 2 * np.pi * (seconds % period) / period
            _write(np.sin(angle), inputs[:, 1 + 2 * number :])
            _write(np.cos(angle), inputs[:, 2 + 2 * number :])

    def treatment(self, state: DateState) -> str:
        return " + ".join(["standardised", *state.cycles, *(["missing"] if state.missing else [])])


def _body(summary: NumberSummary) -> tuple[float, float] | None:
    """Median and interquartile range where the values have a heavy tail."""
    low, median, high = summary.quartiles
    heavy = max(median - summary.low, summary.high - median) > TAIL * (high - low)
    return (median, high - low) if high - low >= SMALLEST and heavy else None


def _standardised(values: pa.Array, center: float, scale: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        u: np.ndarray = np.clip((values.to_numpy(zero_copy_only=False) - center) / scale, -LARGEST, LARGEST)
    return u


def _write(u: np.ndarray, inputs: np.ndarray, mark: bool = False) -> None:
    """Into the first column, 0 where it is missing; with `mark` a 1 into the last there."""
    missing = np.isnan(u)
    u[missing] = 0
    inputs[:, 0] = u
    if mark:
        inputs[:, -1] = missing
