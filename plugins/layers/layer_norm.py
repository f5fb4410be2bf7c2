"""Rows of mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Layer, Params

__all__ = ["LayerNorm"]


@dataclass(frozen=True)
class LayerNorm(Layer):
    """gain (x - mean) / sqrt(variance + epsilon) + shift over the last axis, (n, ..., d) to the same shape.

    dx = (g - mean g - u mean(g u)) / sqrt(variance + epsilon), with u the normalised x and g = gain dy
    (arXiv:1607.06450).
    """

    epsilon: Annotated[float, Meta(gt=0)] = 1e-5
    activation: Activation | str | None = None
    keeps_shape = True

    @classmethod
    def examples(cls) -> Iterator[LayerNorm]:
        yield from (cls(), cls(epsilon=0.1))

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        return {"gain": torch.ones(in_shape[-1]), "shift": torch.zeros(in_shape[-1])}, in_shape

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
        scale = torch.rsqrt(variance + self.epsilon)
        normal = (x - mean) * scale
        return normal * params["gain"] + params["shift"], (normal, scale)

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        normal, scale = saved
        g = grad * params["gain"]
        dx = (g - g.mean(-1, keepdim=True) - normal * (g * normal).mean(-1, keepdim=True)) * scale
        return dx, self.param_grads(params, saved, grad)

    def param_grads(self, params: Params, saved: Any, grad: Tensor) -> dict[str, Tensor]:
        return {"gain": (grad * saved[0]).flatten(0, -2).sum(0), "shift": grad.flatten(0, -2).sum(0)}
