"""A chain of layers: forward, backward and predict, with explicit local gradients.

All parameters lie in one flat vector and their gradients in another; what a layer sees are views into them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Generator, Tensor

from netkit import spec
from netkit.engine import parameters as storage
from netkit.engine.program.buffers import Forward, Row
from netkit.engine.rows import by_rows
from netkit.errors import NetkitError, SettingError, ShapeError
from netkit.kinds import Activation, Layer, Loss, Shape

__all__ = ["Link", "Network", "Trace", "judge", "values"]

BLOCK = 2**21
"""Values in the widest layer of one block of rows, when nothing has to be remembered for a backward pass."""


@dataclass(frozen=True)
class Link:
    """One layer of the chain, the activation behind it, and its views into the two flat vectors."""

    layer: Layer
    activation: Activation | None
    in_shape: Shape
    out_shape: Shape
    params: dict[str, Tensor]
    grads: dict[str, Tensor]
    like: Tensor
    """Any tensor of the network, for dtype and device."""

    def without_activation(self) -> Link:
        return replace(self, activation=None)


@dataclass(frozen=True)
class Trace:
    """What one forward pass remembers: for each layer what it saved, z before and a behind its activation."""

    steps: list[tuple[Any, Tensor, Tensor]]
    version: int

    @property
    def output(self) -> Tensor:
        return self.steps[-1][2]


class Network:
    """Layers built for rows of `in_shape`. Raises `ShapeError` or `SettingError` when they do not fit together."""

    def __init__(
        self,
        layers: Sequence[Any],
        in_shape: Shape,
        rng: Generator,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        if not layers:
            raise SettingError("network: at least one layer is needed, got none")
        made: list[Layer] = [spec.make("layer", layer) for layer in layers]
        built, shapes = [], [tuple(in_shape)]
        for number, layer in enumerate(made):
            params, shape = _build(number, layer, shapes[-1], rng)
            built.append(storage.compact(params))
            shapes.append(tuple(shape))
        self.params = storage.flat(built).to(device=device, dtype=dtype)
        self.grads = torch.zeros_like(self.params)
        views, slots = storage.views(built, self.params), storage.views(built, self.grads)
        heads = [None if layer.activation is None else spec.make("activation", layer.activation) for layer in made]
        parts = zip(made, heads, shapes, shapes[1:], views, slots, [self.params] * len(made))
        self.links = [Link(*part) for part in parts]
        self.widest = max(prod(shape) for shape in shapes)
        self._own = _Own()
        self.plans: dict[Any, Any] = {}
        """What `netkit.engine.program.steps` has bound to this network's memory."""
        self._check_activations()

    def __getstate__(self) -> dict[str, Any]:
        """Views as places in the flat vectors, and nothing of what is bound to this memory: a copy has another."""
        kept = {name: value for name, value in vars(self).items() if name not in ("_own", "links")}
        links: list[Any] = [
            replace(link, params=storage.places(link.params), grads={}, like=None)  # type: ignore[arg-type]
            for link in self.links
        ]
        return {**kept, "links": links, "plans": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _own=_Own())
        self.links = [
            replace(
                link,
                params=storage.placed(link.params, self.params),
                grads=storage.placed(link.params, self.grads),
                like=self.params,
            )
            for link in self.links
        ]

    @property
    def layers(self) -> list[Layer]:
        return [link.layer for link in self.links]

    @property
    def in_shape(self) -> Shape:
        return self.links[0].in_shape

    @property
    def out_shape(self) -> Shape:
        return self.links[-1].out_shape

    def parameters(self) -> dict[str, Tensor]:
        """Every parameter by layer number and name, such as `0.W`: views, so writing into one changes the network."""
        return {f"{i}.{name}": view for i, link in enumerate(self.links) for name, view in link.params.items()}

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of the last backward pass, by the names of `parameters`."""
        return {f"{i}.{name}": view for i, link in enumerate(self.links) for name, view in link.grads.items()}

    def forward(self, x: Tensor, rng: Generator | None = None, logits: bool = False) -> Trace:
        """x through every layer; with `logits` the last activation is left out. `rng=None` means evaluation."""
        version = self.params._version
        steps = []
        for link in self.links:
            z, saved = link.layer.forward(link.params, x, rng)
            last = link is self.links[-1]
            x = z if link.activation is None or (logits and last) else link.activation.forward(z)
            steps.append((saved, z, x))
        return Trace(steps, version)

    def backward(self, trace: Trace, grad: Tensor, logits: bool = False) -> None:
        """From dL/doutput to every dL/dparameter, into `grads`; `logits` as in the forward pass.

        Refuses a trace from before a change of the parameters: its local gradients would no longer be true.
        """
        if trace.version != self.params._version:
            raise NetkitError("backward: the parameters have changed since this forward pass; run forward again")
        for number in reversed(range(len(self.links))):
            link, (saved, z, a) = self.links[number], trace.steps[number]
            at_logits = logits and number == len(self.links) - 1
            if link.activation is not None and not at_logits:
                grad = link.activation.backward(grad, z, a)
            if number:
                grad, found = link.layer.backward(link.params, saved, grad)
            else:  # nobody asks for the derivative by the data
                found = link.layer.param_grads(link.params, saved, grad)
            for name, slot in link.grads.items():
                slot.copy_(found[name])

    def learn(
        self, x: Tensor, target: Tensor, loss: Loss, rng: Generator | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Fill `grads` with the gradient of the mean loss of these rows; returns the loss of each row, (n,), times its
        weight."""
        fused = self.fuses(loss)
        trace = self.forward(x, rng, logits=fused)
        found, gradient = judge(loss, fused)(trace.output, target)
        if weight is not None:
            found, gradient = found * weight, gradient * by_rows(weight, gradient)
        self.backward(trace, gradient / len(x), logits=fused)
        return found

    def fuses(self, loss: Loss) -> bool:
        """Whether the last activation is the one that the loss has a fused form with."""
        if loss.fused is None or loss.head is None:
            return False
        return bool(self.links[-1].activation == spec.make("activation", loss.head))

    def outputs(self, x: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Blocks of rows of bounded memory: the number of the first row, the logits (z before the last activation) and
        the outputs. They are the caller's until the next block comes."""
        rows = max(1, BLOCK // self.widest)
        for start in range(0, len(x), rows):
            bound = self._run(x[start : start + rows])
            yield start, bound.z.contiguous(), bound.a.contiguous()

    def predict(self, x: Tensor) -> Tensor:
        """The outputs for all rows, (n, *out_shape)."""
        rows = max(1, BLOCK // self.widest)
        if len(x) <= rows:
            return self._run(x).a.clone(memory_format=torch.contiguous_format)
        result = x.new_empty(len(x), *self.out_shape)
        for start in range(0, len(x), rows):
            result[start : start + rows] = self._run(x[start : start + rows]).a
        return result

    def row(self, x: Tensor) -> Tensor | None:
        """The outputs of one row on the CPU by the shortest way; nothing where x needs a closer look."""
        row = self._own.row
        if row is None:
            if not self.params.is_cpu:
                return None
            row = self._own.row = Row(self.links)
        return row.outputs(x)

    def _run(self, x: Tensor) -> Forward:
        """The forward pass of a block of rows, in memory that the next block of as many rows overwrites."""
        passes = self._own.passes
        bound = passes.get(len(x))
        if bound is None:
            if len(passes) > 3:
                passes.clear()
            bound = passes[len(x)] = Forward(self.links, len(x))
        bound.run(x)
        return bound

    def _check_activations(self) -> None:
        for number, link in enumerate(self.links):
            if link.activation is not None:
                try:
                    link.activation.check(link.out_shape)
                except ShapeError as error:
                    raise ShapeError(f"layer {number}: {error}") from None


class _Own(threading.local):
    """Buffers of one thread, so that several may predict at once."""

    def __init__(self) -> None:
        self.passes: dict[int, Forward] = {}
        self.row: Row | None = None


def judge(loss: Loss, fused: bool) -> Callable[..., tuple[Tensor, Tensor]]:
    """The loss of predictions, or `fused` that of logits."""
    return loss.fused if fused and loss.fused else loss


def values(loss: Loss, fused: bool, outputs: Tensor, target: Tensor) -> Tensor:
    """The loss of each row alone, (n,), from predictions, or `fused` from logits."""
    if fused and loss.fused_values:
        return loss.fused_values(outputs, target)
    return judge(loss, fused)(outputs, target)[0]


def _build(number: int, layer: Layer, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
    try:
        return layer.build(in_shape, rng)
    except (ShapeError, SettingError) as error:
        raise type(error)(f"layer {number}: {error}") from None
