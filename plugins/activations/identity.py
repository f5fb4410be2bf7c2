"""No change at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from netkit import Activation, Call

__all__ = ["Identity"]


@dataclass(frozen=True)
class Identity(Activation):
    """z, (n, ...) to the same shape; the output of a regression."""

    in_place = True

    def forward(self, z: Tensor) -> Tensor:
        return z

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad

    def bind_forward(self, z: Tensor, a: Tensor) -> list[Call]:
        return [] if z is a else [partial(a.copy_, z)]

    def bind_backward(self, grad: Tensor, z: Tensor, a: Tensor, dz: Tensor) -> list[Call]:
        return [] if grad is dz else [partial(dz.copy_, grad)]
