"""The steps through a window of rows: every row is learned from once, by bound steps or by the engine as it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from netkit.engine.network import Network
from netkit.engine.program.operations import rounded, running
from netkit.engine.program.plan import Plan, slots_for
from netkit.engine.rows import Rows, Window
from netkit.kinds import Loss

__all__ = ["Plain", "Planned"]

Rest = Callable[[Tensor, int], Any]
"""What is called when a few batches are done and the network is at rest, with the sum of the losses in each of them, and
the number of their rows. It ends the epoch by raising."""


class Plain:
    """Steps as `Network.learn` spells them out: the reference."""

    def __init__(self, network: Network, loss: Loss, batch: int, noise: torch.Generator) -> None:
        self._network, self._loss, self._batch, self._noise = network, loss, batch, noise

    def learn(self, window: Window, update: Callable[[], Any], rest: Rest) -> None:
        """Learn once from every row of a window."""
        rows, order, first = window
        for start in range(first, len(rows), self._batch):
            stop = min(start + self._batch, len(rows))
            picked = slice(start, stop) if order is None else order[start:stop]
            weight = None if rows.weight is None else rows.weight[picked]
            values = self._network.learn(rows.x[picked], rows.target[picked], self._loss, self._noise, weight)
            total = values.sum()[None]
            if bool(total.isfinite()):
                update()
            rest(total, stop - start)


class Planned:
    """Bound steps, see `netkit.engine.program.plan`: whole batches in chunks, then the rows that are left over."""

    def __init__(
        self, network: Network, loss: Loss, batch: int, noise: torch.Generator, precision: str = "float32"
    ) -> None:
        self._network, self._loss, self._batch, self._noise, self._precision = network, loss, batch, noise, precision

    def learn(self, window: Window, update: Callable[[], Any], rest: Rest) -> None:
        """Learn once from every row of a window."""
        rows, order, start = window
        try:
            for plan in self._plans(rows):
                with torch.inference_mode(plan.bound), running(plan.threads):
                    while len(rows) - start >= plan.rows:
                        stop = min(start + plan.rows * plan.slots, len(rows) - (len(rows) - start) % plan.rows)
                        picked = slice(start, stop) if order is None else order[start:stop]
                        rest(self._chunk(plan, rows, picked, update), stop - start)
                        start = stop
        finally:
            increment_version(self._network.params)  # which inference mode and numpy do not

    def _chunk(self, plan: Plan, rows: Rows, picked: Tensor | slice, update: Callable[[], Any]) -> Tensor:
        count = plan.fill(rows, picked)
        for step in plan.steps[:count]:
            for call in step:
                call()
            update()
        return plan.losses(count).view(count, plan.rows).sum(1)

    def _plans(self, rows: Rows) -> list[Plan]:
        whole, rest = divmod(len(rows), self._batch)
        parts = [(self._batch, min(whole, slots_for(self._network, self._batch))), (rest, 1)]
        return [self._plan(size, slots, rows) for size, slots in parts if size and slots]

    def _plan(self, size: int, slots: int, rows: Rows) -> Plan:
        """A plan, kept with the network: somebody who calls `fit` epoch by epoch should pay for the binding once."""
        plans = self._network.plans
        key = (self._loss, size, slots, id(self._noise), rows.simplex, rows.weighted, self._precision)
        if key not in plans:
            if len(plans) > 3:
                plans.clear()
            with rounded(self._precision):
                plans[key] = Plan(self._network, self._loss, size, slots, self._noise, rows.simplex, rows.weighted)
        plan: Plan = plans[key]
        return plan
