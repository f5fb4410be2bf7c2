"""Scores to probabilities, or to their logarithms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Activation, Call, ShapeError, bind, by_row

__all__ = ["LogSoftmax", "Softmax"]


@dataclass(frozen=True)
class Softmax(Activation):
    """e^z_i / sum_j e^z_j over the last axis, (n, k) to (n, k) with rows that add up to one.

    The derivative is applied as a (g - (g . a)), so the (n, k, k) Jacobian is never built. Stable at any finite z.
    Raises `ShapeError` for one unit, which would always give 1. Source: Bridle 1990.
    """

    outputs = "simplex"

    def check(self, shape: tuple[int, ...]) -> None:
        if shape[-1] < 2:
            raise ShapeError(
                f"softmax: {shape[-1]} unit always gives 1; 2 or more are needed (for one unit use sigmoid)"
            )

    def forward(self, z: Tensor) -> Tensor:
        return torch.softmax(z, -1)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return a * (grad - (grad * a).sum(-1, keepdim=True))

    def bind_forward(self, z: Tensor, a: Tensor) -> list[Call]:
        turned = z.ndim == 2 and z.t().is_contiguous()  # over the first axis of memory torch has vector code
        return [bind(torch.softmax, z.t(), 0, out=a.t())] if turned else [bind(torch.softmax, z, -1, out=a)]


@dataclass(frozen=True)
class LogSoftmax(Activation):
    """z_i - log sum_j e^z_j over the last axis, (n, ..., k) to the same shape: logarithms of probabilities, in nats.

    The derivative is applied as g - e^a sum(g), so the (n, k, k) Jacobian is never built. Stable at any finite z.
    Raises `ShapeError` for one unit, which would always give 0. Source: Bridle 1990.
    """

    def check(self, shape: tuple[int, ...]) -> None:
        if shape[-1] < 2:
            raise ShapeError(f"log_softmax: {shape[-1]} unit always gives 0; 2 or more are needed")

    def forward(self, z: Tensor) -> Tensor:
        return by_row(torch.log_softmax, z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad - a.exp() * grad.sum(-1, keepdim=True)
