"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Call, Initializer, Layer, Params, SettingError, ShapeError, bind, spec

__all__ = ["Dense"]

TOGETHER = 2**14
"""Weights up to which b lies behind the rows of W: in larger layers the odd row length costs more than it saves."""

Size = Annotated[int, Meta(ge=1)] | None


@dataclass(frozen=True)
class Dense(Layer):
    """a = f(x W + b), (n, inputdim) to (n, units), W (inputdim, units), b (units,) starting at 0.

    dW = x^T dz, db = column sums of dz, dx = dz W^T. `inputdim` may be left out: the layer before it tells. Raises
    `ShapeError` when the input has another size than `inputdim`, `SettingError` without `units`. Weights: Glorot and
    Bengio 2010 by default.

    W lies in memory as (units, inputdim), which is best or equal for all three products. In a small layer b lies behind
    each row of it, so that a column of ones behind x makes x W + b, and dW with db, one product each.
    """

    inputdim: Size = None
    units: Size = None
    activation: Activation | str | None = "identity"
    bias: bool = True
    initializer: Initializer | str = "glorot_uniform"

    @classmethod
    def examples(cls) -> Iterator[Dense]:
        yield from (cls(units=3), cls(units=2, bias=False), cls(units=1, activation="leaky_relu:slope=0.2"))

    @classmethod
    def sized(cls, units: int, activation: Activation | str | None) -> Dense:
        return cls(units=units, activation=activation)

    @property
    def in_shape(self) -> tuple[int, ...] | None:
        return None if self.inputdim is None else (self.inputdim,)

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        if self.units is None:
            raise SettingError("dense: units is required")
        if len(in_shape) != 1:
            raise ShapeError(f"dense: rows of one axis are needed, got {in_shape}")
        if self.inputdim not in (None, in_shape[0]):
            raise ShapeError(f"dense: input has {in_shape[0]} features, built for {self.inputdim}")
        shape = (in_shape[0], self.units)
        weights = spec.make("initializer", self.initializer)(shape, *shape, rng)
        if not self.bias:
            return {"W": weights.t().contiguous().t()}, (self.units,)
        if weights.numel() > TOGETHER:
            return {"W": weights.t().contiguous().t(), "b": torch.zeros(self.units)}, (self.units,)
        block = torch.cat([weights.t(), torch.zeros(self.units, 1)], 1)
        return {"W": block[:, :-1].t(), "b": block[:, -1]}, (self.units,)

    def fitted(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        initializer: Initializer = spec.make("initializer", self.initializer)
        return {"W": initializer.fitted(params["W"], lambda W: self.forward({**params, "W": W}, x)[0])}

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Tensor]:
        z = torch.addmm(params["b"], x, params["W"]) if self.bias else x @ params["W"]
        return z, x

    def backward(self, params: Params, saved: Tensor, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad @ params["W"].t(), self.param_grads(params, saved, grad)

    def param_grads(self, params: Params, saved: Tensor, grad: Tensor) -> dict[str, Tensor]:
        weights = {"W": (grad.t() @ saved).t()}  # in the memory order of W
        return weights | ({"b": grad.sum(0)} if self.bias else {})

    def ones(self, params: Params) -> bool:
        return _block(params) is not None

    def bind_forward(self, params: Params, x: Tensor, y: Tensor) -> list[Call]:
        block = _block(params)
        if block is not None:
            return [bind(torch.mm, x, block.t(), out=y)]
        product = bind(torch.mm, x, params["W"], out=y)
        return [product, bind(torch.add, y, params["b"], out=y)] if self.bias else [product]

    def bind_backward(self, params: Params, grads: Params, x: Tensor, grad: Tensor, dx: Tensor | None) -> list[Call]:
        block = _block(grads)
        calls = [bind(torch.mm, grad.t(), x, out=grads["W"].t() if block is None else block)]
        if self.bias and block is None:
            calls.append(bind(torch.mv, grad.t(), grad.new_ones(len(grad)), out=grads["b"]))
        return calls if dx is None else [*calls, bind(torch.mm, grad, params["W"].t(), out=dx)]


def _block(params: Params) -> Tensor | None:
    """(units, inputdim + 1), W^T with b behind it, where they lie in memory like that."""
    W, b = params["W"], params.get("b")
    width = len(W) + 1
    if b is None or W.stride() != (1, width) or b.data_ptr() != W.data_ptr() + len(W) * W.element_size():
        return None
    block: Tensor = W.as_strided((W.shape[1], width), (width, 1))
    return block
