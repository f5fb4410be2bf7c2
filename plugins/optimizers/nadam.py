"""Adam with the look ahead of Nesterov."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Nadam"]

Share = Annotated[float, Meta(ge=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True)
class Nadam(Optimizer):
    """w -= alpha (c m + c' g) / (sqrt(v) + epsilon), m the running mean of g and v that of g^2, bias-corrected.

    With mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) and M_t the product of all so far, c = mu_{t+1} / (1 - M_{t+1})
    and c' = (1 - mu_t) / (1 - M_t). weight_decay w is added to g. Source: Dozat 2016.
    """

    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Annotated[float, Meta(gt=0)] = 1e-8
    weight_decay: NotNegative = 0.0
    momentum_decay: NotNegative = 0.004
    alpha, adaptive = 0.002, True

    @classmethod
    def examples(cls) -> Iterator[Nadam]:
        yield from (cls(), cls(beta1=0.8, beta2=0.9, epsilon=1e-4, weight_decay=0.1, momentum_decay=0.1))

    def start(self, params: Tensor) -> dict[str, Any]:
        zeros = torch.zeros_like(params)
        return {"t": params.new_zeros(()), "product": params.new_ones(()), "m": zeros, "v": zeros.clone()}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        g = grads + self.weight_decay * params
        t = float(state["t"].add_(1))
        mu, coming = self._mu(t), self._mu(t + 1)
        product = float(state["product"].mul_(mu))
        m = state["m"].lerp_(g, 1 - self.beta1)
        v = state["v"].lerp_(g * g, 1 - self.beta2) / (1 - self.beta2**t)
        ahead = coming / (1 - product * coming) * m + (1 - mu) / (1 - product) * g
        params -= alpha * (ahead / v.sqrt_().add_(self.epsilon))

    def _mu(self, t: float) -> float:
        return float(self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay)))
