"""Metrics of outputs: class probabilities, and the order in which outputs stand."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from netkit import DataError, Metric, ShapeError, comparable, like

__all__ = ["Brier", "CalibrationError", "LogLoss", "RocAuc", "TopK"]

END = math.asinh(745)
"""The log odds of the smallest number above 0 are -745 in float64."""


def _columns(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64 as (n, k), class numbers as one-hot rows. Raises `ShapeError`; `DataError` for other classes."""
    p, y = comparable(prediction, target)
    if p.ndim > 1 and y.ndim == 1:
        classes = torch.arange(p.shape[1], device=y.device)
        if bool((wrong := ~torch.isin(y, classes)).any()):
            raise DataError(
                f"target: class numbers from 0 to {len(classes) - 1} are needed, got {float(y[wrong][0]):g}"
            )
        y = y[:, None] == classes
    return p.reshape(len(p), -1).double(), like(p, y).reshape(len(p), -1).double()


def _classes(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The same with two columns instead of one: that of a 1 first, which wins where both are equal."""
    p, y = _columns(prediction, target)
    return (torch.cat([p, 1 - p], 1), torch.cat([y, 1 - y], 1)) if p.shape[1] == 1 else (p, y)


def _within(name: str, p: Tensor) -> Tensor:
    """The probabilities. Raises `DataError` for what is none: the outputs of a hinge loss, say."""
    for value in (float(p.min()), float(p.max())):
        if not 0 <= value <= 1:
            raise DataError(f"{name}: probabilities from 0 to 1 are needed, got {value:g}")
    return p


class _Mean(Metric):
    """A tally of (the sum of a value a row, rows)."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass")

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        values = self.values(prediction, target)
        return torch.stack([values.sum(), torch.full_like(values[0], len(values))])

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])

    @abstractmethod
    def values(self, prediction: Tensor, target: Tensor) -> Tensor:
        """What each row is worth, (n,) in float64."""


