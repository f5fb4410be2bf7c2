"""What outputs say of classes, so what metrics compare, and what they make of it."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor

from netkit.errors import PluginError
from netkit.kinds import Loss, Metric
from netkit.registry.owner import owner_of

__all__ = ["compared", "decide", "scored"]


def compared(metric: Metric, loss: Loss, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """What a metric compares: outputs and targets, or decisions and targets of 0 and 1."""
    if not metric.labels:
        return outputs, target
    return decide(loss, outputs), _winner(target) if loss.task == "multiclass" else target


def scored(metric: Metric, tally: Tensor) -> float:
    """The score of a tally. Raises `PluginError` for one that is no number."""
    score = metric.score(tally)
    if not isinstance(score, Real) and not (isinstance(score, Tensor) and score.numel() == 1):
        raise PluginError(f"{owner_of(type(metric))}: score must give a float, got {type(score).__name__}")
    return float(score)


def decide(loss: Loss, outputs: Tensor) -> Tensor:
    """What the outputs say: 0/1 in a binary task, one-hot rows in a multiclass one, themselves in a regression."""
    if loss.task == "binary":
        return (outputs >= loss.threshold).to(outputs.dtype)
    return _winner(outputs) if loss.task == "multiclass" else outputs


def _winner(rows: Tensor) -> Tensor:
    """One-hot rows with the 1 at the largest, the first of equals."""
    return torch.nn.functional.one_hot(rows.argmax(1), rows.shape[1]).to(rows.dtype)
