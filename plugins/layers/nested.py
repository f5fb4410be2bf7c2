"""Layers that hold layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Chain, ChainLayer, Layer, Params, Shape, ShapeError

__all__ = ["Concat", "Rates", "Residual"]

Factor = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True)
class _Nested(ChainLayer):
    """The layers that are given."""

    layers: tuple[Layer | str, ...]
    activation: Activation | str | None = None

    @property
    def chain(self) -> Chain:
        return Chain(self.layers)


@dataclass(frozen=True)
class Residual(_Nested):
    """y = x + f(x), f the layers after each other, (n, ...) to the same shape; dx = grad + f'(x)^T grad.

    Raises `ShapeError` where f changes the shape of its rows. Source: He et al. 2015, arXiv:1512.03385.
    """

    keeps_shape = True

    @classmethod
    def examples(cls) -> Iterator[Residual]:
        yield cls(("layer_norm", "dense:units=4,activation=tanh", "dense:units=4"))
        yield cls(("dropout:rate=0.2",), "relu")

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        params, out_shape = super().build(in_shape, rng)
        if out_shape != in_shape:
            raise ShapeError(f"residual: its layers must keep the shape of rows, {in_shape} became {out_shape}")
        return params, out_shape

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        y, saved = super().forward(params, x, rng)
        return x + y, saved

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dx, grads = super().backward(params, saved, grad)
        return grad + dx, grads


@dataclass(frozen=True)
class Concat(_Nested):
    """y = (f(x), x) along the first axis of a row, f the layers after each other, (n, d, ...) to (n, k + d, ...); each
    part of the gradient goes its way, and dx is the sum of both.

    Raises `ShapeError` where f changes the other axes. Source: Huang et al. 2016, arXiv:1608.06993.
    """

    @classmethod
    def examples(cls) -> Iterator[Concat]:
        yield cls(("dense:units=3,activation=tanh",))
        yield cls(("dropout:rate=0.2", "layer_norm"), "relu")

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        params, out_shape = super().build(in_shape, rng)
        if not in_shape or out_shape[1:] != in_shape[1:]:
            raise ShapeError(
                f"concat: its layers may change the first axis of rows alone, {in_shape} became {out_shape}"
            )
        return params, (out_shape[0] + in_shape[0], *in_shape[1:])

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        y, saved = super().forward(params, x, rng)
        return torch.cat([y, x], 1), (saved, y.shape[1])

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        inner, width = saved
        dx, grads = super().backward(params, inner, grad[:, :width])
        return dx + grad[:, width:], grads

    def next_state(self, params: Params, saved: Any) -> dict[str, Tensor]:
        return super().next_state(params, saved[0])


@dataclass(frozen=True)
class Rates(_Nested):
    """The layers after each other, their learning rate times `learning_rate` and their weight decay times
    `weight_decay`: 0 and 0 leave them as they start."""

    learning_rate: Factor = 1.0
    weight_decay: Factor = 1.0

    @classmethod
    def examples(cls) -> Iterator[Rates]:
        yield cls(("dense:units=3,activation=tanh",), learning_rate=0.1)

    def factors(self, name: str) -> tuple[float, float]:
        alpha, decay = super().factors(name)
        return self.learning_rate * alpha, self.weight_decay * decay
