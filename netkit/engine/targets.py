"""Which heads, targets and metrics fit a loss, and what sample weights are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.network import Network
from netkit.errors import DataError, SettingError, ShapeError
from netkit.kinds import Loss, Metric
from netkit.registry import current
from netkit.tensors import finite, like, tensor

__all__ = ["check_head", "make_metrics", "reported", "targets_for", "weights_for"]

FITS = {"real": {"real", "unit", "simplex"}, "unit": {"unit", "simplex"}, "simplex": {"simplex"}}
MANY = 200
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


def reported(loss: Loss, units: int) -> list[str]:
    """The names of the metrics that evaluation shows where nobody chose, the one that belongs to the loss first. Of
    more than `MANY` outputs only decisions are scored: other metrics may count gigabytes."""
    metrics = current().metrics
    names = [name for name in metrics if name != loss.metric and _reports(metrics[name], loss)]
    own = [loss.metric] if loss.metric else []
    return [*own, *(name for name in names if units <= MANY or metrics[name].labels)]


def _reports(metric: type[Metric], loss: Loss) -> bool:
    return metric.reported and loss.task in metric.tasks and loss.outputs in FITS[metric.outputs]


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
        if loss.outputs not in FITS[metric.outputs]:
            raise SettingError(
                f"{spec.name(metric)}: needs {WORDS[metric.outputs]}, {spec.name(loss)} takes {WORDS[loss.outputs]}"
            )
        made[given if isinstance(given, str) else spec.name(metric)] = metric
    return made
