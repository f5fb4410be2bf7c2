"""How far a score would have been off by chance: intervals of 95 % from rows drawn anew, a bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from netkit.engine.decisions import compared, scored
from netkit.kinds import Loss, Metric
from netkit.tensors import generator

__all__ = ["Sample"]

Scorer = Callable[[Tensor], float]
"""The score of rows of a sample by their numbers, where n + i is row i decided wrongly."""

ROWS, VALUES = (200, 2000), 200_000
"""Rows of a sample: as many as hold so many outputs, between these two numbers."""
DRAWS, WORK = (100, 400), 20_000_000
"""How often rows are drawn anew for a metric: as often as so many outputs, or numbers of a tally, allow, between these
two."""
LARGEST = 500_000
"""A metric whose tally is longer has no interval: it would take longer than the training."""


class Sample:
    """Rows drawn evenly from all that pass, at most as many as intervals need."""

    def __init__(self) -> None:
        self._rng, self._keys, self._passed = generator(0, 4), torch.empty(0), 0
        self._parts: list[Tensor] = []

    def add(self, losses: Tensor, outputs: Tensor, target: Tensor) -> None:
        """The next rows."""
        parts = [part.detach().cpu() for part in (losses, outputs, target)]
        keys = torch.cat([self._keys, torch.rand(len(losses), generator=self._rng)])
        most = min(_between(VALUES // max(1, outputs[0].numel()), ROWS), len(keys))
        kept = keys.topk(most, largest=False).indices
        before = self._parts or [part[:0] for part in parts]
        self._parts, self._keys = [torch.cat(pair)[kept] for pair in zip(before, parts)], keys[kept]
        self._passed += len(losses)

    def intervals(
        self, loss: Loss, metrics: Mapping[str, Metric], scores: Mapping[str, float]
    ) -> dict[str, tuple[float, float]]:
        """From the 2.5 to the 97.5 percent quantile of each score over rows drawn anew with replacement (Efron 1979),
        and the score itself.

        Where more rows have passed than the sample has, the deviations of the sample's are narrowed by sqrt(m / n). Of
        decisions one row more is drawn, which is decided wrongly: else a score without a mistake would seem certain. So
        the interval of 34 right of 34 begins at 0.91.
        """
        scorers, count, rng = self._scorers(loss, metrics), len(self._keys), generator(0, 3)
        drawn: dict[str, list[float]] = {name: [] for name in scorers}
        for number in range(DRAWS[1]):
            rows = torch.randint(count + 1, (count + 1,), generator=rng)
            rows = torch.where(rows == count, count + torch.randint(count, (count + 1,), generator=rng), rows)
            for name, (scorer, draws) in scorers.items():
                if number < draws:
                    drawn[name].append(scorer(rows))
        narrow, whole = math.sqrt(count / self._passed), torch.arange(count)
        return {name: _interval(scores[name], scorers[name][0](whole), drawn[name], narrow) for name in scorers}

    def _scorers(self, loss: Loss, metrics: Mapping[str, Metric]) -> dict[str, tuple[Scorer, int]]:
        """For each score that has an interval how to score rows, and how often they are drawn."""
        losses, outputs, target = self._parts
        scorers: dict[str, tuple[Scorer, int]] = {
            "loss": (lambda rows: float(losses[rows % len(losses)].mean()), DRAWS[1])
        }
        for name, metric in metrics.items():
            pair = compared(metric, loss, outputs, target)
            tally = metric.tally(*(part[:1] for part in pair)).numel()
            if tally <= LARGEST:
                draws = _between(WORK // max(1, outputs.numel(), tally), DRAWS)
                scorers[name] = _scorer(metric, *pair, metric.labels and loss.task != "regression"), draws
        return scorers


def _scorer(metric: Metric, prediction: Tensor, target: Tensor, decided: bool) -> Scorer:
    count = len(target)
    if decided:
        wrong = target.roll(1, -1) if target[0].numel() > 1 else 1 - target
        prediction = torch.cat([prediction, wrong.to(prediction)])
    return lambda rows: scored(metric, metric.tally(prediction[rows % len(prediction)], target[rows % count]))


def _between(number: int, ends: tuple[int, int]) -> int:
    return max(ends[0], min(ends[1], number))


def _interval(score: float, own: float, drawn: list[float], narrow: float) -> tuple[float, float]:
    """The score is in it also where a metric is larger for rows drawn anew, as an error of calibration is."""
    low, high = torch.tensor(drawn, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return min(score, score + narrow * (low - own)), max(score, score + narrow * (high - own))
