"""Losses of differences, for regression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Call, Loss, bind, like, row_means

__all__ = ["Huber", "LogCosh", "MeanAbsoluteError", "MeanSquaredError", "Quantile"]


def _mean(values: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Values and gradient of the mean over the columns of each row."""
    return row_means(values), gradient / gradient.shape[1:].numel()


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """mean_j (y_j - p_j)^2, (n, k) to (n,), in the target's unit squared; gradient 2 (p - y) / k."""

    task, head, metric = "regression", "identity", "r2"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        difference = prediction - like(prediction, target)
        return _mean(difference * difference, 2 * difference)

    def bind_gradient(self, prediction: Tensor, target: Tensor, gradient: Tensor, scale: float) -> list[Call]:
        factor = 2 * scale / prediction[0].numel()
        return [bind(torch.sub, prediction, target, out=gradient), bind(torch.mul, gradient, factor, out=gradient)]


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """mean_j |y_j - p_j|, (n, k) to (n,), in the target's unit; gradient sign(p - y) / k, 0 where they are equal."""

    task, head, metric = "regression", "identity", "mean_absolute_error"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        difference = prediction - like(prediction, target)
        return _mean(difference.abs(), difference.sign())


@dataclass(frozen=True)
class Huber(Loss):
    """mean_j of d^2 / 2 where |d| < delta, else delta (|d| - delta / 2), with d = p - y, (n, k) to (n,).

    delta is in the target's unit; the gradient is d cut off at -delta and delta, over k. Source: Huber 1964.
    """

    delta: Annotated[float, Meta(gt=0)] = 1.0
    task, head, metric = "regression", "identity", "mean_absolute_error"

    @classmethod
    def examples(cls) -> Iterator[Huber]:
        yield from (cls(), cls(delta=0.3))

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        difference = prediction - like(prediction, target)
        cut = difference.clamp(-self.delta, self.delta)
        return _mean(cut * (difference - cut / 2), cut)


@dataclass(frozen=True)
class LogCosh(Loss):
    """mean_j log cosh(d_j), d = p - y, (n, k) to (n,): d^2 / 2 where d is small, |d| - log 2 where it is large.

    The gradient is tanh(d) / k. Computed as |d| + log(1 + (e^(-2 |d|) - 1) / 2), which no d overflows.
    """

    task, head, metric = "regression", "identity", "mean_absolute_error"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        difference = prediction - like(prediction, target)
        size = difference.abs()
        return _mean(size + torch.log1p(torch.expm1(-2 * size) / 2), torch.tanh(difference))


@dataclass(frozen=True)
class Quantile(Loss):
    """mean_j share (y_j - p_j) where y_j > p_j, else (1 - share) (p_j - y_j), (n, k) to (n,), in the target's unit.

    Lowest where the share `share` of the targets lies below the prediction: 0.5 is the median, and half the mean
    absolute error. The gradient is -share / k or (1 - share) / k, 0 where they are equal. Source: Koenker and Bassett
    1978.
    """

    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    task, head, metric = "regression", "identity", "mean_absolute_error"

    @classmethod
    def examples(cls) -> Iterator[Quantile]:
        yield from (cls(), cls(share=0.9))

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        difference = prediction - like(prediction, target)
        slope = difference.sign() * torch.where(difference < 0, self.share, 1 - self.share)
        return _mean(slope * difference, slope)
