"""Losses of probabilities. Each is stable in the fused form on logits, where the gradient is a - y."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Call, Loss, bind, by_row, like, row_means

__all__ = ["BinaryCrossEntropy", "CategoricalCrossEntropy", "KlDivergence"]

Share = Annotated[float, Meta(ge=0, lt=1)]


def _inside(p: Tensor) -> tuple[Tensor, Tensor]:
    """p and 1 - p, kept an epsilon of the dtype away from 0, so that no logarithm or quotient is infinite."""
    epsilon = torch.finfo(p.dtype).eps
    return p.clamp_min(epsilon), (1 - p).clamp_min(epsilon)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """-(y log p + (1 - y) log(1 - p)), the mean over k columns, (n, k) to (n,); in nats.

    The gradient is ((1 - y)/(1 - p) - y/p) / k, on logits (a - y) / k. p and 1 - p below the dtype's epsilon count as
    epsilon in the bare form; the fused form is exact at any logit. With `smoothing` s, (1 - s) y + s / 2 takes the
    place of y, in training and in every score of this loss (arXiv:1512.00567).
    """

    smoothing: Share = 0.0
    task, outputs, head, metric = "binary", "unit", "sigmoid", "accuracy"

    @classmethod
    def examples(cls) -> Iterator[BinaryCrossEntropy]:
        yield from (cls(), cls(smoothing=0.1))

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        y = _smooth(like(prediction, target), self.smoothing, 2)
        p, q = _inside(prediction)
        values = -(y * p.log() + (1 - y) * q.log())
        return row_means(values), ((1 - y) / q - y / p) / _columns(y)

    def fused(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """From logits: max(z, 0) - z y + log(1 + e^-|z|)."""
        y = _smooth(like(z, target), self.smoothing, 2)
        return BinaryCrossEntropy.fused_values(self, z, target), (torch.sigmoid(z) - y) / _columns(y)

    def fused_values(self, z: Tensor, target: Tensor) -> Tensor:
        """The values of `fused`."""
        y = _smooth(like(z, target), self.smoothing, 2)
        return row_means(z.clamp_min(0) - z * y + torch.log1p(torch.exp(-z.abs())))

    def bind_gradient(self, z: Tensor, target: Tensor, gradient: Tensor, scale: float) -> list[Call]:
        sigmoid = bind(torch.sigmoid, z, out=gradient)
        return [sigmoid, *_difference(gradient, target, scale / _columns(z), self.smoothing, 2)]


@dataclass(frozen=True)
class CategoricalCrossEntropy(Loss):
    """-sum_j y_j log p_j, (n, k) to (n,); y one-hot or probabilities; in nats.

    The gradient is -y/p, on logits a sum(y) - y. p below the dtype's epsilon counts as epsilon in the bare form; the
    fused form is exact at any logit. With `smoothing` s, (1 - s) y + s / k takes the place of y, in training and in
    every score of this loss (arXiv:1512.00567).
    """

    smoothing: Share = 0.0
    task, outputs, head, metric = "multiclass", "simplex", "softmax", "accuracy"

    @classmethod
    def examples(cls) -> Iterator[CategoricalCrossEntropy]:
        yield from (cls(), cls(smoothing=0.1))

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        y = _smooth(like(prediction, target), self.smoothing, prediction.shape[-1])
        p, _ = _inside(prediction)
        return -(y * p.log()).sum(-1), -y / p

    def fused(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """From logits: -sum_j y_j (z_j - log sum_i e^z_i)."""
        y = _smooth(like(z, target), self.smoothing, z.shape[-1])
        log_a = by_row(torch.log_softmax, z)
        return -(y * log_a).sum(-1), log_a.exp() * y.sum(-1, keepdim=True) - y

    def fused_values(self, z: Tensor, target: Tensor) -> Tensor:
        """The values of `fused`."""
        return -(_smooth(like(z, target), self.smoothing, z.shape[-1]) * by_row(torch.log_softmax, z)).sum(-1)

    def bind_gradient(self, z: Tensor, target: Tensor, gradient: Tensor, scale: float) -> list[Call]:
        return [_softmax(z, gradient), *_difference(gradient, target, scale, self.smoothing, z.shape[-1])]


@dataclass(frozen=True)
class KlDivergence(Loss):
    """sum_j y_j log(y_j / p_j), (n, k) to (n,), 0 where y_j = 0; y a distribution over the k classes; in nats.

    Cross entropy without the entropy of y, which no prediction changes: 0 where p is y. The gradient is -y/p, on logits
    a sum(y) - y. p below the dtype's epsilon counts as epsilon in the bare form; the fused form is exact at any logit.
    Source: Kullback and Leibler 1951.
    """

    task, outputs, head, metric = "multiclass", "simplex", "softmax", "accuracy"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        y = like(prediction, target)
        p, _ = _inside(prediction)
        return (torch.xlogy(y, y) - y * p.log()).sum(-1), -y / p

    def fused(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """From logits: sum_j y_j (log y_j - z_j + log sum_i e^z_i)."""
        y = like(z, target)
        log_a = by_row(torch.log_softmax, z)
        return (torch.xlogy(y, y) - y * log_a).sum(-1), log_a.exp() * y.sum(-1, keepdim=True) - y

    def bind_gradient(self, z: Tensor, target: Tensor, gradient: Tensor, scale: float) -> list[Call]:
        return [_softmax(z, gradient), *_difference(gradient, target, scale)]


def _smooth(y: Tensor, smoothing: float, classes: int) -> Tensor:
    """The share `smoothing` of each target spread over all classes."""
    return (1 - smoothing) * y + smoothing / classes if smoothing else y


def _softmax(z: Tensor, a: Tensor) -> Call:
    """a becomes softmax(z)."""
    turned = z.ndim == 2 and z.t().is_contiguous()  # over the first axis of memory torch has vector code
    return bind(torch.softmax, z.t(), 0, out=a.t()) if turned else bind(torch.softmax, z, -1, out=a)


def _difference(a: Tensor, y: Tensor, scale: float, smoothing: float = 0.0, classes: int = 1) -> list[Call]:
    """a becomes scale (a - y), y smoothed."""
    calls = []
    if smoothing:
        y, given = torch.empty_like(a), y
        calls = [bind(torch.mul, given, 1 - smoothing, out=y), bind(torch.add, y, smoothing / classes, out=y)]
    return [*calls, bind(torch.sub, a, y, out=a), bind(torch.mul, a, scale, out=a)]


def _columns(values: Tensor) -> int:
    return values[0].numel() if len(values) else 1
