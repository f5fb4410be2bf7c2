"""Epochs of steps: every row is learned from once, by the plan's bound steps or by the engine as it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    def epoch(self, order: Tensor | None, update: Callable[[], Any]) -> Iterator[Tensor]:
        """Learn from every row once; the sum of the losses in each batch."""
        x, target = self._rows if order is None else (each[order] for each in self._rows)
        for one, its in zip(x.split(self._batch), target.split(self._batch)):
            yield self._network.learn(one, its, self._loss, self._noise).sum().reshape(1)
            update()


class Planned:
    """Epochs of bound steps, see `netkit.plan`: whole batches in chunks, then the rows that are left over."""

    def __init__(
        self, network: Network, loss: Loss, rows: Rows, batch: int, noise: torch.Generator, precision: str = "float32"
    ) -> None:  # fmt: skip
        self._network, self._rows = network, rows
        whole, rest = divmod(len(rows[0]), batch)
        simplex = all(bool(((each.sum(-1) - 1).abs() < 1e-6).all()) for each in rows[1].split(2**16))
        parts = [(batch, min(whole, slots_for(network, batch))), (rest, 1)]
        with rounded(precision):
            self._plans = [Plan(network, loss, size, slots, noise, simplex) for size, slots in parts if size and slots]

    def epoch(self, order: Tensor | None, update: Callable[[], Any]) -> Iterator[Tensor]:
        """Learn from every row once; the sum of the losses in each batch, after each chunk of them."""
        x, target = self._rows
        start = 0
        for plan in self._plans:
            while len(x) - start >= plan.rows:
                stop = min(start + plan.rows * plan.slots, len(x) - (len(x) - start) % plan.rows)
                picked = slice(start, stop) if order is None else order[start:stop]
                yield self._chunk(plan, picked, update)
                start = stop

    def _chunk(self, plan: Plan, picked: Tensor | slice, update: Callable[[], Any]) -> Tensor:
        with torch.inference_mode(plan.bound), running(plan.threads):
            count = plan.fill(*self._rows, picked)
            for step in plan.steps[:count]:
                for call in step:
                    call()
                update()
            losses = plan.losses(count).view(count, plan.rows).sum(1)
        increment_version(self._network.params)  # which inference mode and numpy do not
        return losses
