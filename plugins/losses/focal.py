"""A loss for rare positives among many easy negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn.functional import softplus

from netkit import Loss, like, row_means

__all__ = ["Focal"]


@dataclass(frozen=True)
class Focal(Loss):
    """-(alpha y q^gamma log p + (1 - alpha) (1 - y) p^gamma log q), q = 1 - p, the mean over k columns, (n, k) to (n,).

    Binary cross entropy, in nats, where what is already right counts less: gamma 0 and alpha 0.5 are half of it. alpha
    is what a 1 weighs, 1 - alpha a 0. p and q below the dtype's epsilon count as epsilon in the bare form; the fused
    form is exact at any logit. Source: arXiv:1708.02002.
    """

    gamma: Annotated[float, Meta(ge=0)] = 2.0
    alpha: Annotated[float, Meta(ge=0, le=1)] = 0.25
    task, outputs, head, metric = "binary", "unit", "sigmoid", "accuracy"

    @classmethod
    def examples(cls) -> Iterator[Focal]:
        yield from (cls(), cls(gamma=0.0, alpha=0.5), cls(gamma=0.5, alpha=0.9))

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        epsilon = torch.finfo(prediction.dtype).eps
        p, q = prediction.clamp_min(epsilon), (1 - prediction).clamp_min(epsilon)
        one, zero = self._weights(prediction, target)
        values = -(one * q**self.gamma * p.log() + zero * p**self.gamma * q.log())
        rising = one * q**self.gamma * (self.gamma * p.log() / q - 1 / p)
        falling = zero * p**self.gamma * (self.gamma * q.log() / p - 1 / q)
        return row_means(values), (rising - falling) / values.shape[1:].numel()

    def fused(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """From logits: -log p = log(1 + e^-z) and -log q = log(1 + e^z); p' = -q' = p q."""
        p, q = torch.sigmoid(z), torch.sigmoid(-z)
        one, zero = self._weights(z, target)
        one, zero = one * q**self.gamma, zero * p**self.gamma
        values = one * softplus(-z) + zero * softplus(z)
        dz = zero * (p + self.gamma * q * softplus(z)) - one * (q + self.gamma * p * softplus(-z))
        return row_means(values), dz / values.shape[1:].numel()

    def _weights(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What each value weighs as a 1 and as a 0."""
        y = like(prediction, target)
        return self.alpha * y, (1 - self.alpha) * (1 - y)
