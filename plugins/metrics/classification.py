"""Metrics of decisions: 0/1 columns, or class numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, labels

__all__ = ["Accuracy", "ErrorRate", "F1", "Precision", "Recall"]


class _Differing(Metric):
    """A tally of (rows that differ, rows)."""

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = labels(prediction, target)
        differ = (prediction != target).reshape(len(target), -1).any(1)
        return torch.stack([differ.sum(), torch.tensor(len(target), device=target.device)]).double()


@dataclass(frozen=True)
class Accuracy(_Differing):
    """Share of rows that are equal; one-hot rows and rows of class probabilities are compared by argmax."""

    def score(self, tally: Tensor) -> float:
        return 1 - float(tally[0] / tally[1])


@dataclass(frozen=True)
class ErrorRate(_Differing):
    """Share of rows that differ; one-hot rows and rows of class probabilities are compared by argmax."""

    higher_is_better = False

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


class _Counts(Metric):
    """A tally of true positives, false positives and false negatives of each class, one after the other, (3 k)."""

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = labels(prediction, target)
        if prediction.ndim == 1 and float(torch.maximum(prediction.max(), target.max())) > 1:  # class numbers
            classes = torch.arange(int(torch.maximum(prediction.max(), target.max())) + 1, device=target.device)
            prediction, target = prediction[:, None] == classes, target[:, None] == classes
        p, t = (values.reshape(len(values), -1).double() for values in (prediction, target))
        return torch.cat([(p * t).sum(0), (p * (1 - t)).sum(0), ((1 - p) * t).sum(0)])

    def score(self, tally: Tensor) -> float:
        """The mean share over the classes that occur, where nothing of nothing is 0."""
        true, false, missed = tally.chunk(3)
        top, bottom = self.share(true, false, missed)
        shares = torch.where(bottom > 0, top / bottom.clamp_min(1), 0.0)
        occurs = true + false + missed > 0
        return float(shares[occurs].mean()) if bool(occurs.any()) else 0.0

    @abstractmethod
    def share(self, true: Tensor, false: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
        """What is divided by what, for each class."""


@dataclass(frozen=True)
class Precision(_Counts):
    """TP / (TP + FP): of the rows called positive, the share that is; 0 where none was called so.

    With several classes or columns the mean over those that occur ("macro").
    """

    def share(self, true: Tensor, false: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
        return true, true + false


@dataclass(frozen=True)
class Recall(_Counts):
    """TP / (TP + FN): of the rows that are positive, the share called so; 0 where there is none.

    With several classes or columns the mean over those that occur ("macro").
    """

    def share(self, true: Tensor, false: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
        return true, true + missed


@dataclass(frozen=True)
class F1(_Counts):
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; 0 where there is nothing positive.

    With several classes or columns the mean over those that occur ("macro").
    """

    def share(self, true: Tensor, false: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * true, 2 * true + false + missed
