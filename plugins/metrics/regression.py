"""Metrics of numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, like, row_means

__all__ = ["Mape", "MeanAbsoluteError", "MeanSquaredError", "MedianAbsoluteError", "R2", "Rmse"]

POWER, BINS = 100, 64
"""Powers of two that absolute errors may have, and the bins of each."""


def _columns(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64 (n, k)."""
    target = like(prediction, target)
    return prediction.reshape(len(prediction), -1).double(), target.reshape(len(target), -1).double()


@dataclass(frozen=True)
class R2(Metric):
    """1 - sum (y - p)^2 / sum (y - mean y)^2, the mean over the columns; 1 is perfect, 0 is as good as the mean.

    A column whose targets are all equal scores 1 when it is predicted exactly, else 0.
    """

    tasks = ("regression",)

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        return torch.stack([((y - p) ** 2).sum(0), (y * y).sum(0), y.sum(0), torch.full_like(y[0], len(y))]).flatten()

    def score(self, tally: Tensor) -> float:
        wrong, squares, sums, rows = tally.reshape(4, -1)
        spread = squares - sums * sums / rows
        constant = spread <= 1e-14 * squares  # what float64 sums can tell from nothing
        shares = torch.where(constant, (wrong > 0).double(), wrong / torch.where(constant, 1.0, spread))
        return float((1 - shares).mean())


class _MeanDistance(Metric):
    """A tally of (the sum over rows of the mean distance over columns, rows)."""

    tasks, higher_is_better = ("regression",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        rows = row_means(self.distance(y - p, y))
        return torch.stack([rows.sum(), torch.full_like(rows[0], len(rows))])

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])

    @abstractmethod
    def distance(self, difference: Tensor, target: Tensor) -> Tensor:
        """How much each difference from the target counts."""


@dataclass(frozen=True)
class MeanSquaredError(_MeanDistance):
    """mean (y - p)^2 over rows and columns, in the target's unit squared."""

    def distance(self, difference: Tensor, target: Tensor) -> Tensor:
        return difference**2


@dataclass(frozen=True)
class MeanAbsoluteError(_MeanDistance):
    """mean |y - p| over rows and columns, in the target's unit."""

    def distance(self, difference: Tensor, target: Tensor) -> Tensor:
        return difference.abs()


@dataclass(frozen=True)
class Mape(_MeanDistance):
    """mean |y - p| / |y| over rows and columns, a share; |y| of at least 2.2e-16, float64's epsilon."""

    def distance(self, difference: Tensor, target: Tensor) -> Tensor:
        return difference.abs() / target.abs().clamp_min(torch.finfo(torch.float64).eps)


@dataclass(frozen=True)
class Rmse(Metric):
    """sqrt(mean (y - p)^2), the mean over the columns, in the target's unit."""

    tasks, higher_is_better = ("regression",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        return torch.stack([((y - p) ** 2).sum(0), torch.full_like(y[0], len(y))]).flatten()

    def score(self, tally: Tensor) -> float:
        squares, rows = tally.chunk(2)
        return float((squares / rows).sqrt().mean())


@dataclass(frozen=True)
class MedianAbsoluteError(Metric):
    """The median of |y - p|, the mean over the columns, in the target's unit.

    So that it adds up over batches, errors are counted by 64 bins for each power of two from 2^-100 to 2^100, and a bin
    counts as its middle: off by at most 0.6 percent. An error below is 0.
    """

    tasks, higher_is_better = ("regression",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        place = (torch.log2((y - p).abs()).clamp(-POWER, POWER) + POWER) * BINS
        counts = [torch.bincount(column.long(), minlength=2 * POWER * BINS + 1) for column in place.T]
        return torch.cat(counts).double()

    def score(self, tally: Tensor) -> float:
        counts = tally.reshape(-1, 2 * POWER * BINS + 1).cumsum(1)
        rows = counts[:, -1:]
        middle = torch.cat([torch.ceil(rows / 2), torch.floor(rows / 2) + 1], 1)
        place = torch.searchsorted(counts, middle)
        return float(torch.where(place > 0, 2.0 ** ((place + 0.5) / BINS - POWER), 0.0).mean())
