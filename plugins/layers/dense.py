"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Initializer, Layer, SettingError, ShapeError, spec

__all__ = ["Dense"]

Size = Annotated[int, Meta(ge=1)] | None


@dataclass(frozen=True)
class Dense(Layer):
    """a = f(x W + b), (n, inputdim) to (n, units), W (inputdim, units), b (units,) starting at 0.

    dW = x^T dz, db = column sums of dz, dx = dz W^T. `inputdim` may be left out: the layer before it tells. W lies in
    memory as (units, inputdim), which is best or equal for all three products. Raises `ShapeError` when the input has
    another size than `inputdim`, `SettingError` without `units`. Weights: Glorot and Bengio 2010 by default.
    """

    inputdim: Size = None
    units: Size = None
    activation: Activation | str | None = "identity"
    bias: bool = True
    initializer: Initializer | str = "glorot_uniform"

    @classmethod
    def examples(cls) -> Iterator[Dense]:
        yield from (cls(units=3), cls(units=2, bias=False), cls(units=1, activation="leaky_relu:slope=0.2"))

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
        params = {"W": weights.t().contiguous().t()}
        return params | ({"b": torch.zeros(self.units)} if self.bias else {}), (self.units,)

    def forward(self, params: Any, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Tensor]:
        z = torch.addmm(params["b"], x, params["W"]) if self.bias else x @ params["W"]
        return z, x

    def backward(self, params: Any, saved: Tensor, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad @ params["W"].t(), self.param_grads(params, saved, grad)

    def param_grads(self, params: Any, saved: Tensor, grad: Tensor) -> dict[str, Tensor]:
        weights = {"W": (grad.t() @ saved).t()}  # in the memory order of W
        return weights | ({"b": grad.sum(0)} if self.bias else {})
