"""Steps of one size: the sign of a momentum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Lion"]

Share = Annotated[float, Meta(ge=0, lt=1)]


@dataclass(frozen=True)
class Lion(Optimizer):
    """w -= alpha (sign(beta1 m + (1 - beta1) g) + weight_decay w), then m = beta2 m + (1 - beta2) g (arXiv:2302.06675).

    Every parameter moves by alpha, so a learning rate 3 to 10 times smaller than adam's is right.
    """

    beta1: Share = 0.9
    beta2: Share = 0.99
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    alpha, adaptive = 0.0001, True

    @classmethod
    def examples(cls) -> Iterator[Lion]:
        yield from (cls(), cls(beta1=0.95, beta2=0.98, weight_decay=0.1))

    def start(self, params: Tensor) -> dict[str, Any]:
        return {"m": torch.zeros_like(params)}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        m = state["m"]
        direction = torch.sign(self.beta1 * m + (1 - self.beta1) * grads)
        params -= alpha * (direction + self.weight_decay * params)
        m.lerp_(grads, 1 - self.beta2)
