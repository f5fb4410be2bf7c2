"""Adam that waits until it knows how large gradients are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Radam"]

Share = Annotated[float, Meta(ge=0, lt=1)]


@dataclass(frozen=True)
class Radam(Optimizer):
    """w -= alpha r m / (sqrt(v) + epsilon), r from 0 to 1 as v becomes sure; w -= alpha m in the first steps.

    m and v are the bias-corrected running means of g and g^2. With R = 2 / (1 - beta2) - 1 and
    R_t = R - 2 t beta2^t / (1 - beta2^t), r = sqrt((R_t - 4) (R_t - 2) R / ((R - 4) (R - 2) R_t)) as soon as R_t > 5.
    weight_decay w is added to g. Source: arXiv:1908.03265, with the limit of 5 and the epsilon of torch.
    """

    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Annotated[float, Meta(gt=0)] = 1e-8
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    alpha, adaptive = 0.001, True

    @classmethod
    def examples(cls) -> Iterator[Radam]:
        yield from (cls(), cls(beta1=0.8, beta2=0.9, epsilon=1e-4, weight_decay=0.1), cls(beta2=0.5))

    def start(self, params: Tensor) -> dict[str, Any]:
        return {"t": params.new_zeros(()), "m": torch.zeros_like(params), "v": torch.zeros_like(params)}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        g = grads + self.weight_decay * params
        t = float(state["t"].add_(1))
        m = state["m"].lerp_(g, 1 - self.beta1) / (1 - self.beta1**t)
        v = state["v"].lerp_(g * g, 1 - self.beta2)
        if r := self._sure(t):
            m *= r * sqrt(1 - self.beta2**t) / (v.sqrt() + self.epsilon)
        params -= alpha * m

    def _sure(self, t: float) -> float:
        """r, or 0 where the variance of v is not yet finite."""
        most, power = 2 / (1 - self.beta2) - 1, self.beta2**t
        now = most - 2 * t * power / (1 - power)
        return sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)) if now > 5 else 0.0
