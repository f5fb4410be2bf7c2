"""The links of a network bound to buffers: for a number of rows, the calls of one forward and one backward pass.

Components that offer bound forms (`bind_...` in `netkit.kinds`) are called in place; of the others a simple activation
is bound by `netkit.engine.program.record`, and the rest run in their readable form between the same buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from netkit.engine.links import Link
from netkit.engine.parameters import write
from netkit.engine.program.operations import Call
from netkit.engine.program.record import record

__all__ = [
    "Buffers",
    "activation_calls",
    "backward_calls",
    "buffers",
    "forward_calls",
    "is_operation",
    "new",
    "wants_ones",
]

WIDE = 64
"""Outputs from which on the last buffers lie row by row: a wide softmax is faster, and targets are copied straight."""


@dataclass(frozen=True)
class Buffers:
    """The memory after one link: z before its activation, a after it, `a_with_ones` a with a column of ones where the
    next layer wants one, and grad for the derivative by a, then by z."""

    z: Tensor
    a: Tensor
    a_with_ones: Tensor
    grad: Tensor

    @property
    def shared(self) -> bool:
        """Whether z and a are one memory."""
        return self.z is self.a

    def for_logits(self, z: Tensor) -> Buffers:
        """For the last link, where the loss reads the logits: there is no a."""
        return Buffers(z, z, z, self.grad)

    def for_outputs(self, a: Tensor) -> Buffers:
        """For the last link, where the loss reads the outputs from this memory."""
        return Buffers(a if self.shared else self.z, a, a, self.grad)


def buffers(
    links: Sequence[Link], number: int, rows: int, bound_after: bool, separate_z: bool = False, backward: bool = True
) -> Buffers:
    """The buffers after a link. `bound_after`: whether what follows the last link is bound; `separate_z`: z keeps its
    own memory; `backward`: grad has memory too.

    Rows of one axis lie transposed, (d, n) in memory, where both neighbours are bound: then a column of ones lies
    after the others, every elementwise operation sees one piece of memory, and a narrow softmax is vectorised.
    """
    link, after = links[number], links[number + 1] if number + 1 < len(links) else None
    bound_after = bound_after if after is None else after.layer.bind_forward is not None
    transposed = len(link.out_shape) == 1 and link.layer.bind_forward is not None and bound_after
    transposed = transposed and (after is not None or link.out_shape[0] < WIDE)
    with_ones = new(rows, link.out_shape, link, ones=after is not None and wants_ones(after), transposed=transposed)
    a = with_ones[:, : link.out_shape[0]] if len(link.out_shape) == 1 else with_ones
    shared = not separate_z and (link.activation is None or _in_place(link.activation))
    return Buffers(a if shared else torch.empty_like(a), a, with_ones, torch.empty_like(a) if backward else a)


def is_operation(call: Call) -> bool:
    """Whether a call is a bound operation, and none of a component's readable forms, which may do anything."""
    return getattr(call, "func", None) not in (
        _layer_forward,
        _layer_backward,
        _activation_forward,
        _activation_backward,
        _keep_state,
    )


def new(rows: int, shape: tuple[int, ...], link: Link, ones: bool = False, transposed: bool = False) -> Tensor:
    """A buffer for rows of this shape, in the dtype and on the device of a link's network."""
    size = (shape[0] + ones, *shape[1:]) if shape else ()
    like: Tensor = link.like
    if transposed:
        return like.new_ones(size[0], rows).t()
    return like.new_ones(rows, *size)


def wants_ones(link: Link) -> bool:
    """Whether the link's layer is bound, and to inputs with a column of ones."""
    return link.layer.bind_forward is not None and link.layer.ones(link.params)


def forward_calls(
    link: Link, x: Tensor, x_with_ones: Tensor, out: Buffers, rng: Generator | None, saved: list[Any]
) -> list[Call]:
    """z and a from x; `x_with_ones` is x with its column of ones. What a plain layer remembers goes into `saved`."""
    layer = link.layer
    if layer.bind_forward is not None:
        calls = layer.bind_forward(link.params, x_with_ones if wants_ones(link) else x, out.z)
    else:
        calls = [partial(_layer_forward, layer, link.params, x, out.z, rng, saved)]
    return calls + activation_calls(link.activation, out)


def activation_calls(activation: Any, out: Buffers) -> list[Call]:
    """a from z."""
    if activation is None:
        return [] if out.z is out.a else [partial(out.a.copy_, out.z)]
    if activation.bind_forward is not None:
        calls: list[Call] = activation.bind_forward(out.z, out.a)
        return calls
    recorded = record(activation.forward, [out.z], out.a)
    return [partial(_activation_forward, activation, out.z, out.a)] if recorded is None else recorded


def backward_calls(
    link: Link, x: Tensor, x_with_ones: Tensor, out: Buffers, dx: Tensor | None, at_logits: bool, saved: list[Any]
) -> list[Call]:
    """The gradients of the link's parameters, and dx unless that is None, from grad = dL/da, or `at_logits` dL/dz."""
    calls: list[Call] = []
    if link.activation is not None and not at_logits:
        calls += _activation_backward_calls(link.activation, out)
    layer = link.layer
    if layer.bind_forward is not None and layer.bind_backward is not None:
        return calls + layer.bind_backward(
            link.params, link.grads, x_with_ones if wants_ones(link) else x, out.grad, dx
        )
    calls.append(partial(_layer_backward, layer, link.params, link.grads, saved, out.grad, dx))
    return [*calls, partial(_keep_state, link, saved)] if link.state else calls


def _activation_backward_calls(activation: Any, out: Buffers) -> list[Call]:
    if activation.bind_backward is not None:
        calls: list[Call] = activation.bind_backward(out.grad, out.z, out.a, out.grad)
        return calls
    recorded = record(activation.backward, [out.grad, out.z, out.a], out.grad)
    return [partial(_activation_backward, activation, out)] if recorded is None else recorded


def _in_place(activation: Any) -> bool:
    return bool(activation.in_place) and activation.bind_forward is not None and activation.bind_backward is not None


def _layer_forward(layer: Any, params: Any, x: Tensor, y: Tensor, rng: Generator | None, saved: list[Any]) -> None:
    output, kept = layer.forward(params, x, rng)
    saved[:] = [kept]
    y.copy_(output)


def _keep_state(link: Link, saved: list[Any]) -> None:
    write(link.state, link.layer.next_state(link.params, saved[0]))


def _layer_backward(layer: Any, params: Any, grads: Any, saved: list[Any], grad: Tensor, dx: Tensor | None) -> None:
    if dx is None:
        computed = layer.param_grads(params, saved[0], grad)
    else:
        by_input, computed = layer.backward(params, saved[0], grad)
        dx.copy_(by_input)
    for name, slot in grads.items():
        slot.copy_(computed[name])


def _activation_forward(activation: Any, z: Tensor, a: Tensor) -> None:
    a.copy_(activation.forward(z))


def _activation_backward(activation: Any, out: Buffers) -> None:
    out.grad.copy_(activation.backward(out.grad, out.z, out.a))
