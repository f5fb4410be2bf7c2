"""Metrics of decisions: 0/1 columns, or class numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from netkit import Metric, ShapeError, labels, spec

__all__ = ["Accuracy", "BalancedAccuracy", "ErrorRate", "F1", "Mcc", "OneHotErrorRate", "Precision", "Recall"]


class _Differing(Metric):
    """A tally of (rows that differ, rows)."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass")
    labels = True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = labels(prediction, target)
        differ = (prediction != target).reshape(len(target), -1).any(1)
        return torch.stack([differ.sum(), torch.tensor(len(target), device=target.device)]).double()


@dataclass(frozen=True)
class Accuracy(_Differing):
    """Share of rows that are equal; one-hot rows and rows of class probabilities are compared by argmax."""

    reported = True

    def score(self, tally: Tensor) -> float:
        return 1 - float(tally[0] / tally[1])


@dataclass(frozen=True)
class ErrorRate(_Differing):
    """Share of rows that differ; one-hot rows and rows of class probabilities are compared by argmax."""

    higher_is_better = False

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


@dataclass(frozen=True)
class OneHotErrorRate(_Differing):
    """Share of rows whose argmax differs from the target's; both (n, k), one-hot rows or class probabilities.

    Raises `ShapeError` for flat vectors and single columns, whose argmax says nothing, and for class numbers.
    """

    tasks, higher_is_better = ("multiclass",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        given, wanted = tuple(prediction.shape), tuple(target.shape)
        if given != wanted or len(given) != 2 or given[1] == 1:
            raise ShapeError(
                f"one_hot_error_rate: two equal shapes (n, k), k > 1, are needed, got {wanted} and {given}"
            )
        return super().tally(prediction.argmax(1), target.argmax(1))

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


class _Classes(Metric):
    """A tally of rows hit, rows that there are and rows predicted of each class, one after the other, (3 k).

    A column of 0 and 1 has two classes; rows of several columns hold one class each. Raises `ShapeError` otherwise.
    """

    tasks, labels = ("binary", "multiclass"), True

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = labels(prediction, target)
        if target.ndim == 1:
            classes = torch.arange(max(2, int(torch.maximum(prediction.max(), target.max())) + 1), device=target.device)
            prediction, target = prediction[:, None] == classes, target[:, None] == classes
        p, t = prediction.double(), target.double()
        for ones in (p.sum(1), t.sum(1)):
            if bool((ones != 1).any()):
                several = f"{float(ones[ones != 1][0]):g}"
                raise ShapeError(f"{spec.name(self)}: rows of one class each are needed, got one of {several}")
        return torch.cat([(p * t).sum(0), t.sum(0), p.sum(0)])


@dataclass(frozen=True)
class BalancedAccuracy(_Classes):
    """The mean over the classes that occur of the share of their rows that is right: 1/k for a guess among k classes.

    Also for two classes, where it is (sensitivity + specificity) / 2. Raises `ShapeError` for rows of several classes.
    Source: Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.
    """

    reported = True

    def score(self, tally: Tensor) -> float:
        hit, true, _ = tally.chunk(3)
        return float((hit / true)[true > 0].mean())


@dataclass(frozen=True)
class Mcc(_Classes):
    """Matthews' correlation coefficient, from -1 to 1; 0 is a guess, and where all rows are, or are called, one class.

    (c n - sum_k t_k p_k) / sqrt(sum_k p_k (n - p_k) sum_k t_k (n - t_k)), with c rows right of n, t_k rows of class k
    and p_k rows called k. Raises `ShapeError` for rows of several classes.
    Source: Matthews 1975; for several classes Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006.
    """

    reported = True

    def score(self, tally: Tensor) -> float:
        hit, true, called = tally.chunk(3)
        n = true.sum()
        spread = (called * (n - called)).sum().sqrt() * (true * (n - true)).sum().sqrt()
        return float((n * hit - true * called).sum() / spread) if float(spread) else 0.0


class _Counts(Metric):
    """A tally of true positives, false positives and false negatives of each class, one after the other, (3 k)."""

    reported = True
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
        occurs = tally.reshape(3, -1).sum(0) > 0
        return float(self.by_class(tally)[occurs].mean()) if bool(occurs.any()) else 0.0

    def by_class(self, tally: Tensor) -> Tensor:
        """The share of each class, (k,), where nothing of nothing is 0."""
        top, bottom = self.share(*tally.chunk(3))
        return torch.where(bottom > 0, top / bottom.clamp_min(1), 0.0)

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
