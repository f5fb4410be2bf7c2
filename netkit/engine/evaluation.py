"""How good the outputs for some rows are, and how sure that is: scores, their intervals, a baseline, who is taken for
whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from netkit.engine.decisions import compared, decide
from netkit.engine.network import loss_values
from netkit.engine.rows import Rows
from netkit.engine.scores import Scores
from netkit.engine.scoring import add_up
from netkit.kinds import Loss, Metric
from netkit.tensors import generator

__all__ = ["Evaluation", "constant_outputs"]

SAMPLE, VALUES = (200, 2000), 200_000
"""Rows that intervals come from: as many as hold so many outputs, between these two numbers."""
RESAMPLES, WORK = (100, 400), 20_000_000
"""How often rows are drawn anew for an interval: as often as so many outputs allow, between these two numbers."""
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
        self.rows, self._values, self._base = 0, 0.0, 0.0
        self._tallies, self._base_tallies = dict[str, Tensor](), dict[str, Tensor]()
        self._targets: Tensor | None = None
        self._confusion: Tensor | None = None
        self._class_tallies: dict[str, Tensor] = {}
        self._sample = _Sample()

    def add(self, block: Rows, outputs: Tensor, values: Tensor) -> None:
        """The next rows with their targets, (n, units), their outputs, and the losses, (n,)."""
        self.rows += len(block)
        self._values += float(values.sum())
        target, told = self._decode(block.target), self._decode(outputs)
        add_up(self._tallies, self._metrics, self._loss, told, target)
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
            self._base += float((losses if block.weight is None else losses * block.weight).sum())
            add_up(self._base_tallies, self._metrics, self._loss, self._decode(same), target)

    @property
    def mean_target(self) -> Tensor:
        """Of all rows, encoded, (units,)."""
        assert self._targets is not None
        return self._targets / self.rows

    def scores(self) -> Scores:
        """The mean loss, by weight, and the metrics, where all rows count alike, over all rows that passed."""
        scores = Scores({"loss": self._values / self.rows} | self._scored(self._tallies), rows=self.rows)
        scores.intervals = self._intervals(scores)
        if self._baseline is not None:
            base = {"loss": self._base / self.rows} | self._scored(self._base_tallies)
            scores.baseline = {name: value for name, value in base.items() if math.isfinite(value)}
        if self._confusion is not None:
            scores.confusion = self._confusion.long().tolist()
            scores.by_class = {
                name: by_class(self._class_tallies[name]).tolist()
                for name, metric in self._metrics.items()
                if (by_class := metric.by_class)
            }
        return scores

    def _scored(self, tallies: Mapping[str, Tensor]) -> dict[str, float]:
        return {name: metric.score(tallies[name]) for name, metric in self._metrics.items()}

    def _intervals(self, scores: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """From the 2.5 to the 97.5 percent quantile of each score over rows drawn anew with replacement (Efron 1979).

        Where there are more rows than the sample has, the deviations of the sample's are narrowed by sqrt(m / n). Of
        decisions one more row is drawn, and it is decided wrongly as often as any other is drawn: else a score without
        a mistake would seem certain. With it the interval of 34 right of 34 begins at 0.91.
        """
        values, outputs, target = self._sample.parts
        count, rng = len(values), generator(0, 3)
        wrong = target.roll(1, -1) if target[0].numel() > 1 else 1 - target
        decided = self._loss.task != "regression"
        pairs = {name: compared(metric, self._loss, outputs, target) for name, metric in self._metrics.items()}
        with_mistakes = {
            name: (torch.cat([p, wrong.to(p)]), torch.cat([y, y])) if self._metrics[name].labels and decided else (p, y)
            for name, (p, y) in pairs.items()
        }
        found: dict[str, list[float]] = {name: [] for name in scores}
        for _ in range(_between(WORK // outputs.numel(), RESAMPLES)):
            rows = torch.randint(count + 1, (count + 1,), generator=rng)
            rows = torch.where(rows == count, count + torch.randint(count, (count + 1,), generator=rng), rows)
            found["loss"].append(float(values[rows % count].mean()))
            for name, (p, y) in with_mistakes.items():
                drawn = rows if len(p) > count else rows % count
                metric = self._metrics[name]
                found[name].append(metric.score(metric.tally(p[drawn], y[drawn])))
        own = {"loss": float(values.mean())} | {
            name: self._metrics[name].score(self._metrics[name].tally(*pair)) for name, pair in pairs.items()
        }
        narrow = math.sqrt(count / self.rows)
        return {name: _interval(scores[name], own[name], found[name], narrow) for name in scores}


def constant_outputs(loss: Loss, mean_target: Tensor) -> Tensor:
    """What a model without inputs answers, (units,): the share of each class, the mean of numbers; where outputs are no
    probabilities, 1 for the most frequent class and -1 for the others."""
    if loss.task == "regression" or loss.outputs != "real":
        return mean_target
    likely = mean_target >= 0.5 if len(mean_target) == 1 else mean_target == mean_target.max()
    return 2 * likely.to(mean_target) - 1


class _Sample:
    """Rows drawn evenly from all that pass, at most as many as intervals need."""

    def __init__(self) -> None:
        self._rng, self._keys = generator(0, 4), torch.empty(0)
        self.parts: list[Tensor] = []

    def add(self, *parts: Tensor) -> None:
        """The next rows, each part (n, ...)."""
        most = _between(VALUES // max(1, parts[1][0].numel()), SAMPLE)
        keys = torch.cat([self._keys, torch.rand(len(parts[0]), generator=self._rng)])
        kept = keys.topk(min(most, len(keys)), largest=False).indices.sort().values
        before = self.parts or [part[:0].cpu() for part in parts]
        self.parts = [torch.cat([old, part.detach().cpu()])[kept] for old, part in zip(before, parts)]
        self._keys = keys[kept]


def _between(number: int, ends: tuple[int, int]) -> int:
    return max(ends[0], min(ends[1], number))


def _interval(score: float, own: float, drawn: list[float], narrow: float) -> tuple[float, float]:
    """The score is always in it, also where a metric is larger for rows drawn anew, as an error of calibration is."""
    low, high = torch.tensor(drawn, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return min(score, score + narrow * (low - own)), max(score, score + narrow * (high - own))


def _sum(before: Tensor | None, more: Tensor) -> Tensor:
    return more if before is None else before + more


def _one_hot(rows: Tensor) -> Tensor:
    """The class of each row as a 1 in its column, (n, k) in float64."""
    if rows.shape[1] == 1:
        rows = torch.cat([1 - rows, rows], 1)
    return torch.nn.functional.one_hot(rows.argmax(1), rows.shape[1]).double()
