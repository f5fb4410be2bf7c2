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
from netkit.engine import links, parameters
from netkit.engine.links import Gradients, Link, Step
from netkit.engine.rows import by_rows
from netkit.errors import NetkitError, SettingError
from netkit.kinds import Layer, Loss, Shape

__all__ = ["Network", "Trace", "loss_gradient", "loss_values"]


@dataclass(frozen=True)
class Trace:
    """What one forward pass remembers: of each layer `saved`, z before its activation and a after it."""

    steps: list[Step]
    version: int

    def __repr__(self) -> str:
        lines = (f"  {n}: z {tuple(step.z.shape)}, a {tuple(step.a.shape)}" for n, step in enumerate(self.steps))
        return "\n".join([f"Trace of {len(self.output)} rows", *lines])

    @property
    def output(self) -> Tensor:
        """What comes out of the last layer, (n, *out_shape)."""
        return self.steps[-1].a


class Network:
    """Layers (components, names or tables) built for rows of `in_shape`, with starting weights from rng. Raises
    `ShapeError` or `SettingError` when they do not fit together."""

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
        built: list[Link] = []
        for number, link in links.links_of(layers):
            built.append(links.build(number, link, built[-1].out_shape if built else in_shape, rng))
        trained, states = zip(*((parameters.compact(link.trained), parameters.compact(link.state)) for link in built))
        self.params = parameters.flat(trained).to(device=device, dtype=dtype)
        self.grads, self.state = torch.zeros_like(self.params), parameters.flat(states).to(self.params)
        self.fresh = True
        """Whether it has never learnt."""
        self._attach([*zip(built, parameters.places(trained), parameters.places(states))])

    def __repr__(self) -> str:
        lines = [f"  {n}: {link.in_shape} -> {link.out_shape}  {link.layer}" for n, link in enumerate(self.links)]
        return "\n".join([f"Network of {self.params.numel()} parameters", *lines])

    def __getstate__(self) -> dict[str, Any]:
        """Views as places in the flat vectors: a copy has memory of its own."""
        bare = [replace(link, params={}, grads={}, state={}, like=None) for link in self.links]
        places = ([parameters.place(own) for own in (link.trained, link.state)] for link in self.links)
        return {**vars(self), "links": [(link, *where) for link, where in zip(bare, places)]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._attach(state["links"])

    def _attach(self, links: list[tuple[Link, Any, Any]]) -> None:
        """Give each link its views, by the places of its parameters and of its state in the flat vectors."""
        self.links = []
        for link, own, kept in links:
            params, grads = (parameters.placed(own, vector) for vector in (self.params, self.grads))
            state = parameters.placed(kept, self.state)
            self.links.append(replace(link, params=params | state, grads=grads, state=state, like=self.params))

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
        return {f"{i}.{name}": view for i, link in enumerate(self.links) for name, view in link.trained.items()}

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of the last backward pass, by the names of `parameters`."""
        return {f"{i}.{name}": view for i, link in enumerate(self.links) for name, view in link.grads.items()}

    def states(self) -> dict[str, Tensor]:
        """What layers keep beside their parameters, such as running means, named and viewed in the same way."""
        return {f"{i}.{name}": view for i, link in enumerate(self.links) for name, view in link.state.items()}

    def forward(self, x: Tensor, rng: Generator | None = None, logits: bool = False) -> Trace:
        """x through every layer; with `logits` the last activation is left out. `rng=None` means evaluation."""
        return Trace(links.forward(self.links, x, rng, logits), self.params._version)

    def backward(self, trace: Trace, grad: Tensor, logits: bool = False, keep: bool = False) -> list[Gradients]:
        """From dL/doutput to every dL/dparameter, into `grads`; `logits` as in the forward pass. With `keep` it returns
        the gradients of each layer as well, dz and dx among them, the first next to the data.

        Refuses a trace from before a change of the parameters: its local gradients would no longer be true.
        """
        if trace.version != self.params._version:
            raise NetkitError("backward: the parameters have changed since this forward pass; run forward again")
        kept: list[Gradients] = []
        passed = links.backward(self.links, trace.steps, grad, logits, by_input=keep)
        for link, each in zip(reversed(self.links), passed):
            for name, slot in link.grads.items():
                slot.copy_(each.params[name])
            kept = [each, *kept] if keep else kept
        return kept

    def keep_state(self, trace: Trace) -> None:
        """After a batch of training: what layers keep of it, such as their running means."""
        for link, step in zip(self.links, trace.steps):
            if link.state:
                parameters.write(link.state, link.layer.next_state(link.params, step.saved))

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
