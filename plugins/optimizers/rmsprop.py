"""Step sizes from the running mean of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Rmsprop"]


@dataclass(frozen=True)
class Rmsprop(Optimizer):
    """w -= alpha g / (sqrt(v) + epsilon), v the running mean of g^2; with momentum the steps are added up.

    Source: Tieleman and Hinton 2012.
    """

    decay: Annotated[float, Meta(ge=0, lt=1)] = 0.99
    epsilon: Annotated[float, Meta(gt=0)] = 1e-8
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    alpha, adaptive = 0.001, True

    @classmethod
    def examples(cls) -> Iterator[Rmsprop]:
        yield from (cls(), cls(decay=0.9, momentum=0.5))

    def start(self, params: Tensor) -> dict[str, Any]:
        return {"v": torch.zeros_like(params), "steps": torch.zeros_like(params)}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        v = state["v"].mul_(self.decay).addcmul_(grads, grads, value=1 - self.decay)
        steps = state["steps"].mul_(self.momentum).addcdiv_(grads, v.sqrt().add_(self.epsilon))
        params -= alpha * steps
