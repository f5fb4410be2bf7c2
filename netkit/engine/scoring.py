"""What outputs are worth: losses and metrics over rows, decisions, and which targets and heads fit a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.network import Network, loss_values
from netkit.engine.program.predict import predictor
from netkit.engine.rows import RowStream
from netkit.errors import DataError, SettingError, ShapeError
from netkit.kinds import Loss, Metric
from netkit.tensors import finite, like, tensor

__all__ = ["check_head", "decide", "evaluate", "make_metrics", "targets_for", "weights_for"]


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


def make_metrics(loss: Loss, chosen: Sequence[Any] | None) -> dict[str, Metric]:
    """Metrics under their texts; those that belong to the loss when nobody chose. Raises `SettingError`."""
    if chosen is None:
        chosen = [loss.metric] if loss.metric else []
    chosen = [chosen] if isinstance(chosen, str) else chosen
    made: dict[str, Metric] = {}
    for given in chosen:
        metric: Metric = spec.make("metric", given)
        if loss.task not in metric.tasks:
            raise SettingError(
                f"{spec.name(metric)}: scores {' and '.join(metric.tasks)} tasks, {spec.name(loss)} is for {loss.task}"
            )
        made[given if isinstance(given, str) else spec.name(metric)] = metric
    return made


FITS = {"real": {"real", "unit", "simplex"}, "unit": {"unit", "simplex"}, "simplex": {"simplex"}}
WORDS = {"unit": "outputs between 0 and 1", "simplex": "outputs that add up to one in each row", "real": "any outputs"}


def check_head(network: Network, loss: Loss) -> None:
    """Refuse a last activation whose outputs the loss cannot judge. Raises `ShapeError`."""
    head = network.links[-1].activation
    if (head.outputs if head else "real") not in FITS[loss.outputs]:
        raise ShapeError(
            f"{spec.name(loss)}: needs {WORDS[loss.outputs]}, the last layer's activation is "
            f"{spec.name(head) if head else 'none'}; use {loss.head}"
        )


def targets_for(network: Network, loss: Loss, y: Tensor) -> Tensor:
    """y in the shape of the network's outputs; class numbers become one-hot rows. Raises `ShapeError`, `DataError`."""
    shape = (len(y), *network.out_shape)
    flat = y.reshape(-1) if y.numel() == len(y) else y
    if loss.task == "multiclass" and flat.ndim == 1 and network.out_shape != (1,):
        return _one_hot(flat, network.out_shape[-1]).to(network.params)
    if loss.task != "regression":
        for value in (float(y.min()), float(y.max())):
            if not 0 <= value <= 1:
                raise DataError(f"y: {spec.name(loss)} needs targets from 0 to 1, got {value:g}")
    try:
        return like(network.params.new_empty(1).expand(shape), y)
    except ShapeError:
        raise ShapeError(f"y: shape {tuple(y.shape)} does not match the network's outputs {shape}") from None


def weights_for(rows: int, given: Any) -> Tensor:
    """What each row weighs, (n,) in float64, scaled to a mean of one. Raises `ShapeError`, `DataError`."""
    values = finite("weights", tensor("weights", given).double())
    if values.shape not in ((rows,), (rows, 1)):
        raise ShapeError(f"weights: one for each of {rows} rows is needed, got shape {tuple(values.shape)}")
    if bool((values < 0).any()):
        row = int((values.flatten() < 0).nonzero()[0])
        raise DataError(f"weights: none may be negative, row {row} holds {float(values.flatten()[row]):g}")
    if not bool((values > 0).any()):
        raise DataError("weights: one must be above 0, all are 0")
    return values.flatten() / values.mean()


def _one_hot(classes: Tensor, k: int) -> Tensor:
    wrong = classes[(classes != classes.floor()) | (classes < 0) | (classes >= k)]
    if len(wrong):
        raise DataError(f"y: class numbers from 0 to {k - 1} are needed, got {float(wrong[0]):g}")
    return torch.nn.functional.one_hot(classes.long(), k)
