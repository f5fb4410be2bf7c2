"""An activation, a loss and a metric for netkit."""

from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Activation, Loss, Metric, like, row_means

Share = Annotated[float, Meta(gt=0, lt=1)]


@dataclass(frozen=True)
class Swish(Activation):
    """z sigmoid(beta z), (n, d) to (n, d) (arXiv:1710.05941)."""

    beta: float = 1.0

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.sigmoid(self.beta * z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        s = torch.sigmoid(self.beta * z)
        return grad * (s + self.beta * a * (1 - s))


@dataclass(frozen=True)
class Pinball(Loss):
    """mean_j max(q (y - p), (q - 1) (y - p)), (n, k) to (n,); its best constant is the q-quantile (Koenker 1978)."""

    q: Share = 0.5

    metric = "coverage"

    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        d = like(prediction, target) - prediction
        values = row_means(torch.maximum(self.q * d, (self.q - 1) * d))
        return values, ((d < 0).to(d) - self.q) / d.shape[1]


@dataclass(frozen=True)
class Coverage(Metric):
    """Share of targets at or below the prediction; a q-quantile that is right covers q."""

    tasks = ("regression",)

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        covered = target <= prediction
        return torch.tensor([covered.sum(), covered.numel()], dtype=torch.float64)

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])
