"""The fast step: a network's buffers, views and calls, bound once for a number of rows.

A `Plan` holds the memory of one chunk, a few steps' worth of rows. A step is a list of calls without arguments: it
allocates nothing, slices nothing and transposes nothing. The loop in `netkit.engine.training` does the same arithmetic
in the open, and is the reference. `learn` goes through a window of rows in such steps, and keeps the plans it needs for
as long as their network lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Generator, Tensor
from torch.autograd.graph import increment_version

from netkit.engine.network import Network, loss_gradient, loss_values
from netkit.engine.program.buffers import Buffers, backward_calls, buffers, forward_calls, is_operation, new, wants_ones
from netkit.engine.program.operations import ALONE, Call, described, macs, rounded, running
from netkit.engine.rows import Rows, Window, by_rows
from netkit.kinds import Loss

__all__ = ["Plan", "forget", "learn", "plan_text", "plans_of", "slots_for"]

CHUNK = 64
"""Steps whose rows are gathered at once."""
MEMORY = 2**20
"""Values in the widest buffer of a chunk, at most; a chunk has at least one step."""
PLANS = 4
"""Plans that are kept with a network."""


def slots_for(network: Network, rows: int) -> int:
    """How many steps of this many rows make a chunk."""
    return max(1, min(CHUNK, MEMORY // (rows * max(prod(network.in_shape), prod(network.out_shape), 1))))


def learn(
    network: Network,
    loss: Loss,
    window: Window,
    *,
    batch: int,
    noise: Generator,
    precision: str,
    step: Callable[[], Any],
    on_pause: Callable[[Tensor, int], Any],
) -> None:
    """Learn once from every row of a window: whole batches in chunks, then the rows that are left over.

    step: called when `grads` of the network hold the gradient of one batch. on_pause: called after each chunk, with the
    sum of the losses in each of its batches and the number of its rows; it ends the epoch by raising.
    """
    rows, _, start = window
    try:
        for plan in list(_plans(network, loss, rows, batch, noise, precision)):
            with torch.inference_mode(plan.inference), running(plan.threads):
                while len(rows) - start >= plan.rows:
                    stop = min(start + plan.rows * plan.slots, len(rows) - (len(rows) - start) % plan.rows)
                    count = plan.fill(rows, window.picked(start, stop))
                    for slot in range(count):
                        plan.learn(slot)
                        step()
                    on_pause(plan.losses(count).view(count, plan.rows).sum(1), stop - start)
                    start = stop
    finally:
        increment_version(network.params)  # which inference mode and numpy do not


def plan_text(network: Network, loss: Loss, batch: int) -> Iterator[str]:
    """How a step of so many rows runs on this machine, line by line: every call, its route, and the memory."""
    return Plan(network, loss, batch, slots_for(network, batch), simplex=True).describe()


def plans_of(network: Network) -> dict[Any, Plan]:
    """The plans that are kept with a network: somebody who calls `fit` epoch by epoch should pay for them once."""
    return _kept.setdefault(network, {})


def forget(network: Network) -> None:
    """Drop the plans of a network, where its layers have changed."""
    plans_of(network).clear()


_kept: WeakKeyDictionary[Network, dict[Any, Plan]] = WeakKeyDictionary()
"""No plan may refer to its network: the value would keep its own key alive."""


def _plans(network: Network, loss: Loss, rows: Rows, batch: int, noise: Generator, precision: str) -> Iterator[Plan]:
    """A plan for whole batches, and one for the remainder, as far as there are any."""
    whole, remainder = divmod(len(rows), batch)
    kept = plans_of(network)
    for size, slots in (batch, min(whole, slots_for(network, batch))), (remainder, 1):
        key = (loss, size, slots, noise, rows.simplex, rows.weighted, precision)
        if size and slots and key not in kept:
            if len(kept) >= PLANS:
                kept.clear()
            with rounded(precision):
                kept[key] = Plan(network, loss, size, slots, noise, rows.simplex, rows.weighted)
        if size and slots:
            yield kept[key]


class Plan:
    """The steps of one chunk: `fill` it with rows, call `learn(slot)` for each step, then read their `losses`.

    After `learn` the network's `grads` hold the gradient of the mean loss over the rows of that slot. `simplex`: the
    columns of every target add up to one, as a bound loss of class probabilities may assume. `weighted`: rows have
    weights.
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
        self.loss, self.rows, self.slots, self._rng = loss, rows, slots, rng
        self._links, self._fused = network.links, network.fuses(loss)
        self._bound_loss = loss.bind_gradient is not None and (self._fused or loss.fused is None)
        self._bound_loss &= simplex or loss.outputs != "simplex"
        self._saved: list[list[Any]] = [[] for _ in self._links]
        self._parts: dict[tuple[str, int, int], list[Call]] = {}
        self._weights = network.params.new_empty(slots, rows) if weighted else None
        self._make_inputs()
        self._make_buffers()
        self.steps = [self._step(slot) for slot in range(slots)]
        self.inference = self._bound_loss and all(map(is_operation, self.steps[0]))
        """Whether steps may run in inference mode: none of a component's own code is in them."""
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
        """The loss of each row in the first `count` slots, when learned from, times its weight, (count * rows,)."""
        values: Tensor = self._values[:count].flatten()
        if self._bound_loss:
            outputs, targets = self._kept[:count].flatten(0, 1), self._targets[:count].flatten(0, 1)
            values = loss_values(self.loss, self._fused, outputs, targets)
        return values if self._weights is None else values * self._weights[:count].flatten()

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
        after = {each.data_ptr(): each for link in self._after for each in (link.z, link.a_with_ones, link.grad)}
        every = [self._x_with_ones, *after.values(), self._kept, self._targets, self._values]
        every += [] if self._weights is None else [self._weights]
        return sum(each.numel() * each.element_size() for each in every)

    def _make_inputs(self) -> None:
        """Memory for the rows of a chunk, with a column of ones where the first layer wants one."""
        first = self._links[0]
        self._x_with_ones = new(self.rows * self.slots, first.in_shape, first, ones=wants_ones(first))
        self._x = self._x_with_ones[:, : first.in_shape[0]] if len(first.in_shape) == 1 else self._x_with_ones

    def _make_buffers(self) -> None:
        """Buffers after each link, and for each slot what its loss is read from: the logits, or the outputs."""
        numbers = range(len(self._links))
        self._after = [buffers(self._links, number, self.rows, self._bound_loss) for number in numbers]
        end = self._after[-1]
        self._kept, self._targets = _stacked(end.a, self.slots), _stacked(end.a, self.slots)
        self._kept_by_slot = self._kept.unbind()
        self._values = end.a.new_empty(0 if self._bound_loss else self.slots, self.rows)

    def _step(self, slot: int) -> list[Call]:
        numbers = range(len(self._links))
        forward = [call for number in numbers for call in self._part("forward", number, slot)]
        backward = [call for number in reversed(numbers) for call in self._part("backward", number, slot)]
        return [*forward, *self._gradient(slot), *backward]

    def _part(self, way: str, number: int, slot: int) -> list[Call]:
        """The calls of one link; all slots share those that lie between the first and the last."""
        ends = number in (0, len(self._links) - 1)
        key = (way, number, slot if ends else 0)
        if key not in self._parts:
            self._parts[key] = self._forward(number, slot) if way == "forward" else self._backward(number, slot)
        return self._parts[key]

    def _forward(self, number: int, slot: int) -> list[Call]:
        link, saved = self._links[number], self._saved[number]
        if self._at_logits(number):
            link = replace(link, activation=None)
        return forward_calls(link, *self._inputs(number, slot), self._outputs(number, slot), self._rng, saved)

    def _backward(self, number: int, slot: int) -> list[Call]:
        link, saved = self._links[number], self._saved[number]
        dx = self._after[number - 1].grad if number else None
        at_logits = self._at_logits(number)
        return backward_calls(link, *self._inputs(number, slot), self._outputs(number, slot), dx, at_logits, saved)

    def _at_logits(self, number: int) -> bool:
        """Whether the loss goes with the logits of this link."""
        return self._fused and number == len(self._links) - 1

    def _inputs(self, number: int, slot: int) -> tuple[Tensor, Tensor]:
        """A link's input, alone and with its column of ones."""
        if number:
            before = self._after[number - 1]
            return before.a, before.a_with_ones
        rows = slice(slot * self.rows, (slot + 1) * self.rows)
        return self._x[rows], self._x_with_ones[rows]

    def _outputs(self, number: int, slot: int) -> Buffers:
        """The buffers after a link; after the last, with the memory that its slot keeps for the loss."""
        after = self._after[number]
        if number < len(self._links) - 1:
            return after
        kept = self._kept_by_slot[slot]
        return after.for_logits(kept) if self._fused else after.for_outputs(kept)

    def _gradient(self, slot: int) -> list[Call]:
        """dL/doutputs of the mean loss of the rows in a slot, from what they keep for the loss."""
        kept, target, grad = self._kept_by_slot[slot], self._targets[slot], self._after[-1].grad
        calls: list[Call]
        if self._bound_loss and self.loss.bind_gradient is not None:
            calls = self.loss.bind_gradient(kept, target, grad, 1 / self.rows)
        else:
            calls = [partial(_plain_gradient, self.loss, self._fused, kept, target, grad, self._values[slot])]
        if self._weights is None:
            return calls
        return [*calls, partial(torch.mul, grad, by_rows(self._weights[slot], grad), out=grad)]


def _picked(values: Tensor, picked: Tensor | slice) -> Tensor:
    return values[picked] if isinstance(picked, slice) else values.index_select(0, picked)


def _stacked(like: Tensor, slots: int) -> Tensor:
    """Memory for a tensor such as this in every slot, (slots, *shape), each in the same memory order."""
    transposed = like.ndim == 2 and not like.is_contiguous()
    return like.new_empty(slots, *like.t().shape).transpose(1, 2) if transposed else like.new_empty(slots, *like.shape)


def _plain_gradient(loss: Loss, logits: bool, kept: Tensor, target: Tensor, grad: Tensor, values: Tensor) -> None:
    losses, gradient = loss_gradient(loss, logits, kept, target)
    values.copy_(losses)
    torch.mul(gradient, 1 / len(kept), out=grad)
