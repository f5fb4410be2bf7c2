"""Layers after each other: the forward and the backward pass of a network, and of a layer that holds layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from torch import Generator, Tensor

from netkit import spec
from netkit.errors import SettingError, ShapeError
from netkit.kinds import Activation, Layer, Shape

__all__ = ["Gradients", "Link", "Step", "backward", "build", "forward", "links_of"]


class Step(NamedTuple):
    """What a layer saved in a forward pass, z before its activation and a after it, each (n, *out_shape)."""

    saved: Any
    z: Tensor
    a: Tensor


class Gradients(NamedTuple):
    """What a backward pass makes of a layer: dL/dparameter by name, dz = dL/dz and dx = dL/dx, shaped as z and x."""

    params: dict[str, Tensor]
    dz: Tensor
    dx: Tensor


@dataclass(frozen=True)
class Link:
    """One layer of a chain and the activation after it."""

    layer: Layer
    activation: Activation | None
    in_shape: Shape = ()
    out_shape: Shape = ()
    params: dict[str, Tensor] = field(default_factory=dict)
    """What the layer's methods are given: its parameters, and its state."""
    grads: dict[str, Tensor] = field(default_factory=dict)
    """Where the gradients of its parameters go."""
    state: dict[str, Tensor] = field(default_factory=dict)
    """Its state alone."""
    like: Any = None
    """Any tensor of the network, for dtype and device."""

    @property
    def trained(self) -> dict[str, Tensor]:
        """Its parameters alone."""
        return {name: each for name, each in self.params.items() if name not in self.state}


def links_of(layers: Sequence[Any]) -> Iterator[tuple[int, Link]]:
    """The links of a chain with the number of their layer: an activation that is a layer is a link of its own."""
    for number, given in enumerate(layers):
        layer: Layer = spec.make("layer", given)
        with _numbered(number):
            while isinstance(inner := layer.activation and spec.make("activation", layer.activation), Layer):
                if all(each.name != "activation" for each in fields(layer)):
                    raise SettingError(f"{spec.name(layer)} has no setting activation to hold a layer")
                bare: dict[str, Any] = {"activation": None}
                yield number, Link(replace(layer, **bare), None)
                layer = inner
            yield number, Link(layer, inner)


def build(number: int, link: Link, in_shape: Shape, rng: Generator) -> Link:
    """The link for rows of such a shape, with its first parameters and state. Raises `ShapeError`, `SettingError`."""
    with _numbered(number):
        params, shape = link.layer.build(in_shape, rng)
        state = link.layer.state(in_shape)
        if link.activation is not None:
            link.activation.check(tuple(shape))
        if twice := set(params) & set(state):
            raise SettingError(f"{spec.name(link.layer)}: {min(twice)!r} is the name of a parameter and of a state")
    params = {name: each.detach() for name, each in (params | state).items()}  # who derives by a tape may leave one
    return replace(link, in_shape=tuple(in_shape), out_shape=tuple(shape), params=params, state=state)


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    """Let errors name the layer."""
    try:
        yield
    except (ShapeError, SettingError) as error:
        raise type(error)(f"layer {number}: {error}") from None


def forward(links: Sequence[Link], x: Tensor, rng: Generator | None = None, logits: bool = False) -> list[Step]:
    """x through every link; with `logits` the last activation is left out. `rng=None` means evaluation."""
    steps = []
    for link in links:
        z, saved = link.layer.forward(link.params, x, rng)
        last = link is links[-1]
        x = z if link.activation is None or (logits and last) else link.activation.forward(z)
        steps.append(Step(saved, z, x))
    return steps


def backward(
    links: Sequence[Link], steps: Sequence[Step], grad: Tensor, logits: bool = False, by_input: bool = True
) -> Iterator[Gradients]:
    """For each link, the last first, its gradients, from grad = dL/doutput; `logits` as in the forward pass. Without
    `by_input` nobody asks for the first link's dx: what stands in its place is of no use."""
    for number in reversed(range(len(links))):
        link, (saved, z, a) = links[number], steps[number]
        at_logits = logits and number == len(links) - 1
        dz = grad if link.activation is None or at_logits else link.activation.backward(grad, z, a)
        if number or by_input:
            grad, grads = link.layer.backward(link.params, saved, dz)
        else:
            grads = link.layer.param_grads(link.params, saved, dz)
        yield Gradients(grads, dz, grad)
