"""How good the outputs for some rows are, and how sure that is: scores, their intervals, a baseline, who is taken for
whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from netkit.engine.decisions import decide, scored
from netkit.engine.intervals import Sample
from netkit.engine.network import loss_values
from netkit.engine.rows import Rows
from netkit.engine.scores import Scores
from netkit.engine.scoring import add_up
from netkit.kinds import Loss, Metric

__all__ = ["Evaluation", "constant_outputs"]

CLASSES = 200
"""More of them have no confusion matrix."""


class Evaluation:
    """Sums over rows as they pass: `add` takes what `engine.scoring.losses` gives.

    decode: takes outputs and targets to the units that metrics are told in. baseline: the outputs, (units,), of a model
    that knows the targets of the training rows and no inputs.
    """

    def __init__(
        self,
        loss: Loss,
        metrics: Mapping[str, Metric],
        decode: Callable[[Tensor], Tensor] = lambda values: values,
        baseline: Tensor | None = None,
    ) -> None:
        self._loss, self._metrics, self._decode, self._baseline = loss, metrics, decode, baseline
        self._own, self._constant = _Sums(loss, metrics), _Sums(loss, metrics)
        self._targets: Tensor | None = None
        self._confusion: Tensor | None = None
        self._class_tallies: dict[str, Tensor] = {}
        self._sample = Sample()

    def add(self, block: Rows, outputs: Tensor, values: Tensor) -> None:
        """The next rows with their targets, (n, units), their outputs, and the losses, (n,)."""
        target, told = self._decode(block.target), self._decode(outputs)
        self._own.add(values, told, target)
        self._sample.add(values, told, target)
        self._targets = _sum(self._targets, block.target.double().sum(0))
        if self._loss.task != "regression" and outputs[0].numel() <= CLASSES:
            decided, true = _one_hot(decide(self._loss, told)), _one_hot(target)
            self._confusion = _sum(self._confusion, true.T @ decided)
            for name, metric in self._metrics.items():
                if metric.by_class:
                    self._class_tallies[name] = _sum(self._class_tallies.get(name), metric.tally(decided, true))
        if self._baseline is not None:
            same = self._baseline.to(outputs).expand_as(outputs).contiguous()
            losses = loss_values(self._loss, False, same, block.target)
            self._constant.add(losses if block.weight is None else losses * block.weight, self._decode(same), target)

    @property
    def mean_target(self) -> Tensor:
        """Of all rows, encoded, (units,)."""
        assert self._targets is not None
        return self._targets / self._own.rows

    def scores(self) -> Scores:
        """The mean loss, by weight, and the metrics, where all rows count alike, over all rows that passed."""
        scores = Scores(self._own.scores(), rows=self._own.rows)
        scores.intervals = self._sample.intervals(self._loss, self._metrics, scores)
        if self._baseline is not None:
            found = self._constant.scores()
            scores.baseline = {name: value for name, value in found.items() if math.isfinite(value)}
        if self._confusion is not None:
            scores.confusion = self._confusion.long().tolist()
            scores.by_class = {
                name: by_class(self._class_tallies[name]).tolist()
                for name, metric in self._metrics.items()
                if (by_class := metric.by_class)
            }
        return scores


class _Sums:
    """Of the losses and the metrics of one model."""

    def __init__(self, loss: Loss, metrics: Mapping[str, Metric]) -> None:
        self._loss, self._metrics = loss, metrics
        self.rows, self._total = 0, 0.0
        self._tallies: dict[str, Tensor] = {}

    def add(self, losses: Tensor, outputs: Tensor, target: Tensor) -> None:
        """The next rows."""
        self.rows, self._total = self.rows + len(losses), self._total + float(losses.sum())
        add_up(self._tallies, self._metrics, self._loss, outputs, target)

    def scores(self) -> dict[str, float]:
        """The mean loss and the metrics."""
        found = {name: scored(metric, self._tallies[name]) for name, metric in self._metrics.items()}
        return {"loss": self._total / self.rows} | found


def constant_outputs(loss: Loss, mean_target: Tensor) -> Tensor:
    """What a model without inputs answers, (units,): the share of each class, the mean of numbers; where outputs are no
    probabilities, 1 for the most frequent class and -1 for the others."""
    if loss.task == "regression" or loss.outputs != "real":
        return mean_target
    likely = mean_target >= 0.5 if len(mean_target) == 1 else mean_target == mean_target.max()
    return 2 * likely.to(mean_target) - 1


def _sum(before: Tensor | None, more: Tensor) -> Tensor:
    return more if before is None else before + more


def _one_hot(rows: Tensor) -> Tensor:
    """The class of each row as a 1 in its column, (n, k) in float64."""
    if rows.shape[1] == 1:
        rows = torch.cat([1 - rows, rows], 1)
    return torch.nn.functional.one_hot(rows.argmax(1), rows.shape[1]).double()
