"""Losses that are negative log likelihoods of a distribution."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from netkit import Loss, like, row_means

__all__ = ["Poisson"]


@dataclass(frozen=True)
class Poisson(Loss):
    """mean_j e^p_j - y_j p_j, (n, k) to (n,), in nats: counts y of mean e^p, so p is the *logarithm* of the rate.

    The gradient is (e^p - y) / k. log y!, which no prediction changes, is left out. Counts are at least 0, and are
    taken as they are: a target that was standardised, as in a regression on a table, is none. e^p is what to expect.
    """

    task, head = "regression", "identity"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        y, rate = like(prediction, target), prediction.exp()
        return row_means(rate - y * prediction), (rate - y) / rate.shape[1:].numel()
