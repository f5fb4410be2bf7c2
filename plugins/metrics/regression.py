"""Metrics of numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, like, row_means

__all__ = ["Mape", "MeanAbsoluteError", "MeanSquaredError", "R2", "Rmse"]


def _columns(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64 (n, k)."""
    target = like(prediction, target)
    return prediction.reshape(len(prediction), -1).double(), target.reshape(len(target), -1).double()


@dataclass(frozen=True)
class R2(Metric):
    """1 - sum (y - p)^2 / sum (y - mean y)^2, the mean over the columns; 1 is perfect, 0 is as good as the mean.

    A column whose targets are all equal scores 1 when it is predicted exactly, else 0.
    """

    reported = True
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
        rows = row_means(self.distance(p, y))
        return torch.stack([rows.sum(), torch.full_like(rows[0], len(rows))])

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])

    @abstractmethod
    def distance(self, p: Tensor, y: Tensor) -> Tensor:
        """How far each prediction is from its target."""


@dataclass(frozen=True)
class MeanSquaredError(_MeanDistance):
    """mean (y - p)^2 over rows and columns, in the target's unit squared."""

    def distance(self, p: Tensor, y: Tensor) -> Tensor:
        return (y - p) ** 2


@dataclass(frozen=True)
class MeanAbsoluteError(_MeanDistance):
    """mean |y - p| over rows and columns, in the target's unit."""

    reported = True

    def distance(self, p: Tensor, y: Tensor) -> Tensor:
        return (y - p).abs()


@dataclass(frozen=True)
class Mape(_MeanDistance):
    """Mean absolute percentage error, mean |y - p| / |y| over rows and columns, as a share: 0.1 is 10 %.

    A target below float64's epsilon, 2.2e-16, counts as that, so a target of 0 that is missed makes it huge.
    """

    def distance(self, p: Tensor, y: Tensor) -> Tensor:
        return (y - p).abs() / y.abs().clamp_min(torch.finfo(torch.float64).eps)


@dataclass(frozen=True)
class Rmse(Metric):
    """Root mean squared error, sqrt(mean (y - p)^2) over the rows, in the target's unit; the mean over the columns."""

    reported = True
    tasks, higher_is_better = ("regression",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _columns(prediction, target)
        return torch.cat([((y - p) ** 2).sum(0), torch.full_like(y[0, :1], len(y))])

    def score(self, tally: Tensor) -> float:
        return float((tally[:-1] / tally[-1]).sqrt().mean())
