"""Metrics of class probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, comparable

__all__ = ["LogLoss"]


@dataclass(frozen=True)
class LogLoss(Metric):
    """-log of the probability that was given to what happened, the mean over rows, in nats.

    Rows of probabilities beside one-hot rows or class numbers; or one column, the probability of a 1. Probabilities
    below the dtype's epsilon count as epsilon.
    """

    tasks, higher_is_better = ("binary", "multiclass"), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, y = comparable(prediction, target)
        epsilon = torch.finfo(p.dtype).eps
        if p.ndim == 1:
            p, y = torch.stack([1 - p, p], 1), torch.stack([1 - y, y], 1)
        if y.ndim == 1:
            y = torch.nn.functional.one_hot(y.long(), p.shape[1])
        losses = -(y * p.double().clamp_min(epsilon).log()).sum(1)
        return torch.stack([losses.sum(), torch.full_like(losses, len(losses))[0]])

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])
