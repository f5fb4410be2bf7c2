"""An activation on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from torch import Generator, Tensor

from netkit import Activation, Call, Layer, Params

__all__ = ["Activate"]


@dataclass(frozen=True)
class Activate(Layer):
    """a = f(x), (n, ...) to the same shape: an activation where no other layer carries it."""

    activation: Activation | str | None
    keeps_shape = True

    @classmethod
    def examples(cls) -> Iterator[Activate]:
        yield cls("tanh")

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        return {}, in_shape

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, None]:
        return x, None

    def backward(self, params: Params, saved: None, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad, {}

    def bind_forward(self, params: Params, x: Tensor, y: Tensor) -> list[Call]:
        return [partial(y.copy_, x)]

    def bind_backward(self, params: Params, grads: Params, x: Tensor, grad: Tensor, dx: Tensor | None) -> list[Call]:
        return [] if dx is None else [partial(dx.copy_, grad)]
