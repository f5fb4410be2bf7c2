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


def _start(params: Tensor) -> dict[str, Any]:
    return {
        "t": torch.zeros((), dtype=torch.float32, device=params.device),
        "m": torch.zeros_like(params),
        "v": torch.zeros_like(params),
    }


def _moments(state: dict[str, Any], grads: Tensor, beta1: float, beta2: float, epsilon: float) -> tuple[Tensor, Tensor]:
    """m and sqrt(v) + epsilon, both without the bias of their start at 0."""
    state["t"] += 1
    t = float(state["t"])
    m = state["m"].lerp_(grads, 1 - beta1)
    v = state["v"].mul_(beta2).addcmul_(grads, grads, value=1 - beta2)
    return m / (1 - beta1**t), (v.sqrt() / sqrt(1 - beta2**t)).add_(epsilon)


def _bound(
    fused: Callable[..., Any], rule: Adam | Adamw, params: Tensor, grads: Tensor, state: dict[str, Any]
) -> Callable[[float], Any]:
    """torch's one operation for the whole vector."""
    vectors = [params], [grads], [state["m"]], [state["v"]], [], [state["t"]]
    settings = {"beta1": rule.beta1, "beta2": rule.beta2, "eps": rule.epsilon, "weight_decay": rule.weight_decay}

    def step(alpha: float) -> None:
        state["t"].add_(1)
        fused(*vectors, lr=alpha, amsgrad=False, maximize=False, **settings)

    return step


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
        return _start(params)

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float) -> None:
        g = grads.add(params, alpha=self.weight_decay) if self.weight_decay else grads
        params.addcdiv_(*_moments(state, g, self.beta1, self.beta2, self.epsilon), value=-alpha)

    def bind_step(self, params: Tensor, grads: Tensor, state: dict[str, Any]) -> Callable[[float], Any]:
        return _bound(torch._fused_adam_, self, params, grads, state)


@dataclass(frozen=True)
class Adamw(Optimizer):
    """As adam, and w -= alpha weight_decay w beside it instead of within g (arXiv:1711.05101)."""

    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NotNegative = 0.01
    alpha, adaptive = 0.001, True

    def start(self, params: Tensor) -> dict[str, Any]:
        return _start(params)

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float) -> None:
        params.mul_(1 - alpha * self.weight_decay)
        params.addcdiv_(*_moments(state, grads, self.beta1, self.beta2, self.epsilon), value=-alpha)

    def bind_step(self, params: Tensor, grads: Tensor, state: dict[str, Any]) -> Callable[[float], Any]:
        return _bound(torch._fused_adamw_, self, params, grads, state)
