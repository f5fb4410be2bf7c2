"""A look at strangers' gradients on the first rows that a network learns from: does backward follow from forward?

`netkit check` asks that of a component thoroughly; this asks it in passing, of whoever never checked. It is a sample:
one random direction in float64, a few rows, and no word where there is the least doubt.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakSet

import torch
from torch import Generator, Tensor

from netkit.engine.network import Network, loss_gradient
from netkit.engine.rows import Dataset, Rows, by_rows
from netkit.kinds import Activation, Component, Layer, Loss
from netkit.registry.owner import is_stranger, owner_of, remedy
from netkit.registry.surroundings import one_thread, restored

__all__ = ["spot_check"]

ROWS = 4
PLACES = 3
"""Near so many points a gradient has to be wrong, each time without doubt, before anybody is told."""
MOST = 2**22
"""Values that a component may take, parameters and inputs; a larger one is not looked at."""
LARGEST = 1e9
"""An input beyond this is not looked at: a step from there is lost in rounding."""
STEP = 1e-5
X = "x of the layer"
"""A layer's input among its parameters, none of which has such a name."""
Tensors = dict[str, Tensor]


def _rng(seed: int = 0) -> Generator:
    """Random numbers of its own."""
    return Generator().manual_seed(seed)


def spot_check(network: Network, loss: Loss, source: Dataset) -> None:
    """Warn of each stranger's component whose gradient is wrong on the first rows; once for each network, and without
    touching it, random numbers, or the run."""
    parts = [part for link in network.links for part in (link.layer, link.activation)]
    if network in _seen or not any(_strangers(part) for part in [*parts, loss]):
        return
    _seen.add(network)
    tried, wrong = set[Component](), dict[type[Component], tuple[float, float]]()
    with restored(), one_thread(), suppress(Exception, SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for function in _functions(network, loss, _first(source)):
            for component in [each for each in _strangers(function.component) if each not in tried]:
                tried.add(component)
                if found := function.disagreement():
                    wrong[type(component)] = found
    for kind, (given, slope) in wrong.items():
        said = f"on the first rows backward gives {given:.4g} where forward rises by {slope:.4g}"
        warnings.warn(f"{owner_of(kind)}: wrong gradient: {said}; {remedy(kind)}", stacklevel=1)


_seen: WeakSet[Network] = WeakSet()


@dataclass(frozen=True)
class _Function:
    """A component as a function of tensors by name, and its gradient by those in `by`."""

    component: Component
    forward: Callable[[Tensors], Tensor]
    backward: Callable[[Tensors, Tensor], Mapping[str, Tensor]]
    inputs: Tensors
    by: list[str]
    outputs: str = "real"
    """What the inputs are, in the words of `Activation.outputs`."""

    def disagreement(self) -> tuple[float, float] | None:
        """What backward says of a direction, and what forward does in it, where they differ beyond doubt; else None."""
        values, wrong = self.inputs.values(), None
        if sum(each.numel() for each in values) > MOST or any(bool((each.abs() > LARGEST).any()) for each in values):
            return None
        with suppress(Exception, SystemExit):  # training will say what is wrong with it
            for seed in range(PLACES):
                wrong = self._difference(_rng(seed))
                if wrong is None:
                    return None
            return wrong
        return None

    def _difference(self, random: Generator) -> tuple[float, float] | None:
        at = {name: each.double() for name, each in self.inputs.items()}
        at |= {name: self._near(at[name], random) for name in self.by}
        along = {name: self._direction(at[name], random) for name in self.by}
        y = self.forward(at)
        grad = torch.randn(y.shape, generator=random, dtype=torch.float64).to(y)
        grads = self.backward(at, grad)
        terms = torch.cat([(grads[name] * along[name]).flatten() for name in self.by])
        wide, narrow = (self._rises(at, along, step, grad) for step in (STEP, STEP / 4))
        given, slope, doubt = float(terms.sum()), float(narrow.sum()), float((wide - narrow).sum().abs())
        size = max(float(terms.norm()), float(narrow.norm()))
        certain = doubt <= 1e-4 * size < float("inf")
        return (given, slope) if certain and abs(given - slope) > 1e-3 * size else None

    def _rises(self, at: Tensors, along: Tensors, step: float, grad: Tensor) -> Tensor:
        """By how much each value of y rises along a direction, times grad."""
        ends = [self.forward({**at, **{name: at[name] + s * along[name] for name in self.by}}) for s in (step, -step)]
        return (ends[0] - ends[1]) / (2 * step) * grad

    def _near(self, x: Tensor, random: Generator) -> Tensor:
        """A point beside x: x itself may lie in a kink, as many a 0 does."""
        noise = torch.rand(x.shape, generator=random, dtype=torch.float64).to(x)
        if self.outputs == "simplex":
            return 0.99 * x + 0.01 * torch.softmax(noise, -1)
        if self.outputs == "unit":
            return 0.99 * x + 0.01 * (0.25 + noise / 2)
        return x + 0.01 * x.abs().clamp(min=1) * (2 * noise - 1)

    def _direction(self, x: Tensor, random: Generator) -> Tensor:
        drawn = torch.randn(x.shape, generator=random, dtype=torch.float64).to(x)
        if self.outputs == "simplex":
            return drawn - drawn.mean(-1, keepdim=True)
        return drawn if self.outputs == "unit" else drawn * x.abs().clamp(min=1).sqrt()


def _strangers(value: Any, deep: bool = False) -> list[Component]:
    """The strangers in a component: itself, or those in its settings, however deep, but for the activation that the
    engine applies after a layer. Torch's own gradients are right."""
    if isinstance(value, Component):
        if is_stranger(type(value)):
            return [] if value.derived else [value]
        value = [each for name, each in vars(value).items() if deep or name != "activation"]
    values = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return [component for each in values for component in _strangers(each, deep=True)]


def _first(source: Dataset) -> Rows:
    """The first rows, in the order in which they lie."""
    with closing(cast(Any, source.windows(None))) as windows:
        return cast(Rows, next(windows).rows[:ROWS])


def _functions(network: Network, loss: Loss, rows: Rows) -> Iterator[_Function]:
    """Every layer and activation on what comes to it from the rows while training, and the loss."""
    logits = network.fuses(loss)
    trace, x = network.forward(rows.x, _rng(), logits), rows.x
    for number, (link, (_, z, a)) in enumerate(zip(network.links, trace.steps)):
        by = [*link.grads, *([X] if number else [])]
        yield _layer(link.layer, {**link.params, X: x}, by)
        if link.activation is not None:
            yield _activation(link.activation, z)
        x = a
    yield _loss(loss, logits, trace.output, rows.target.double())


def _layer(layer: Layer, inputs: Tensors, by: list[str]) -> _Function:
    """Its gradients by x and by its parameters; the first layer has none by x."""

    def passed(at: Tensors) -> tuple[Tensors, Tensor, Any]:
        params = {name: each for name, each in at.items() if name != X}
        return params, *layer.forward(params, at[X], _rng(7))

    def backward(at: Tensors, grad: Tensor) -> Mapping[str, Tensor]:
        params, _, saved = passed(at)
        dx, grads = layer.backward(params, saved, grad)
        return {**grads, X: dx}

    return _Function(layer, lambda at: passed(at)[1], backward, inputs, by)


def _activation(activation: Activation, z: Tensor) -> _Function:
    def backward(at: Tensors, grad: Tensor) -> Mapping[str, Tensor]:
        return {"z": activation.backward(grad, at["z"], activation.forward(at["z"]))}

    return _Function(activation, lambda at: activation.forward(at["z"]), backward, {"z": z}, ["z"])


def _loss(loss: Loss, logits: bool, outputs: Tensor, target: Tensor) -> _Function:
    """By the logits where training takes its fused form, else by the prediction."""

    def judged(at: Tensors) -> tuple[Tensor, Tensor]:
        return loss_gradient(loss, logits, at["p"], target)

    def backward(at: Tensors, grad: Tensor) -> Mapping[str, Tensor]:
        return {"p": judged(at)[1] * by_rows(grad, at["p"])}

    kind = "real" if logits else loss.outputs
    return _Function(loss, lambda at: judged(at)[0], backward, {"p": outputs}, ["p"], kind)
