"""Epochs of steps: every row is learned from once, by the plan's bound steps or by the engine as it reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from netkit.bound import rounded, running
from netkit.kinds import Loss
from netkit.network import Network
from netkit.plan import Plan, slots_for

__all__ = ["Plain", "Planned", "Rows"]

Rows = tuple[Tensor, Tensor]


class Plain:
    """Epochs of steps as `Network.learn` spells them out: the reference."""

    def __init__(self, network: Network, loss: Loss, rows: Rows, batch: int, noise: torch.Generator) -> None:
        self._network, self._loss, self._noise = network, loss, noise
        self._rows, self._batch = rows, batch

    def epoch(self, order: Tensor | None, update: Callable[[], Any]) -> Tensor:
        """Learn from every row once; the sum of the losses in each batch, up to one that is not finite."""
        x, target = self._rows if order is None else (each[order] for each in self._rows)
        sums: list[Tensor] = []
        for one, its in zip(x.split(self._batch), target.split(self._batch)):
            sums.append(self._network.learn(one, its, self._loss, self._noise).sum())
            if not math.isfinite(float(sums[-1])):
                break
            update()
        return torch.stack(sums)


class Planned:
    """Epochs of bound steps, see `netkit.plan`: whole batches in chunks, then the rows that are left over."""

    def __init__(
        self, network: Network, loss: Loss, rows: Rows, batch: int, noise: torch.Generator, precision: str = "float32"
    ) -> None:  # fmt: skip
        self._network, self._rows = network, rows
        whole, rest = divmod(len(rows[0]), batch)
        simplex = all(bool(((each.sum(-1) - 1).abs() < 1e-6).all()) for each in rows[1].split(2**16))
        parts = [(batch, min(whole, slots_for(network, batch))), (rest, 1)]
        self._plans = [_plan(network, loss, size, slots, noise, simplex, precision) for size, slots in parts if size and slots]

    def epoch(self, order: Tensor | None, update: Callable[[], Any]) -> Tensor:
        """Learn from every row once; the sum of the losses in each batch, up to a chunk in which one is not finite."""
        sums: list[Tensor] = []
        start = 0
        for plan in self._plans:
            with torch.inference_mode(plan.bound), running(plan.threads):
                while len(self._rows[0]) - start >= plan.rows and _finite(sums):
                    stop = min(start + plan.rows * plan.slots, len(self._rows[0]) - (len(self._rows[0]) - start) % plan.rows)
                    sums.append(self._chunk(plan, slice(start, stop) if order is None else order[start:stop], update))
                    start = stop
        increment_version(self._network.params)  # which inference mode and numpy do not
        return torch.cat(sums)

    def _chunk(self, plan: Plan, picked: Tensor | slice, update: Callable[[], Any]) -> Tensor:
        count = plan.fill(*self._rows, picked)
        for step in plan.steps[:count]:
            for call in step:
                call()
            update()
        return plan.losses(count).view(count, plan.rows).sum(1)


def _finite(sums: list[Tensor]) -> bool:
    return not sums or math.isfinite(float(sums[-1].sum()))


def _plan(network: Network, loss: Loss, rows: int, slots: int, noise: torch.Generator, simplex: bool, precision: str) -> Plan:
    """A plan, kept with the network: somebody who calls `fit` epoch by epoch should pay for the binding once."""
    key = (loss, rows, slots, id(noise), simplex, precision)
    if key not in network.plans:
        if len(network.plans) > 3:
            network.plans.clear()
        with rounded(precision):
            network.plans[key] = Plan(network, loss, rows, slots, noise, simplex)
    plan: Plan = network.plans[key]
    return plan
