"""The links of a network bound to buffers: for a number of rows, the calls of one forward and one backward pass.

Components that offer bound forms (`bind_...` in `netkit.kinds`) are called in place; of the others a simple activation is
bound by `netkit.engine.program.record`, and the rest run in their readable form between the same buffers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from netkit.engine.program.operations import ALONE, Call, macs, running
from netkit.engine.program.record import watched

if TYPE_CHECKING:
    from netkit.engine.network import Link

__all__ = ["Between", "Forward", "Row", "backward_calls", "buffers", "forward_calls", "is_bound", "new", "wants_ones"]


WIDE = 64
"""Outputs from which on the last buffers lie row by row: a wide softmax is faster, and targets are copied as they lie."""


@dataclass(frozen=True)
class Between:
    """What lies behind one link: z before its activation, a behind it, `full` a with a column of ones where the next layer
    wants one, and d for the derivative by a, then by z."""

    z: Tensor
    a: Tensor
    full: Tensor
    d: Tensor


def buffers(
    links: Sequence[Link], number: int, rows: int, bound_after: bool, apart: bool = False, backward: bool = True
) -> Between:
    """The buffers behind a link. `bound_after`: whether what follows the last link is bound; `apart`: z keeps its own
    memory; `backward`: d has memory too.

    Rows of one axis lie transposed, (d, n) in memory, where both neighbours are bound: then a column of ones lies
    behind the others, every elementwise operation sees one piece of memory, and a narrow softmax is vectorised.
    """
    link, after = links[number], links[number + 1] if number + 1 < len(links) else None
    bound_after = bound_after if after is None else after.layer.bind_forward is not None
    turned = len(link.out_shape) == 1 and link.layer.bind_forward is not None and bound_after
    turned = turned and (after is not None or link.out_shape[0] < WIDE)
    full = new(rows, link.out_shape, link, ones=after is not None and wants_ones(after), turned=turned)
    a = full[:, : link.out_shape[0]] if len(link.out_shape) == 1 else full
    one = not apart and (link.activation is None or _in_place(link.activation))
    return Between(a if one else torch.empty_like(a), a, full, torch.empty_like(a) if backward else a)


class Forward:
    """A forward pass in evaluation, bound for a number of rows. Fill `x`, call `run`, read the logits z or the outputs a."""

    def __init__(self, links: Sequence[Link], rows: int) -> None:
        last = len(links) - 1
        full = new(rows, links[0].in_shape, links[0], ones=wants_ones(links[0]))
        self.x = x = full[:, : links[0].in_shape[0]] if len(links[0].in_shape) == 1 else full
        self.calls: list[Call] = []
        for number, link in enumerate(links):
            to = buffers(links, number, rows, bound_after=True, apart=number == last, backward=False)
            self.calls += forward_calls(link, x, full, to, None, [])
            x, full = to.a, to.full
        self.z, self.a = to.z, to.a
        largest = max((macs(call) for call in self.calls), default=0)
        self._threads = 1 if full.is_cpu and largest < ALONE else None
        self._bound = all(map(is_bound, self.calls))

    def run(self, x: Tensor) -> int:
        """Take at most as many rows as there is room for; returns how many. What z and a hold behind them means nothing."""
        with torch.inference_mode(self._bound), running(self._threads):
            self.x[: len(x)].copy_(x)
            for call in self.calls:
                call()
        return len(x)


class Row:
    """One row in evaluation, with nothing in the way: a served model's request. Made for networks on the CPU."""

    def __init__(self, links: Sequence[Link]) -> None:
        every = Forward(links, 1)
        head, self._z = links[-1].activation, every.z
        self._finish = Tensor.clone if head is None else head.forward
        last = activation_calls(head, Between(every.z, every.a, every.a, every.a))
        self._calls = every.calls[: len(every.calls) - len(last)]
        self.shape, self.dtype, self._take = every.x.shape, every.x.dtype, every.x.copy_
        self._few = every.x.numpy().reshape(-1) if every.x.numel() <= 32 else None
        self._values = every.x

    def outputs(self, x: Tensor) -> Tensor | None:
        """The outputs (1, *out_shape), or nothing where x needs a closer look: another shape or dtype, or a number
        that is not finite."""
        if x.dtype is not self.dtype or x.shape != self.shape or x.requires_grad:
            return None
        self._take(x)
        total = float(self._values.sum(dtype=torch.float64)) if self._few is None else sum(self._few.tolist())
        if not -math.inf < total < math.inf:  # nan and infinite numbers survive in a sum
            return None
        for call in self._calls:
            call()
        a = self._finish(self._z)
        return a.clone() if a is self._z else a


def is_bound(call: Call) -> bool:
    """Whether a call runs none of a component's readable forms, which may look at anything."""
    return getattr(call, "func", None) not in (
        _layer_forward,
        _layer_backward,
        _activation_forward,
        _activation_backward,
    )


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


def forward_calls(
    link: Link, x: Tensor, full: Tensor, to: Between, rng: Generator | None, saved: list[Any]
) -> list[Call]:
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
    seen = watched(activation.forward, [to.z], to.a)
    return [partial(_activation_forward, activation, to.z, to.a)] if seen is None else seen


def backward_calls(
    link: Link, x: Tensor, full: Tensor, to: Between, dx: Tensor | None, at_logits: bool, saved: list[Any]
) -> list[Call]:
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
    seen = watched(activation.backward, [to.d, to.z, to.a], to.d)
    return [partial(_activation_backward, activation, to)] if seen is None else seen


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
