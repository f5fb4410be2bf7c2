"""Outputs fast: in blocks of bounded memory, or for one row with nothing in the way.

`predictor(network)` is bound to the network's memory once in each thread, so that several threads may predict at once.
It goes when its network goes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from math import prod
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from netkit.engine.links import Link
from netkit.engine.network import Network
from netkit.engine.program.buffers import (
    Buffers,
    activation_calls,
    buffers,
    forward_calls,
    is_operation,
    new,
    wants_ones,
)
from netkit.engine.program.operations import ALONE, Call, macs, running
from netkit.engine.rows import Rows

__all__ = ["Forward", "Predictor", "Row", "predictor"]

BLOCK = 2**21
"""Values in the widest layer of one block of rows, when nothing has to be remembered for a backward pass."""
SIZES = 4
"""Numbers of rows that a predictor stays bound for."""


def predictor(network: Network) -> Predictor:
    """The predictor of a network in this thread."""
    made = _thread.predictors.get(network)
    if made is None:
        made = _thread.predictors[network] = Predictor(network)
    return made


class Predictor:
    """The outputs of a network in evaluation, for one thread at a time. It refers to the network's links alone."""

    def __init__(self, network: Network) -> None:
        self._links, self._out_shape, self._cpu = network.links, network.out_shape, network.params.is_cpu
        self._widest = max(prod(shape) for link in self._links for shape in (link.in_shape, link.out_shape))
        self._forwards: dict[int, Forward] = {}
        self._row: Row | None = None

    def outputs(self, rows: Rows) -> Iterator[tuple[Rows, Tensor, Tensor]]:
        """Blocks of rows, their logits (z before the last activation) and their outputs, each (n, *out_shape). The
        tensors are the caller's until the next block comes."""
        size = self._block
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            forward = self._forward(block.x)
            yield block, forward.z.contiguous(), forward.a.contiguous()

    def predict(self, x: Tensor) -> Tensor:
        """The outputs for all rows, (n, *out_shape)."""
        size = self._block
        if len(x) <= size:
            return self._forward(x).a.clone(memory_format=torch.contiguous_format)
        result = x.new_empty(len(x), *self._out_shape)
        for start in range(0, len(x), size):
            result[start : start + size] = self._forward(x[start : start + size]).a
        return result

    def row(self, x: Tensor) -> Tensor | None:
        """The outputs of one row on the CPU, (1, *out_shape), by the shortest way; None where x needs a closer look."""
        if self._row is None:
            if not self._cpu:
                return None
            self._row = Row(self._links)
        return self._row.outputs(x)

    @property
    def _block(self) -> int:
        return max(1, BLOCK // self._widest)

    def _forward(self, x: Tensor) -> Forward:
        """The forward pass of a block of rows, in memory that the next block of as many rows overwrites."""
        forward = self._forwards.get(len(x))
        if forward is None:
            if len(self._forwards) >= SIZES:
                self._forwards.clear()
            forward = self._forwards[len(x)] = Forward(self._links, len(x))
        forward.run(x)
        return forward


class _Thread(threading.local):
    """What one thread has bound. No value may refer to its network: it would keep its own key alive."""

    def __init__(self) -> None:
        self.predictors: WeakKeyDictionary[Network, Predictor] = WeakKeyDictionary()


_thread = _Thread()


class Forward:
    """A forward pass in evaluation, bound for a number of rows: `run(x)`, then read the logits z or the outputs a."""

    def __init__(self, links: Sequence[Link], rows: int) -> None:
        last = len(links) - 1
        with_ones = new(rows, links[0].in_shape, links[0], ones=wants_ones(links[0]))
        self.x = x = with_ones[:, : links[0].in_shape[0]] if len(links[0].in_shape) == 1 else with_ones
        self.calls: list[Call] = []
        for number, link in enumerate(links):
            out = buffers(links, number, rows, bound_after=True, separate_z=number == last, backward=False)
            self.calls += forward_calls(link, x, with_ones, out, None, [])
            x, with_ones = out.a, out.a_with_ones
        self.z, self.a = out.z, out.a
        largest = max((macs(call) for call in self.calls), default=0)
        self._threads = 1 if with_ones.is_cpu and largest < ALONE else None
        self._inference = all(map(is_operation, self.calls))

    def run(self, x: Tensor) -> int:
        """Take at most as many rows as there is room for; returns how many. What z and a hold after those is junk."""
        with torch.inference_mode(self._inference), running(self._threads):
            self.x[: len(x)].copy_(x)
            for call in self.calls:
                call()
        return len(x)


class Row:
    """One row in evaluation, with nothing in the way: a served model's request. Made for networks on the CPU."""

    def __init__(self, links: Sequence[Link]) -> None:
        forward = Forward(links, 1)
        head, self._z = links[-1].activation, forward.z
        self._finish = Tensor.clone if head is None else head.forward
        last = activation_calls(head, Buffers(forward.z, forward.a, forward.a, forward.a))
        self._calls = forward.calls[: len(forward.calls) - len(last)]
        self.shape, self.dtype, self._take = forward.x.shape, forward.x.dtype, forward.x.copy_
        self._few = forward.x.numpy().reshape(-1) if forward.x.numel() <= 32 else None
        self._values = forward.x

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
