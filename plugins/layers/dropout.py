"""Random zeros against overfitting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Layer, Params

__all__ = ["Dropout"]


@dataclass(frozen=True)
class Dropout(Layer):
    """x m / (1 - rate) while training, m 0 with probability rate, else 1; x in evaluation. (n, ...) to the same shape.

    Source: Srivastava et al. 2014 (the "inverted" form, which leaves evaluation alone).
    """

    rate: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    keeps_shape = True

    @classmethod
    def examples(cls) -> Iterator[Dropout]:
        yield from (cls(), cls(rate=0.0), cls(rate=0.2))

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        return {}, in_shape

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Tensor | None]:
        if rng is None:
            return x, None
        drawn = torch.rand(x.shape, generator=rng, device=rng.device, dtype=x.dtype).to(x.device)
        mask = (drawn >= self.rate).to(x.dtype) / (1 - self.rate)
        return x * mask, mask

    def backward(self, params: Params, saved: Tensor | None, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return (grad if saved is None else grad * saved), {}
