"""z times a gate that depends on z."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import torch
from torch import Tensor

from netkit import Activation

__all__ = ["Gelu", "HardSwish", "Mish", "Silu"]

FAR = 1e4
"""Behind this |z| every gate is exactly 0 or 1 and its slope 0; cutting z off there keeps 0 * infinity away."""


@dataclass(frozen=True)
class Gelu(Activation):
    """z P(z), P the standard normal distribution function, (n, ...) to the same shape (arXiv:1606.08415)."""

    def forward(self, z: Tensor) -> Tensor:
        p: Tensor = torch.special.ndtr(z)
        return z * p

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        p: Tensor = torch.special.ndtr(z)
        near = z.clamp(-FAR, FAR)
        return grad * (p + near * torch.exp(-0.5 * near * near) / sqrt(2 * pi))


@dataclass(frozen=True)
class Silu(Activation):
    """z sigmoid(z), (n, ...) to the same shape (arXiv:1702.03118)."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.sigmoid(z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        s = torch.sigmoid(z)
        return grad * (s + z.clamp(-FAR, FAR) * s * (1 - s))


@dataclass(frozen=True)
class Mish(Activation):
    """z tanh(log(1 + e^z)), (n, ...) to the same shape (arXiv:1908.08681)."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.tanh(torch.nn.functional.softplus(z))

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        t = torch.tanh(torch.nn.functional.softplus(z))
        return grad * (t + z.clamp(-FAR, FAR) * (1 - t * t) * torch.sigmoid(z))


@dataclass(frozen=True)
class HardSwish(Activation):
    """z h, with h = (z + 3) / 6 cut off at 0 and 1, (n, ...) to the same shape (arXiv:1905.02244).

    The derivative is h + z / 6 between -3 and 3, else h: 0 at -3 and 1 at 3.
    """

    def forward(self, z: Tensor) -> Tensor:
        return z * ((z + 3) / 6).clamp(0, 1)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * (((z + 3) / 6).clamp(0, 1) + z / 6 * (z.abs() < 3))
