"""A chain of layers: forward and backward, with explicit local gradients.

All parameters lie in one flat vector and their gradients in another; what a layer sees are views into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from netkit import spec
from netkit.engine import parameters
from netkit.engine.rows import by_rows
from netkit.errors import NetkitError, SettingError, ShapeError
from netkit.kinds import Activation, Layer, Loss, Shape

__all__ = ["Link", "Network", "Trace", "loss_gradient", "loss_values"]


@dataclass(frozen=True)
class Link:
    """One layer of the chain, the activation after it, and its views into the two flat vectors."""

    layer: Layer
    activation: Activation | None
    in_shape: Shape
    out_shape: Shape
    params: dict[str, Tensor]
    grads: dict[str, Tensor]
    like: Tensor
    """Any tensor of the network, for dtype and device."""


@dataclass(frozen=True)
class Trace:
    """What one forward pass remembers: for each layer what it saved, z before its activation and a after it."""

    steps: list[tuple[Any, Tensor, Tensor]]
    version: int

    @property
    def output(self) -> Tensor:
        """What comes out of the last layer, (n, *out_shape)."""
        return self.steps[-1][2]


class Network:
    """Layers built for rows of `in_shape`. Raises `ShapeError` or `SettingError` when they do not fit together.

    layers: components, names or tables. rng: where the starting weights come from.
    """

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
        built, activations, shapes = [], [], [tuple(in_shape)]
        for number, layer in enumerate(made):
            activation, params, shape = _build(number, layer, shapes[-1], rng)
            built.append(parameters.compact(params))
            activations.append(activation)
            shapes.append(shape)
        self.params = parameters.flat(built).to(device=device, dtype=dtype)
        self.grads = torch.zeros_like(self.params)
        views, slots = parameters.views(built, self.params), parameters.views(built, self.grads)
        parts = zip(made, activations, shapes, shapes[1:], views, slots, [self.params] * len(made))
        self.links = [Link(*part) for part in parts]

    def __repr__(self) -> str:
        lines = [f"  {n}: {link.in_shape} -> {link.out_shape}  {link.layer}" for n, link in enumerate(self.links)]
        return "\n".join([f"Network of {self.params.numel()} parameters", *lines])

    def __getstate__(self) -> dict[str, Any]:
        """Views as places in the flat vectors: a copy has memory of its own."""
        links: list[Any] = [
            replace(link, params=parameters.places(link.params), grads={}, like=None)  # type: ignore[arg-type]
            for link in self.links
        ]
        return {**vars(self), "links": links}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for number, link in enumerate(self.links):
            params, grads = (parameters.placed(link.params, vector) for vector in (self.params, self.grads))
            self.links[number] = replace(link, params=params, grads=grads, like=self.params)

    @property
    def layers(self) -> list[Layer]:
        """The layers, the first next to the data."""
        return [link.layer for link in self.links]

    @property
    def in_shape(self) -> Shape:
        """The shape of one input row."""
        return self.links[0].in_shape

    @property
    def out_shape(self) -> Shape:
        """The shape of one output row."""
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
                grad, grads = link.layer.backward(link.params, saved, grad)
            else:  # nobody asks for the derivative by the data
                grads = link.layer.param_grads(link.params, saved, grad)
            for name, slot in link.grads.items():
                slot.copy_(grads[name])

    def fuses(self, loss: Loss) -> bool:
        """Whether the last activation is the one that the loss has a fused form with."""
        head = spec.make("activation", loss.head) if loss.fused and loss.head else None
        return head is not None and bool(self.links[-1].activation == head)


def loss_gradient(
    loss: Loss, logits: bool, outputs: Tensor, target: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(values (n,), derivative of their sum by outputs), each row's times its weight.

    `logits`: outputs are the logits z before the last activation, and the loss's fused form is taken.
    """
    values, gradient = loss.fused(outputs, target) if logits and loss.fused else loss(outputs, target)
    return (values, gradient) if weight is None else (values * weight, gradient * by_rows(weight, gradient))


def loss_values(loss: Loss, logits: bool, outputs: Tensor, target: Tensor) -> Tensor:
    """The loss of each row alone, (n,), where nobody needs the derivative; `logits` as in `loss_gradient`."""
    if logits and loss.fused_values:
        return loss.fused_values(outputs, target)
    return loss_gradient(loss, logits, outputs, target)[0]


def _build(number: int, layer: Layer, in_shape: Shape, rng: Generator) -> tuple[Any, dict[str, Tensor], Shape]:
    """The activation after a layer, the layer's new parameters, and the shape of one output row."""
    try:
        activation = None if layer.activation is None else spec.make("activation", layer.activation)
        params, shape = layer.build(in_shape, rng)
        if activation is not None:
            activation.check(tuple(shape))
        return activation, params, tuple(shape)
    except (ShapeError, SettingError) as error:
        raise type(error)(f"layer {number}: {error}") from None
