"""One half of the input as a gate for the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netkit import Layer, Params, ShapeError

__all__ = ["Glu"]


@dataclass(frozen=True)
class Glu(Layer):
    """y = u sigmoid(v), u and v the first and the second half of x along its last axis, (n, ..., 2 d) to (n, ..., d).

    It halves the width, so it is a layer and no activation: `dense:units=64`, then `glu` for 32 outputs. du = g s and
    dv = g u s (1 - s), with s = sigmoid(v). Raises `ShapeError` for an odd width (arXiv:1612.08083).
    """

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        if in_shape[-1] % 2:
            raise ShapeError(f"glu: rows with an even last axis, to be halved, are needed, got {in_shape}")
        return {}, (*in_shape[:-1], in_shape[-1] // 2)

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        u, v = x.chunk(2, -1)
        gate = torch.sigmoid(v)
        return u * gate, (u, gate)

    def backward(self, params: Params, saved: tuple[Tensor, Tensor], grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        u, gate = saved
        return torch.cat([grad * gate, grad * u * gate * (1 - gate)], -1), {}
