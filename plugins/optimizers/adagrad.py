"""Step sizes from the sum of the squared gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Adagrad"]


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """w -= alpha g / (sqrt(v) + epsilon), v the sum of g^2 over all steps; weight_decay w is added to g.

    Source: Duchi et al. 2011.
    """

    epsilon: Annotated[float, Meta(gt=0)] = 1e-10
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    alpha, adaptive = 0.01, True

    @classmethod
    def examples(cls) -> Iterator[Adagrad]:
        yield from (cls(), cls(epsilon=1e-3, weight_decay=0.1))

    def start(self, params: Tensor) -> dict[str, Any]:
        return {"v": torch.zeros_like(params)}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        g = grads + self.weight_decay * params
        v = state["v"].addcmul_(g, g)
        params -= alpha * (g / (v.sqrt() + self.epsilon))
