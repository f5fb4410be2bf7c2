"""Metrics of torchmetrics as metrics of netkit: those whose state consists of sums, for sums are what a tally adds."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

import torch
import torchmetrics
from msgspec import Meta
from torch import Tensor
from torchmetrics import classification, regression
from torchmetrics.utilities.data import dim_zero_sum

from netkit import Metric, SettingError, ShapeError


class Adapted(Metric):
    """A metric of torchmetrics, the mean where it scores each column alone. Its tally is (rows, rows x columns, all its
    states one after the other)."""

    @abstractmethod
    def make(self, columns: int) -> torchmetrics.Metric:
        """The metric for this many columns, new."""

    def given(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What the metric wants, from columns."""
        return prediction, target

    def __post_init__(self) -> None:
        """Raises `SettingError` for a metric that keeps anything but sums, since a score of added tallies would lie."""
        _sums(self.make(2))

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = (each.reshape(len(each), -1) for each in (prediction, target))
        sums = _sums(self._fed(prediction, target)).values()
        sizes = torch.tensor([len(target), target.numel()], dtype=torch.float64, device=target.device)
        return torch.cat([sizes, *(each.double().flatten() for each in sums)])

    def score(self, tally: Tensor) -> float:
        columns = round(float(tally[1] / tally[0]))
        row = torch.eye(1, columns, dtype=torch.float64, device=tally.device)
        metric = self._fed(row, row)  # for the shapes of its states
        states = _sums(metric)
        for (name, state), sums in zip(states.items(), tally[2:].split([each.numel() for each in states.values()])):
            setattr(metric, name, sums.reshape(state.shape).to(state.dtype))
        return float(metric.compute().mean())

    def _fed(self, prediction: Tensor, target: Tensor) -> torchmetrics.Metric:
        """The metric after an update, its sums in float64: others lose count of many rows."""
        metric = self.make(target.shape[1]).to(target.device).set_dtype(torch.float64)
        metric.update(*self.given(prediction.double(), target))
        return metric


def _sums(metric: torchmetrics.Metric) -> dict[str, Tensor]:
    """Its states by name. Raises `SettingError` where one is no sum."""
    sums = {}
    for name, state in metric.metric_state.items():
        if isinstance(state, list) or metric._reductions[name] is not dim_zero_sum:  # public nowhere
            raise SettingError(f"{type(metric).__name__}: what adds up is needed, its state {name} is no sum")
        sums[name] = state
    return sums


class Classes(Adapted):
    """One of two classes in a single column, or one of several in a row of as many."""

    tasks = ("binary", "multiclass")

    def given(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if target.shape[1] == 1:
            return prediction[:, 0], target[:, 0].long()
        if bool((target.sum(1) != 1).any()):
            raise ShapeError(f"{type(self).__name__}: rows of one class each are needed, got several ones in a row")
        return (prediction.argmax(1) if self.labels else prediction), target.argmax(1)


@dataclass(frozen=True)
class Matthews(Classes):
    """Matthews' correlation of decisions and classes: 1 is perfect, 0 no better than chance (Gorodkin 2004)."""

    labels = True

    def make(self, columns: int) -> torchmetrics.Metric:
        if columns == 1:
            return classification.BinaryMatthewsCorrCoef(validate_args=False)
        return classification.MulticlassMatthewsCorrCoef(columns, validate_args=False)


@dataclass(frozen=True)
class CohenKappa(Classes):
    """(p - q) / (1 - q), p the share of right decisions, q that which chance would get right (Cohen 1960)."""

    labels = True

    def make(self, columns: int) -> torchmetrics.Metric:
        if columns == 1:
            return classification.BinaryCohenKappa(validate_args=False)
        return classification.MulticlassCohenKappa(columns, validate_args=False)


@dataclass(frozen=True)
class Jaccard(Classes):
    """TP / (TP + FP + FN), with several classes the mean over them."""

    labels = True

    def make(self, columns: int) -> torchmetrics.Metric:
        if columns == 1:
            return classification.BinaryJaccardIndex(validate_args=False)
        return classification.MulticlassJaccardIndex(columns, validate_args=False)


@dataclass(frozen=True)
class Auroc(Classes):
    """The area under the curve of true over false positives at `thresholds` probabilities from 0 to 1, with several
    classes the mean of each against the rest."""

    thresholds: Annotated[int, Meta(ge=2)] = 101

    def make(self, columns: int) -> torchmetrics.Metric:
        if columns == 1:
            return classification.BinaryAUROC(thresholds=self.thresholds, validate_args=False)
        return classification.MulticlassAUROC(columns, thresholds=self.thresholds, validate_args=False)


@dataclass(frozen=True)
class ExplainedVariance(Adapted):
    """1 - var(y - p) / var(y), the mean over the columns: like r2, but a constant error costs nothing."""

    tasks = ("regression",)

    def make(self, columns: int) -> torchmetrics.Metric:
        return regression.ExplainedVariance()


@dataclass(frozen=True)
class SymmetricPercentageError(Adapted):
    """mean 2 |y - p| / (|y| + |p|): 0 is perfect, 2 the worst."""

    tasks, higher_is_better = ("regression",), False

    def make(self, columns: int) -> torchmetrics.Metric:
        return regression.SymmetricMeanAbsolutePercentageError()


@dataclass(frozen=True)
class WeightedPercentageError(Adapted):
    """sum |y - p| / sum |y|: the error as a share of what there is."""

    tasks, higher_is_better = ("regression",), False

    def make(self, columns: int) -> torchmetrics.Metric:
        return regression.WeightedMeanAbsolutePercentageError()
