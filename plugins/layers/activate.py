"""An activation on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from netkit import Activation, Layer

__all__ = ["Activate"]


@dataclass(frozen=True)
class Activate(Layer):
    """a = f(x), (n, ...) to the same shape: an activation where no other layer carries it."""

    activation: Activation | str | None

    @classmethod
    def examples(cls) -> Iterator[Activate]:
        yield cls("tanh")

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        return {}, in_shape

    def forward(self, params: Any, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, None]:
        return x, None

    def backward(self, params: Any, saved: None, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad, {}
