"""The loss of the support vector machine."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from netkit import Loss, like, row_means

__all__ = ["Hinge"]


@dataclass(frozen=True)
class Hinge(Loss):
    """mean_j max(0, 1 - s_j p_j), s = -1 for target 0 and 1 for target 1, (n, k) to (n,).

    A prediction is a margin: at least 0 is a 1. The gradient is -s / k where s p < 1, else 0 (0 at 1).
    Source: Cortes and Vapnik 1995.
    """

    task, head, metric, threshold = "binary", "identity", "accuracy", 0.0

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        sign = 2 * like(prediction, target) - 1
        margin = 1 - sign * prediction
        return row_means(margin.clamp_min(0)), -sign * (margin > 0) / margin.shape[1:].numel()
