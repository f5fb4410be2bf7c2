"""The fast step: a network's buffers, views and calls, bound once for a number of rows.

A `Plan` holds the memory of one chunk, a few steps' worth of rows. A step is a list of calls without arguments: it
allocates nothing, slices nothing and transposes nothing. `Network.learn` does the same arithmetic in the open, and is
the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Generator, Tensor

from netkit.engine.network import Network, judge, values
from netkit.engine.program.buffers import Between, backward_calls, buffers, forward_calls, is_bound, new, wants_ones
from netkit.engine.program.operations import ALONE, Call, described, macs
from netkit.engine.rows import Rows, by_rows
from netkit.kinds import Loss

__all__ = ["Plan", "slots_for"]

CHUNK = 64
"""Steps whose rows are gathered at once."""
MEMORY = 2**20
"""Values in the widest buffer of a chunk, at most; a chunk has at least one step."""


def slots_for(network: Network, rows: int) -> int:
    """How many steps of this many rows make a chunk."""
    return max(1, min(CHUNK, MEMORY // (rows * max(prod(network.in_shape), prod(network.out_shape), 1))))


class Plan:
    """The steps of one chunk: `fill` it with rows, call `learn(slot)` for each step, then read their `losses`.

    After `learn` the network's `grads` hold the gradient of the mean loss over the rows of that slot. `simplex`: whether
    every target's columns add up to one, as a bound loss of class probabilities may assume. `weighted`: rows have weights.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        rows: int,
        slots: int = 1,
        rng: Generator | None = None,
        simplex: bool = False,
        weighted: bool = False,
    ) -> None:
        self.network, self.loss, self.rows, self.slots, self._rng = network, loss, rows, slots, rng
        self._fused = network.fuses(loss)
        self._bound_loss = loss.bind_gradient is not None and (self._fused or loss.fused is None)
        self._bound_loss &= simplex or loss.outputs != "simplex"
        self._saved: list[list[Any]] = [[] for _ in network.links]
        self._parts: dict[tuple[str, int, int], list[Call]] = {}
        self._weights = network.params.new_empty(slots, rows) if weighted else None
        self._inputs()
        self._between()
        self.steps = [self._step(slot) for slot in range(slots)]
        self.bound = self._bound_loss and all(map(is_bound, self.steps[0]))
        largest = max(macs(call) for call in self.steps[0])
        self.threads = 1 if network.params.is_cpu and largest < ALONE else None

    def fill(self, rows: Rows, picked: Tensor | slice) -> int:
        """Take the picked rows, slots * rows at most; returns how many steps they make, which must come out even."""
        if isinstance(picked, slice):
            x = rows.x[picked]
            self._x[: len(x)].copy_(x)
        elif self._x.is_contiguous():
            torch.index_select(rows.x, 0, picked, out=self._x[: len(picked)])
        else:
            self._x[: len(picked)].copy_(rows.x.index_select(0, picked))
        target = _picked(rows.target, picked)
        count = len(target) // self.rows
        self._targets[:count].copy_(target.view(count, self.rows, *target.shape[1:]))
        if self._weights is not None and rows.weight is not None:
            self._weights[:count].copy_(_picked(rows.weight, picked).view(count, self.rows))
        return count

    def learn(self, slot: int) -> None:
        """Forward and backward over the rows of one slot."""
        for call in self.steps[slot]:
            call()

    def losses(self, count: int) -> Tensor:
        """The loss of each row in the first `count` slots, as it was when the row was learned from, times its weight."""
        found: Tensor = self._values[:count].flatten()
        if self._bound_loss:
            found = values(
                self.loss, self._fused, self._kept[:count].flatten(0, 1), self._targets[:count].flatten(0, 1)
            )
        return found if self._weights is None else found * self._weights[:count].flatten()

    def describe(self) -> Iterator[str]:
        """Every call of a step with its route, then the bytes of the buffers."""
        for call in self.steps[0]:
            route, what = described(call)
            yield f"{route:<7} {what}"
        alone = "1 thread" if self.threads else f"{torch.get_num_threads()} threads"
        yield f"{self.rows} rows a step, {self.slots} steps a chunk, {alone}, {self.bytes} bytes of buffers"

    @property
    def bytes(self) -> int:
        """Memory of the buffers, without what components hold for themselves."""
        mine = {each.data_ptr(): each for one in self._after for each in (one.z, one.full, one.d)}
        every = [self._full, *mine.values(), self._kept, self._targets, self._values]
        every += [] if self._weights is None else [self._weights]
        return sum(each.numel() * each.element_size() for each in every)

    def _inputs(self) -> None:
        """Memory for the rows of a chunk, with a column of ones where the first layer wants one."""
        first = self.network.links[0]
        self._full = new(self.rows * self.slots, first.in_shape, first, ones=wants_ones(first))
        self._x = self._full[:, : first.in_shape[0]] if len(first.in_shape) == 1 else self._full

    def _between(self) -> None:
        """Buffers behind each link, and for each slot what its loss is read from: the logits, or the prediction."""
        links = self.network.links
        last = len(links) - 1
        self._after = [buffers(links, number, self.rows, self._bound_loss) for number in range(last + 1)]
        end = self._after[last]
        self._kept, self._targets = _stacked(end.a, self.slots), _stacked(end.a, self.slots)
        self._kept_by_slot = self._kept.unbind()
        self._values = end.a.new_empty(0 if self._bound_loss else self.slots, self.rows)

    def _end(self, slot: int) -> Between:
        """What lies behind the last link in one slot."""
        end, kept = self._after[-1], self._kept_by_slot[slot]
        if self._fused:
            return Between(kept, end.a, end.full, end.d)
        return Between(kept if end.z is end.a else end.z, kept, kept, end.d)

    def _step(self, slot: int) -> list[Call]:
        numbers = range(len(self.network.links))
        forward = [call for number in numbers for call in self._part("forward", number, slot)]
        backward = [call for number in reversed(numbers) for call in self._part("backward", number, slot)]
        return [*forward, *self._gradient(slot), *backward]

    def _part(self, way: str, number: int, slot: int) -> list[Call]:
        """The calls of one link; all slots share those that lie between the first and the last."""
        ends = number in (0, len(self.network.links) - 1)
        key = (way, number, slot if ends else 0)
        if key not in self._parts:
            self._parts[key] = self._forward(number, slot) if way == "forward" else self._backward(number, slot)
        return self._parts[key]

    def _forward(self, number: int, slot: int) -> list[Call]:
        link, to = self.network.links[number], self._to(number, slot)
        if self._fused and number == len(self.network.links) - 1:
            to = Between(to.z, to.z, to.z, to.d)
            return forward_calls(
                link.without_activation(), *self._from(number, slot), to, self._rng, self._saved[number]
            )
        return forward_calls(link, *self._from(number, slot), to, self._rng, self._saved[number])

    def _backward(self, number: int, slot: int) -> list[Call]:
        at_logits = self._fused and number == len(self.network.links) - 1
        dx = self._after[number - 1].d if number else None
        to = self._to(number, slot)
        return backward_calls(
            self.network.links[number], *self._from(number, slot), to, dx, at_logits, self._saved[number]
        )

    def _from(self, number: int, slot: int) -> tuple[Tensor, Tensor]:
        """A link's input, alone and with its column of ones."""
        if number:
            before = self._after[number - 1]
            return before.a, before.full
        rows = slice(slot * self.rows, (slot + 1) * self.rows)
        return self._x[rows], self._full[rows]

    def _to(self, number: int, slot: int) -> Between:
        return self._end(slot) if number == len(self._after) - 1 else self._after[number]

    def _gradient(self, slot: int) -> list[Call]:
        kept, target, d = self._kept_by_slot[slot], self._targets[slot], self._after[-1].d
        calls: list[Call]
        if self._bound_loss and self.loss.bind_gradient is not None:
            calls = self.loss.bind_gradient(kept, target, d, 1 / self.rows)
        else:
            calls = [partial(_plain_gradient, self._judge, kept, target, d, self._values[slot])]
        if self._weights is None:
            return calls
        return [*calls, partial(torch.mul, d, by_rows(self._weights[slot], d), out=d)]

    @property
    def _judge(self) -> Any:
        return judge(self.loss, self._fused)


def _picked(values: Tensor, picked: Tensor | slice) -> Tensor:
    return values[picked] if isinstance(picked, slice) else values.index_select(0, picked)


def _stacked(like: Tensor, slots: int) -> Tensor:
    """Memory for a tensor such as this in every slot, (slots, *shape), each in the same memory order."""
    turned = like.ndim == 2 and not like.is_contiguous()
    return like.new_empty(slots, *like.t().shape).transpose(1, 2) if turned else like.new_empty(slots, *like.shape)


def _plain_gradient(judge: Any, kept: Tensor, target: Tensor, d: Tensor, values: Tensor) -> None:
    found, gradient = judge(kept, target)
    values.copy_(found)
    torch.mul(gradient, 1 / len(kept), out=d)
