"""Features of mean 0 and variance 1 over the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Layer, Params, Shape

__all__ = ["BatchNorm"]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """gain u + shift, u = (x - mean) / sqrt(variance + epsilon), (n, d, ...) to the same shape, for each place of the
    first axis of a row over all else.

    While training mean and variance are those of the batch, and dx = (g - mean g - u mean(g u)) / sqrt(variance +
    epsilon) with g = gain dy; of them running ones are kept, r = (1 - momentum) r + momentum (those of the batch, the
    variance with n - 1 below), which evaluation takes. Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    epsilon: Annotated[float, Meta(gt=0)] = 1e-5
    momentum: Annotated[float, Meta(gt=0, le=1)] = 0.1
    activation: Activation | str | None = None
    keeps_shape = True
    mixes_rows = True

    @classmethod
    def examples(cls) -> Iterator[BatchNorm]:
        yield from (cls(), cls(epsilon=0.1, momentum=0.5))

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        return {"gain": torch.ones(in_shape[:1]), "shift": torch.zeros(in_shape[:1])}, in_shape

    def state(self, in_shape: Shape) -> dict[str, Tensor]:
        return {"mean": torch.zeros(in_shape[:1]), "variance": torch.ones(in_shape[:1])}

    def next_state(self, params: Params, saved: Any) -> dict[str, Tensor]:
        _, _, mean, variance, count = saved
        unbiased = variance * (count / max(count - 1, 1))
        batch = {"mean": mean, "variance": unbiased}
        return {name: torch.lerp(params[name], batch[name], self.momentum) for name in batch if count}

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        rest = [axis for axis in range(x.ndim) if axis != 1]
        count = x.numel() // x.shape[1] if rng is not None and len(x) else 0
        if count:
            variance, mean = torch.var_mean(x, rest, correction=0)
        else:  # in evaluation
            mean, variance = params["mean"], params["variance"]
        scale = torch.rsqrt(variance + self.epsilon)
        u = (x - _wide(mean, x)) * _wide(scale, x)
        return _wide(params["gain"], x) * u + _wide(params["shift"], x), (u, scale, mean, variance, count)

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        u, scale, _, _, count = saved
        grads = self.param_grads(params, saved, grad)
        g = _wide(params["gain"] * scale, grad) * grad
        if not count:
            return g, grads
        means = (params["gain"] * scale * grads[name] / count for name in ("shift", "gain"))
        mean, along = (_wide(each, grad) for each in means)
        return g - mean - u * along, grads

    def param_grads(self, params: Params, saved: Any, grad: Tensor) -> dict[str, Tensor]:
        rest = [axis for axis in range(grad.ndim) if axis != 1]
        return {"gain": (grad * saved[0]).sum(rest), "shift": grad.sum(rest)}


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """Values of the first axis of a row, so that they meet rows."""
    return values.view(-1, *[1] * (like.ndim - 2))
