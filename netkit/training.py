"""fit: mini-batch gradient descent as a generator of `Epoch` records. It prints nothing and can be stopped anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.epochs import Plain, Planned, Rows
from netkit.errors import DataError, DivergenceError, SettingError, ShapeError
from netkit.kinds import Loss, Metric, Optimizer
from netkit.network import Network
from netkit.targets import like

__all__ = ["Epoch", "Recipe", "check_head", "decide", "evaluate", "fit", "make_metrics", "targets_for"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows. Losses are means over rows; `loss` is that of each row when it was learnt from."""

    number: int
    loss: float
    metrics: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    """`loss` and the metrics on the validation rows; empty without any."""
    best: bool = False
    """Whether this is better than every epoch before it, by validation loss, or by `loss` without validation rows."""


PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How to train. Raises `SettingError` for values that make no sense."""

    batch: int = 32
    epochs: int = 100
    alpha: float | None = None
    optimizer: Any = None
    shuffle: bool = True
    keep_best: bool = False
    """Leave the weights of the best epoch behind, whatever ends the run; else those of the last."""
    plan: bool = True
    """Run steps as `netkit.plan` binds them; else as `Network.learn` spells them out. The numbers differ by rounding."""
    patience: int | None = None
    """Epochs without a better one after which training stops; None never stops early."""
    clip: float | None = None
    """Longest gradient: one of a larger norm, over all parameters, is scaled down to it; None lets all pass."""
    precision: str = "float32"
    """float32, or bfloat16 for the operands of large products in a planned step: faster, and right to three digits."""

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "patience"):
            value = getattr(self, name)
            if name == "patience" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SettingError(f"{name}: a whole number of at least 1 is needed, got {value!r}")
        if self.precision not in PRECISIONS:
            raise SettingError(f"precision: {' or '.join(PRECISIONS)} is needed, got {self.precision!r}")
        for name in ("alpha", "clip"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and 0 < value < math.inf):
                raise SettingError(f"{name}: a finite number above 0 is needed, got {value!r}")


def fit(
    network: Network,
    loss: Loss,
    rows: Rows,
    recipe: Recipe,
    shuffling: torch.Generator,
    noise: torch.Generator,
    metrics: Mapping[str, Metric],
    validation: Rows | None = None,
) -> Generator[Epoch]:
    """Train the network in place, one `Epoch` at a time.

    Raises `DivergenceError` when loss or weights stop being finite; the network then has the last finite weights.
    """
    optimizer = spec.make("optimizer", recipe.optimizer)
    alpha = optimizer.alpha if recipe.alpha is None else recipe.alpha
    update = _update(optimizer, network, recipe)
    learner = _learner(network, loss, rows, recipe, noise)
    best, kept, sound, idle = math.inf, network.params.clone(), network.params.clone(), 0
    try:
        for number in range(1, recipe.epochs + 1):
            sound.copy_(network.params)
            order = _order(len(rows[0]), shuffling).to(rows[0].device) if recipe.shuffle else None
            value = _learned(learner.epoch(order, lambda: update(alpha)), network, sound, number, alpha) / len(rows[0])
            scores = evaluate(network, loss, *rows, metrics) if metrics else {}
            judged = evaluate(network, loss, *validation, metrics) if validation else {}
            current = judged.get("loss", value)
            if better := current < best:
                best, kept = current, network.params.clone() if recipe.keep_best else kept
            scores.pop("loss", None)
            yield Epoch(number, value, scores, judged, best=better)
            idle = 0 if better else idle + 1
            if idle == recipe.patience:
                return
    finally:
        if recipe.keep_best and best < math.inf:
            network.params.copy_(kept)


def _order(rows: int, rng: torch.Generator) -> Tensor:
    """The numbers of all rows, shuffled, in as few bytes as they need."""
    return torch.randperm(rows, generator=rng, dtype=torch.int32 if rows < 2**31 else torch.int64)


def _learner(network: Network, loss: Loss, rows: Rows, recipe: Recipe, noise: torch.Generator) -> Plain | Planned:
    if not recipe.plan:
        return Plain(network, loss, rows, recipe.batch, noise)
    return Planned(network, loss, rows, recipe.batch, noise, recipe.precision)


def _learned(losses: Tensor, network: Network, sound: Tensor, epoch: int, alpha: float) -> float:
    """The sum of an epoch's losses, given by batch. Raises `DivergenceError` and restores the sound weights."""
    good = torch.isfinite(losses)
    if bool(good.all()) and bool(torch.isfinite(network.params).all()):
        return float(losses.double().sum())
    network.params.copy_(sound)
    batch = int((~good).nonzero()[0]) if not bool(good.all()) else len(losses) - 1
    raise DivergenceError(_advice(epoch, batch + 1, alpha))


