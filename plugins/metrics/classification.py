"""Metrics of decisions: 0/1 columns, or class numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric
from netkit.tensors import labels

__all__ = ["Accuracy", "ErrorRate", "F1", "Precision", "Recall"]


def _differing(prediction: Tensor, target: Tensor) -> Tensor:
    """(rows that differ, rows)."""
    prediction, target = labels(prediction, target)
    differ = (prediction != target).reshape(len(target), -1).any(1)
    return torch.stack([differ.sum(), torch.tensor(len(target), device=target.device)]).double()


def _counts(prediction: Tensor, target: Tensor) -> Tensor:
    """True positives, false positives and false negatives of each class, one after the other, (3 k)."""
    prediction, target = labels(prediction, target)
    if prediction.ndim == 1 and float(torch.maximum(prediction.max(), target.max())) > 1:  # class numbers
        classes = torch.arange(int(torch.maximum(prediction.max(), target.max())) + 1, device=target.device)
        prediction, target = prediction[:, None] == classes, target[:, None] == classes
    p, t = (values.reshape(len(values), -1).double() for values in (prediction, target))
    return torch.cat([(p * t).sum(0), (p * (1 - t)).sum(0), ((1 - p) * t).sum(0)])


def _mean(top: Tensor, bottom: Tensor, seen: Tensor) -> float:
    """The mean of top / bottom over the classes that were seen, where nothing over nothing is 0."""
    shares = torch.where(bottom > 0, top / bottom.clamp_min(1), 0.0)
    return float(shares[seen > 0].mean()) if bool((seen > 0).any()) else 0.0


@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of rows that are equal; one-hot rows and rows of class probabilities are compared by argmax."""

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        return _differing(prediction, target)

    def score(self, tally: Tensor) -> float:
        return 1 - float(tally[0] / tally[1])


@dataclass(frozen=True)
class ErrorRate(Metric):
    """Share of rows that differ; one-hot rows and rows of class probabilities are compared by argmax."""

    tasks, labels, higher_is_better = ("binary", "multiclass"), True, False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        return _differing(prediction, target)

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


@dataclass(frozen=True)
class Precision(Metric):
    """TP / (TP + FP): of the rows called positive, the share that is; 0 where none was called so.

    With several classes or columns the mean over those that occur ("macro").
    """

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        return _counts(prediction, target)

    def score(self, tally: Tensor) -> float:
        true, false, missed = tally.chunk(3)
        return _mean(true, true + false, true + false + missed)


@dataclass(frozen=True)
class Recall(Metric):
    """TP / (TP + FN): of the rows that are positive, the share called so; 0 where there is none.

    With several classes or columns the mean over those that occur ("macro").
    """

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        return _counts(prediction, target)

    def score(self, tally: Tensor) -> float:
        true, false, missed = tally.chunk(3)
        return _mean(true, true + missed, true + false + missed)


@dataclass(frozen=True)
class F1(Metric):
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; 0 where there is nothing positive.

    With several classes or columns the mean over those that occur ("macro").
    """

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        return _counts(prediction, target)

    def score(self, tally: Tensor) -> float:
        true, false, missed = tally.chunk(3)
        return _mean(2 * true, 2 * true + false + missed, true + false + missed)
