"""The links of a network bound to buffers: for a number of rows, the calls of one forward and one backward pass.

Components that offer bound forms (`bind_...` in `netkit.kinds`) are called in place; the others run in their readable
form between the same buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from netkit.bound import Call

if TYPE_CHECKING:
    from netkit.network import Link

__all__ = ["Between", "backward_calls", "buffers", "forward_calls"]


@dataclass(frozen=True)
class Between:
    """What lies behind one link: z before its activation, a behind it, `full` a with a column of ones where the next layer
    wants one, and d for the derivative by a, then by z."""

    z: Tensor
    a: Tensor
    full: Tensor
    d: Tensor


def buffers(links: Sequence[Link], number: int, rows: int, bound_after: bool, apart: bool) -> Between:
    """The buffers behind a link. `bound_after`: whether what follows the last link is bound; `apart`: z keeps its own memory.

    Rows of one axis lie transposed, (d, n) in memory, where both neighbours are bound: then a column of ones lies
    behind the others, every elementwise operation sees one piece of memory, and a narrow softmax is vectorised.
    """
    link, after = links[number], links[number + 1] if number + 1 < len(links) else None
    bound_after = bound_after if after is None else after.layer.bind_forward is not None
    turned = len(link.out_shape) == 1 and link.layer.bind_forward is not None and bound_after
    full = new(rows, link.out_shape, link, ones=after is not None and wants_ones(after), turned=turned)
    a = full[:, : link.out_shape[0]] if len(link.out_shape) == 1 else full
    one = not apart and (link.activation is None or _in_place(link.activation))
    return Between(a if one else torch.empty_like(a), a, full, torch.empty_like(a))


def new(rows: int, shape: tuple[int, ...], link: Link, ones: bool = False, turned: bool = False) -> Tensor:
    """A buffer for rows of this shape, in the dtype and on the device of a link's network."""
    size = (shape[0] + ones, *shape[1:]) if shape else ()
    like = link.like
    if turned:
        return like.new_ones(size[0], rows).t()
    return like.new_ones(rows, *size)


def wants_ones(link: Link) -> bool:
    """Whether the link's layer is bound, and to inputs with a column of ones."""
    return link.layer.bind_forward is not None and link.layer.ones(link.params)


def forward_calls(link: Link, x: Tensor, full: Tensor, to: Between, rng: Generator | None, saved: list[Any]) -> list[Call]:
    """z and a from x; `full` is x with its column of ones. What a plain layer remembers goes into `saved`."""
    layer = link.layer
    if layer.bind_forward is not None:
        calls = layer.bind_forward(link.params, full if wants_ones(link) else x, to.z)
    else:
        calls = [partial(_layer_forward, layer, link.params, x, to.z, rng, saved)]
    return calls + activation_calls(link.activation, to)


def activation_calls(activation: Any, to: Between) -> list[Call]:
    """a from z."""
    if activation is None:
        return [] if to.z is to.a else [partial(to.a.copy_, to.z)]
    if activation.bind_forward is not None:
        calls: list[Call] = activation.bind_forward(to.z, to.a)
        return calls
    return [partial(_activation_forward, activation, to.z, to.a)]


def backward_calls(link: Link, x: Tensor, full: Tensor, to: Between, dx: Tensor | None, at_logits: bool, saved: list[Any]) -> list[Call]:
    """The gradients of the link's parameters, and dx unless it is None, from d = dL/da; with `at_logits` from d = dL/dz."""
    calls: list[Call] = []
    if link.activation is not None and not at_logits:
        calls += _activation_backward_calls(link.activation, to)
    layer = link.layer
    if layer.bind_forward is not None and layer.bind_backward is not None:
        return calls + layer.bind_backward(link.params, link.grads, full if wants_ones(link) else x, to.d, dx)
    return [*calls, partial(_layer_backward, layer, link.params, link.grads, saved, to.d, dx)]


def _activation_backward_calls(activation: Any, to: Between) -> list[Call]:
    if activation.bind_backward is not None:
        calls: list[Call] = activation.bind_backward(to.d, to.z, to.a, to.d)
        return calls
    return [partial(_activation_backward, activation, to)]


def _in_place(activation: Any) -> bool:
    return bool(activation.in_place) and activation.bind_forward is not None and activation.bind_backward is not None


def _layer_forward(layer: Any, params: Any, x: Tensor, y: Tensor, rng: Generator | None, saved: list[Any]) -> None:
    found, kept = layer.forward(params, x, rng)
    saved[:] = [kept]
    y.copy_(found)


def _layer_backward(layer: Any, params: Any, grads: Any, saved: list[Any], grad: Tensor, dx: Tensor | None) -> None:
    if dx is None:
        found = layer.param_grads(params, saved[0], grad)
    else:
        back, found = layer.backward(params, saved[0], grad)
        dx.copy_(back)
    for name, slot in grads.items():
        slot.copy_(found[name])


def _activation_forward(activation: Any, z: Tensor, a: Tensor) -> None:
    a.copy_(activation.forward(z))


def _activation_backward(activation: Any, to: Between) -> None:
    to.d.copy_(activation.backward(to.d, to.z, to.a))
