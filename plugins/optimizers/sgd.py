"""Gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer, bind

__all__ = ["Sgd"]

FEW = 4096
"""Parameters up to which two operations of numpy are faster than one of torch."""


@dataclass(frozen=True)
class Sgd(Optimizer):
    """w -= alpha v, v = momentum v + g + weight_decay w; with nesterov w -= alpha (g + momentum v).

    The first v is the first gradient. Source: Sutskever et al. 2013.
    """

    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    alpha = 0.01

    @classmethod
    def examples(cls) -> Iterator[Sgd]:
        yield from (cls(), cls(momentum=0.9), cls(momentum=0.8, nesterov=True, weight_decay=0.1))

    def start(self, params: Tensor) -> dict[str, Any]:
        return {"v": torch.zeros_like(params)} if self.momentum else {}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        g = grads + self.weight_decay * params
        if self.momentum:
            v = state["v"].mul_(self.momentum).add_(g)
            g = g + self.momentum * v if self.nesterov else v
        params -= alpha * g

    def bind_step(self, params: Tensor, grads: Tensor, state: dict[str, Any]) -> Callable[[float], Any]:
        if self.momentum or self.weight_decay:
            return partial(self._fused, params, grads, [state["v"]] if self.momentum else [])
        if params.is_cpu and params.numel() <= FEW:
            return self._plain(params, grads)
        return lambda alpha: params.add_(grads, alpha=-alpha)

    def _plain(self, params: Tensor, grads: Tensor) -> Callable[[float], Any]:
        """w -= alpha g in place, with alpha as a tensor that is filled where it changes."""
        rates, scaled, last = torch.full_like(grads, math.nan), torch.empty_like(grads), math.nan
        scale, subtract = bind(torch.mul, grads, rates, out=scaled), bind(torch.sub, params, scaled, out=params)

        def step(alpha: float) -> None:
            nonlocal last
            if alpha != last:
                last = alpha
                rates.fill_(alpha)
            scale()
            subtract()

        return step

    def _fused(self, params: Tensor, grads: Tensor, velocity: list[Tensor], alpha: float) -> None:
        torch._fused_sgd_(
            [params],
            [grads],
            velocity,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=alpha,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
            is_first_step=False,
        )