def _update(optimizer: Optimizer, network: Network, recipe: Recipe) -> Callable[[float], Any]:
    """One step of the optimizer as a function of the learning rate."""
    params, grads, clip = network.params, network.grads, recipe.clip
    state = optimizer.start(params)
    step: Callable[[float], Any] = lambda alpha: optimizer.step(params, grads, state, alpha)  # noqa: E731
    if recipe.plan and optimizer.bind_step is not None:
        step = optimizer.bind_step(params, grads, state)
    if clip is None:
        return step

    def clipped(alpha: float) -> None:
        norm = float(grads.norm())
        if norm > clip:
            grads.mul_(clip / norm)
        step(alpha)

    return clipped


def _advice(epoch: int, batch: int, alpha: float) -> str:
    return (f"training diverged in epoch {epoch}, batch {batch}: loss or weights are nan or infinite; "
            f"try a smaller alpha than {alpha:g}, or standardise the inputs; the last finite weights are kept")


def evaluate(
    network: Network,
    loss: Loss,
    x: Tensor,
    target: Tensor,
    metrics: Mapping[str, Metric],
    decode: Callable[[Tensor], Tensor] = lambda values: values,
) -> dict[str, float]:
    """The mean loss, and every metric, over all rows, in blocks. `decode` takes values back to their own units first."""
    fused = network.fuses(loss)
    total, tallies = 0.0, dict[str, Tensor]()
    for start, z, a in network.outputs(x):
        wanted = target[start : start + len(a)]
        values, _ = loss.fused(z, wanted) if fused and loss.fused else loss(a, wanted)
        total += float(values.sum())
        for name, metric in metrics.items():
            tally = metric.tally(*_judged(metric, loss, decode(a), decode(wanted)))
            tallies[name] = tallies[name] + tally if name in tallies else tally
    return {"loss": total / len(x)} | {name: metric.score(tallies[name]) for name, metric in metrics.items()}


def _judged(metric: Metric, loss: Loss, outputs: Tensor, target: Tensor) -> Rows:
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
    made: dict[str, Metric] = {}
    for each in chosen:
        metric: Metric = spec.make("metric", each)
        if loss.task not in metric.tasks:
            raise SettingError(f"{spec.name(metric)}: scores {' and '.join(metric.tasks)} tasks, "
                               f"{spec.name(loss)} is for {loss.task}")
        made[each if isinstance(each, str) else spec.name(metric)] = metric
    return made


FITS = {"real": {"real", "unit", "simplex"}, "unit": {"unit", "simplex"}, "simplex": {"simplex"}}
WORDS = {"unit": "outputs between 0 and 1", "simplex": "outputs that add up to one in each row", "real": "any outputs"}


def check_head(network: Network, loss: Loss) -> None:
    """Refuse a last activation whose outputs the loss cannot judge. Raises `ShapeError`."""
    head = network.links[-1].activation
    if (head.outputs if head else "real") not in FITS[loss.outputs]:
        raise ShapeError(f"{spec.name(loss)}: needs {WORDS[loss.outputs]}, the last layer's activation is "
                         f"{spec.name(head) if head else 'none'}; use {loss.head}")


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


def _one_hot(classes: Tensor, k: int) -> Tensor:
    wrong = classes[(classes != classes.floor()) | (classes < 0) | (classes >= k)]
    if len(wrong):
        raise DataError(f"y: class numbers from 0 to {k - 1} are needed, got {float(wrong[0]):g}")
    return torch.nn.functional.one_hot(classes.long(), k)
