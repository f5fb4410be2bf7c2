"""Step sizes from the first two moments of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Adam", "Adamw"]

Share = Annotated[float, Meta(ge=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True)
class Adam(Optimizer):
    """w -= alpha m / (sqrt(v) + epsilon), m and v the bias-corrected running means of g and g^2 (arXiv:1412.6980).

    weight_decay w is added to g.
    """

    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NotNegative = 0.0
    alpha, adaptive = 0.001, True

    def start(self, params: Tensor) -> dict[str, Any]:
        t = torch.zeros((), dtype=torch.float32, device=params.device)
        return {"t": t, "m": torch.zeros_like(params), "v": torch.zeros_like(params)}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        m, size = self._moments(state, grads + self.weight_decay * params)
        params -= alpha * m / size

    def bind_step(self, params: Tensor, grads: Tensor, state: dict[str, Any]) -> Callable[[float], Any]:
        return self._bound(torch._fused_adam_, params, grads, state)

    def _moments(self, state: dict[str, Any], grads: Tensor) -> tuple[Tensor, Tensor]:
        """m and sqrt(v) + epsilon, both without the bias of their start at 0."""
        state["t"] += 1
        t = float(state["t"])
        m = state["m"].lerp_(grads, 1 - self.beta1)
        v = state["v"].mul_(self.beta2).addcmul_(grads, grads, value=1 - self.beta2)
        return m / (1 - self.beta1**t), (v.sqrt() / sqrt(1 - self.beta2**t)).add_(self.epsilon)

    def _bound(
        self, fused: Callable[..., Any], params: Tensor, grads: Tensor, state: dict[str, Any]
    ) -> Callable[[float], Any]:
        """torch's one operation for the whole vector."""
        vectors: list[list[Tensor]] = [[params], [grads], [state["m"]], [state["v"]], [], [state["t"]]]
        settings = {"beta1": self.beta1, "beta2": self.beta2, "eps": self.epsilon, "weight_decay": self.weight_decay}

        def step(alpha: float) -> None:
            state["t"].add_(1)
            fused(*vectors, lr=alpha, amsgrad=False, maximize=False, **settings)

        return step


@dataclass(frozen=True)
class Adamw(Adam):
    """As adam, and w -= alpha weight_decay w beside it instead of within g (arXiv:1711.05101)."""

    weight_decay: NotNegative = 0.01

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        params *= 1 - alpha * self.weight_decay
        m, size = self._moments(state, grads)
        params -= alpha * m / size

    def bind_step(self, params: Tensor, grads: Tensor, state: dict[str, Any]) -> Callable[[float], Any]:
        return self._bound(torch._fused_adamw_, params, grads, state)
