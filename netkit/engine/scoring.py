"""What outputs are worth: losses and metrics over rows, and decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from netkit.engine.network import Network, loss_values
from netkit.engine.program.predict import predictor
from netkit.engine.rows import RowStream
from netkit.kinds import Loss, Metric

__all__ = ["decide", "evaluate"]


def evaluate(
    network: Network,
    loss: Loss,
    rows: RowStream,
    metrics: Mapping[str, Metric],
    decode: Callable[[Tensor], Tensor] = lambda values: values,
) -> dict[str, float]:
    """The mean loss, by weight, and every metric, where all rows count alike, over all rows, in blocks. `decode` takes
    values back to their own units first."""
    fused = network.fuses(loss)
    total, tallies = 0.0, dict[str, Tensor]()
    for window in rows.windows(None):
        for block, z, a in predictor(network).outputs(window.rows):
            losses = loss_values(loss, fused, z if fused else a, block.target)
            total += float((losses if block.weight is None else losses * block.weight).sum())
            for name, metric in metrics.items():
                tally = metric.tally(*_scored(metric, loss, decode(a), decode(block.target)))
                tallies[name] = tallies[name] + tally if name in tallies else tally
    return {"loss": total / len(rows)} | {name: metric.score(tallies[name]) for name, metric in metrics.items()}


def _scored(metric: Metric, loss: Loss, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """What a metric compares: outputs and targets, or decisions and targets of 0 and 1."""
    if not metric.labels:
        return outputs, target
    return decide(loss, outputs), _winner(target) if loss.task == "multiclass" else target


def decide(loss: Loss, outputs: Tensor) -> Tensor:
    """What the outputs say: 0/1 in a binary task, one-hot rows in a multiclass one, themselves in a regression."""
    if loss.task == "binary":
        return (outputs >= loss.threshold).to(outputs.dtype)
    return _winner(outputs) if loss.task == "multiclass" else outputs


def _winner(rows: Tensor) -> Tensor:
    """One-hot rows with the 1 at the largest, the first of equals."""
    return torch.nn.functional.one_hot(rows.argmax(1), rows.shape[1]).to(rows.dtype)
