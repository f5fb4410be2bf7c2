"""Metrics of numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, like, row_means

__all__ = ["Mape", "MeanAbsoluteError", "MeanSquaredError", "R2", "Rmse"]


SHIFTS = (2.0**500, 1.0, 2.0**-500)
"""What small, ordinary and large values are multiplied by before they are squared."""


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
        return torch.cat([_squares(y - p), _squares(y), y.sum(0), torch.full_like(y[0], len(y))])

    def score(self, tally: Tensor) -> float:
        *parts, sums, rows = tally.reshape(8, -1)
        wrong, norm = _norm(torch.stack(parts[:3])), _norm(torch.stack(parts[3:]))
        scale = torch.where(norm > 0, norm, 1.0)
        spread = (norm > 0).double() - (sums / scale) ** 2 / rows  # of the targets in units of their norm
        constant = spread <= 1e-14  # what float64 sums can tell from nothing
        shares = torch.where(constant, (wrong > 0).double(), (wrong / scale) ** 2 / torch.where(constant, 1.0, spread))
        return float((1 - shares).mean())


def _squares(values: Tensor) -> Tensor:
    """Three sums of squares of each column, one after the other, (3 k): of small, ordinary and large values in units
    of their own, so that none leaves float64 (Blue, "A portable Fortran program to find the Euclidean norm", 1978)."""
    size = values.abs()
    small, large = size < 2.0**-400, size > 2.0**400
    units = zip((small, ~small & ~large, large), SHIFTS)
    return torch.cat([(torch.where(those, values, 0.0) * shift).square().sum(0) for those, shift in units])


def _norm(squares: Tensor) -> Tensor:
    """The root of what three sums of squares, (3, k), add up to."""
    small, ordinary, large = (each.sqrt() / shift for each, shift in zip(squares, SHIFTS))
    return torch.hypot(torch.hypot(small, ordinary), large)


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
        return torch.cat([_squares(y - p), torch.full_like(y[0, :1], len(y))])

    def score(self, tally: Tensor) -> float:
        return float((_norm(tally[:-1].reshape(3, -1)) / tally[-1].sqrt()).mean())
