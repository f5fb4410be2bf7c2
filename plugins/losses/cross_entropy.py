"""Losses of probabilities. Each is stable in the fused form on logits, where the gradient is a - y."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Call, Loss, bind, by_row, like, row_means

__all__ = ["BinaryCrossEntropy", "CategoricalCrossEntropy"]


def _inside(p: Tensor) -> tuple[Tensor, Tensor]:
    """p and 1 - p, kept an epsilon of the dtype away from 0, so that no logarithm or quotient is infinite."""
    epsilon = torch.finfo(p.dtype).eps
    return p.clamp_min(epsilon), (1 - p).clamp_min(epsilon)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """-(y log p + (1 - y) log(1 - p)), the mean over k columns, (n, k) to (n,); in nats.

    The gradient is ((1 - y)/(1 - p) - y/p) / k, on logits (a - y) / k. p and 1 - p below the dtype's epsilon count as
    epsilon in the bare form; the fused form is exact at any logit.
    """

    task, outputs, head, metric = "binary", "unit", "sigmoid", "accuracy"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        y = like(prediction, target)
        p, q = _inside(prediction)
        values = -(y * p.log() + (1 - y) * q.log())
        return row_means(values), ((1 - y) / q - y / p) / _columns(y)

    def fused(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """From logits: max(z, 0) - z y + log(1 + e^-|z|)."""
        y = like(z, target)
        return BinaryCrossEntropy.fused_values(self, z, y), (torch.sigmoid(z) - y) / _columns(y)

    def fused_values(self, z: Tensor, target: Tensor) -> Tensor:
        """The values of `fused`."""
        return row_means(z.clamp_min(0) - z * like(z, target) + torch.log1p(torch.exp(-z.abs())))

    def bind_gradient(self, z: Tensor, target: Tensor, gradient: Tensor, scale: float) -> list[Call]:
        return [bind(torch.sigmoid, z, out=gradient), *_difference(gradient, target, scale / _columns(z))]


@dataclass(frozen=True)
class CategoricalCrossEntropy(Loss):
    """-sum_j y_j log p_j, (n, k) to (n,); y one-hot or probabilities; in nats.

    The gradient is -y/p, on logits a sum(y) - y. p below the dtype's epsilon counts as epsilon in the bare form; the
    fused form is exact at any logit.
    """

    task, outputs, head, metric = "multiclass", "simplex", "softmax", "accuracy"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        y = like(prediction, target)
        p, _ = _inside(prediction)
        return -(y * p.log()).sum(-1), -y / p

    def fused(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """From logits: -sum_j y_j (z_j - log sum_i e^z_i)."""
        y = like(z, target)
        log_a = by_row(torch.log_softmax, z)
        return -(y * log_a).sum(-1), log_a.exp() * y.sum(-1, keepdim=True) - y

    def fused_values(self, z: Tensor, target: Tensor) -> Tensor:
        """The values of `fused`."""
        return -(like(z, target) * by_row(torch.log_softmax, z)).sum(-1)

    def bind_gradient(self, z: Tensor, target: Tensor, gradient: Tensor, scale: float) -> list[Call]:
        turned = z.ndim == 2 and z.t().is_contiguous()  # over the first axis of memory torch has vector code
        softmax = (
            bind(torch.softmax, z.t(), 0, out=gradient.t()) if turned else bind(torch.softmax, z, -1, out=gradient)
        )
        return [softmax, *_difference(gradient, target, scale)]


def _difference(a: Tensor, y: Tensor, scale: float) -> list[Call]:
    """a becomes scale (a - y)."""
    return [bind(torch.sub, a, y, out=a), bind(torch.mul, a, scale, out=a)]


def _columns(values: Tensor) -> int:
    return values[0].numel() if len(values) else 1
