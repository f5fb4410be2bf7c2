"""A rectifier that learns its slope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netkit import Activation, Layer, Params, Shape

__all__ = ["Prelu"]


@dataclass(frozen=True)
class Prelu(Layer):
    """x where x > 0, else slope x, a slope for each place of the first axis of a row, starting at `start`; (n, d, ...)
    to the same shape. dslope is the sum of grad x where x <= 0, and dx is grad there times the slope (at 0 too).

    Source: He et al. 2015, arXiv:1502.01852.
    """

    start: float = 0.25
    activation: Activation | str | None = None
    keeps_shape = True

    @classmethod
    def examples(cls) -> Iterator[Prelu]:
        yield from (cls(), cls(start=0.0))

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        return {"slope": torch.full(in_shape[:1], self.start)}, in_shape

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Tensor]:
        return torch.where(x > 0, x, self._slopes(params, x) * x), x

    def backward(self, params: Params, saved: Tensor, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dx = torch.where(saved > 0, grad, self._slopes(params, saved) * grad)
        return dx, self.param_grads(params, saved, grad)

    def param_grads(self, params: Params, saved: Tensor, grad: Tensor) -> dict[str, Tensor]:
        by_slope = torch.where(saved > 0, 0.0, grad * saved)
        return {"slope": by_slope.flatten(2).sum((0, 2)) if by_slope.ndim > 2 else by_slope.sum(0)}

    @staticmethod
    def _slopes(params: Params, x: Tensor) -> Tensor:
        return params["slope"].view(-1, *[1] * (x.ndim - 2)) if x.ndim > 2 else params["slope"]
