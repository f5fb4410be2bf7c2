"""Metrics of decisions: 0/1 columns, or class numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, ShapeError, labels

__all__ = ["Accuracy", "BalancedAccuracy", "ErrorRate", "F1", "Mcc", "OneHotErrorRate", "Precision", "Recall"]


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


@dataclass(frozen=True)
class OneHotErrorRate(Metric):
    """Share of rows whose largest target and largest prediction are in different columns, (n, k), the first of equals.

    Raises `ShapeError` for flat vectors.
    """

    tasks, higher_is_better = ("multiclass",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        for values in (prediction, target):
            if values.ndim != 2:
                raise ShapeError(f"one_hot_error_rate: rows of several columns are needed, got {tuple(values.shape)}")
        differ = prediction.argmax(1) != target.argmax(1)
        return torch.tensor([differ.sum(), len(differ)], dtype=torch.float64)

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


class _PerClass(Metric):
    """A tally of the rows of each class that are right, that were called so and that are so, one by one, (3 k).

    A column of 0 and 1 has two classes; several that are not one-hot are taken as one below the other."""

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, t = labels(prediction, target)
        one_hot = p.ndim == 2 and all(bool((values.sum(1) == 1).all()) for values in (p, t))
        most = p.shape[1] if one_hot else 2
        p, t = (values.argmax(1) if one_hot else values.flatten() for values in (p, t))
        classes = torch.arange(max(most, 1 + int(torch.maximum(p.max(), t.max()))), device=t.device)
        called, true = (p[:, None] == classes).double(), (t[:, None] == classes).double()
        return torch.cat([(called * true).sum(0), called.sum(0), true.sum(0)])


@dataclass(frozen=True)
class BalancedAccuracy(_PerClass):
    """The mean over classes of the share of their rows that are called so; classes without rows do not count.

    1 / k is as good as chance. Source: Brodersen et al. 2010.
    """

    def score(self, tally: Tensor) -> float:
        right, _, rows = tally.chunk(3)
        return float((right / rows)[rows > 0].mean())


@dataclass(frozen=True)
class Mcc(_PerClass):
    """Matthews correlation coefficient, from -1 to 1, 0 as good as chance, and where all is called or is one class.

    (c s - sum_k p_k t_k) / sqrt((s^2 - sum_k p_k^2) (s^2 - sum_k t_k^2)), c of s rows right, p_k called k, t_k of class
    k. Source: Gorodkin 2004.
    """

    def score(self, tally: Tensor) -> float:
        right, called, true = tally.chunk(3)
        rows = true.sum()
        bottom = (rows**2 - (called**2).sum()) * (rows**2 - (true**2).sum())
        return float((right.sum() * rows - (called * true).sum()) / bottom.sqrt()) if bottom > 0 else 0.0
