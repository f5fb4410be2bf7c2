"""Metrics of class probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Metric, comparable

__all__ = ["Brier", "CalibrationError", "LogLoss", "RocAuc", "TopK"]

FAR = 20.0
"""Log odds beyond which probabilities are not told from each other."""


@dataclass(frozen=True)
class LogLoss(Metric):
    """-log of the probability that was given to what happened, the mean over rows, in nats.

    Rows of probabilities beside one-hot rows or class numbers; or one column, the probability of a 1. Probabilities
    below the dtype's epsilon count as epsilon.
    """

    tasks, higher_is_better = ("binary", "multiclass"), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _by_class(prediction, target)
        losses = -(y * p.double().clamp_min(torch.finfo(p.dtype).eps).log()).sum(1)
        return torch.stack([losses.sum(), torch.full_like(losses, len(losses))[0]])

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


@dataclass(frozen=True)
class Brier(Metric):
    """The mean over rows of sum_k (p_k - y_k)^2; of one column, the probability of a 1, half of that: (p - y)^2.

    Source: Brier 1950; as scikit-learn scales it.
    """

    tasks, higher_is_better = ("binary", "multiclass"), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        one = comparable(prediction, target)[0].ndim == 1
        p, y = _by_class(prediction, target)
        return torch.stack([((p.double() - y) ** 2).sum() / (2 if one else 1), torch.tensor(float(len(p))).double()])

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


@dataclass(frozen=True)
class CalibrationError(Metric):
    """Expected calibration error: sum_b n_b / n |mean confidence - share right| over `bins` equal bins of the
    confidence, the probability of the class that is called. 0 is calibrated. Source: Naeini et al. 2015.
    """

    bins: Annotated[int, Meta(ge=1)] = 15
    tasks, higher_is_better = ("binary", "multiclass"), False

    @classmethod
    def examples(cls) -> Iterator[CalibrationError]:
        yield from (cls(), cls(bins=4))

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _by_class(prediction, target)
        confidence, called = p.double().max(1)
        right = (called == y.argmax(1)).double()
        place = (confidence * self.bins).long().clamp(0, self.bins - 1)
        sums = [torch.bincount(place, each, self.bins) for each in (confidence, right, torch.ones_like(right))]
        return torch.cat(sums)

    def score(self, tally: Tensor) -> float:
        confidence, right, rows = tally.chunk(3)
        return float((confidence - right).abs().sum() / rows.sum())


@dataclass(frozen=True)
class TopK(Metric):
    """Share of rows whose class is among the `k` most probable; of equal ones its own comes last."""

    k: Annotated[int, Meta(ge=1)] = 2
    tasks = ("multiclass",)

    @classmethod
    def examples(cls) -> Iterator[TopK]:
        yield from (cls(), cls(k=1))

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _by_class(prediction, target)
        before = (p >= p.gather(1, y.argmax(1, keepdim=True))).sum(1) - 1
        return torch.tensor([(before < self.k).sum(), len(p)], dtype=torch.float64)

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


@dataclass(frozen=True)
class RocAuc(Metric):
    """The area under the ROC curve: the share of pairs of a row of the class and one of another in which the first is
    the more probable, a tie counting half; of several classes the mean over those that some but not all rows have.

    So that it adds up over batches, pairs are counted by `bins` bins of log p / (1 - p) from -20 to 20: probabilities
    in one bin tie, so the area is off by at most half the share of pairs that do. 0.5 where there is no pair.
    Source: Hanley and McNeil 1982.
    """

    bins: Annotated[int, Meta(ge=2)] = 2048
    tasks = ("binary", "multiclass")

    @classmethod
    def examples(cls) -> Iterator[RocAuc]:
        yield from (cls(), cls(bins=100))

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = _by_class(prediction, target)
        p, y = (p[:, 1:], y[:, 1:]) if p.shape[1] == 2 else (p, y)
        logits = torch.logit(p.double(), 1e-16).clamp(-FAR, FAR)
        place = ((logits + FAR) / (2 * FAR) * self.bins).long().clamp_max(self.bins - 1)
        place += self.bins * torch.arange(p.shape[1], device=p.device)
        counts = [torch.bincount(place.flatten(), each.flatten(), self.bins * p.shape[1]) for each in (y, 1.0 - y)]
        return torch.cat(counts).double()

    def score(self, tally: Tensor) -> float:
        true, false = tally.reshape(2, -1, self.bins)
        below = false.cumsum(1) - false / 2
        pairs = true.sum(1) * false.sum(1)
        return float(((true * below).sum(1) / pairs)[pairs > 0].mean()) if bool((pairs > 0).any()) else 0.5


def _by_class(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and 0 or 1 for each class, (n, k), of one column (the probability of a 1) for both values."""
    p, y = comparable(prediction, target)
    if p.ndim == 1:
        p, y = torch.stack([1 - p, p], 1), torch.stack([1 - y, y], 1)
    if y.ndim == 1:
        y = torch.nn.functional.one_hot(y.long(), p.shape[1])
    return p, y