@dataclass(frozen=True)
class LogLoss(_Mean):
    """-log of the probability that was given to what happened, the mean over rows, in nats.

    Rows of probabilities beside one-hot rows or class numbers; or one column, the probability of a 1. Probabilities
    below the dtype's epsilon count as epsilon.
    """

    reported, outputs = True, "unit"
    higher_is_better = False

    def values(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _classes(prediction, target)
        return -(y * p.clamp_min(torch.finfo(prediction.dtype).eps).log()).sum(1)


@dataclass(frozen=True)
class Brier(_Mean):
    """The mean over rows of (p - y)^2, p the probability of a 1; with three classes or more, of sum_k (p_k - y_k)^2.

    From 0 to 1 for two classes, in one column or two, and to 2 for more, as scikit-learn scales it. Rows of
    probabilities beside one-hot rows or class numbers, or one column. Raises `DataError` for what is no probability.
    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """

    reported, outputs = True, "unit"
    higher_is_better = False

    def values(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _classes(prediction, target)
        return ((_within("brier", p) - y) ** 2).sum(1) / (2 if p.shape[1] == 2 else 1)


@dataclass(frozen=True)
class CalibrationError(Metric):
    """Expected calibration error: sum_b n_b / n |share right in b - mean probability in b|, from 0 to 1.

    Rows are put in `bins` bins of equal width, ((b - 1) / bins, b / bins], by the probability of their most likely
    class, so it says nothing about the other classes; with few rows in a bin chance alone makes it larger than 0. Rows
    of probabilities beside one-hot rows or class numbers, or one column. Raises `DataError` for what is no probability.
    Source: Guo et al. 2017, arXiv:1706.04599, equation 5.
    """

    reported, outputs = True, "unit"
    tasks, higher_is_better = ("binary", "multiclass"), False
    bins: Annotated[int, Meta(ge=1, le=10**6)] = 15

    @classmethod
    def examples(cls) -> Iterator[CalibrationError]:
        yield from (cls(), cls(bins=10), cls(bins=1))

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _classes(prediction, target)
        top = _within("calibration_error", p).argmax(1, keepdim=True)
        chance, right = p.gather(1, top)[:, 0], y.gather(1, top)[:, 0]
        place = (chance * self.bins).ceil().long().sub(1).clamp_min(0)
        return torch.cat([place.bincount(each, self.bins) for each in (torch.ones_like(right), right, chance)])

    def score(self, tally: Tensor) -> float:
        rows, right, chance = tally.chunk(3)
        return float((right - chance).abs().sum() / rows.sum())


@dataclass(frozen=True)
class TopK(_Mean):
    """Share of rows whose class is among the k highest outputs; 1 where there are no more than k classes.

    Equal outputs stand in any order, and a row counts with the chance that its class is among the k: outputs that are
    all equal score k / classes. Outputs (n, classes) beside one-hot rows or class numbers. Raises `ShapeError` for one
    column.
    """

    tasks = ("multiclass",)
    k: Annotated[int, Meta(ge=1)] = 2

    @classmethod
    def examples(cls) -> Iterator[TopK]:
        yield from (cls(), cls(k=1))

    def values(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        if p.shape[1] == 1:
            raise ShapeError(f"top_k: a column for each class is needed, got shape {tuple(prediction.shape)}")
        own = p.gather(1, y.argmax(1, keepdim=True))
        higher, equal = (p > own).sum(1), (p == own).sum(1).double()
        return ((self.k - higher) / equal).clamp(0, 1)


@dataclass(frozen=True)
class RocAuc(Metric):
    """The chance that a positive row has a higher output than a negative one, a tie counting one half.

    One column: probabilities, or any real outputs, beside 0 and 1. Several: the mean over the columns, each class
    against the rest, where both occur; 0.5 where that is in no column. It is the area under the receiver operating
    characteristic (Hanley and McNeil 1982).

    It is approximate, since orders do not add up: outputs are counted in `bins` bins, and those in one bin count as
    equal. So it is off by at most half the share of pairs (positive, negative) that differ and share a bin, in practice
    far less. Half of the bins lie between 0 and 1: at the probability p with log odds l = log(p / (1 - p)) one is
    29.2 sqrt(1 + l^2) / bins wide in l: by default 0.00045 in p at 1/2, 0.012 p at 1e-3 and 0.025 p at 1e-6. The others
    are for outputs -x and 1 + x: twice as wide in log x as those in l. A tally takes 16 bytes a bin and column.
    """

    reported = True
    tasks = ("binary", "multiclass")
    bins: Annotated[int, Meta(ge=8, le=2**24)] = 2**14

    @classmethod
    def examples(cls) -> Iterator[RocAuc]:
        yield from (cls(), cls(bins=1000))

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        columns = p.shape[1]
        place = (self._places(p) + self.bins * torch.arange(columns, device=p.device)).flatten()
        return torch.cat([place.bincount(each.flatten(), columns * self.bins) for each in (y, 1 - y)])

    def _places(self, p: Tensor) -> Tensor:
        """The bin of each output: a quarter of them below 0, half between 0 and 1, and a quarter above 1."""
        odds = torch.where(p < 0, -p, torch.where(p <= 1, p / (1 - p), p - 1))
        v = (1 + (odds.log().asinh() / END).clamp(-1, 1)) / 2
        quarters = torch.where(p < 0, 1 - v, torch.where(p <= 1, 1 + 2 * v, 3 + v))
        return (quarters * (self.bins / 4)).long().clamp_max(self.bins - 1)

    def score(self, tally: Tensor) -> float:
        positive, negative = tally.reshape(2, -1, self.bins)
        pairs = positive.sum(1) * negative.sum(1)
        won = (positive * (negative.cumsum(1) - negative / 2)).sum(1)
        return float((won / pairs)[pairs > 0].mean()) if bool((pairs > 0).any()) else 0.5
