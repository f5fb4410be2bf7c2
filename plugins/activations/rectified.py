"""Functions that let positive values through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Activation, Call, bind

__all__ = ["Celu", "Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Softplus", "Squareplus"]

SMALL = 16384
"""Values up to which a comparison with zeros and a product of signs are faster than torch's own operations for relu."""


@dataclass(frozen=True)
class Relu(Activation):
    """max(0, z), (n, ...) to the same shape; derivative 1 where z > 0, else 0. Source: Nair and Hinton 2010."""

    in_place = True

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp_min(0)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * (z > 0)

    def bind_forward(self, z: Tensor, a: Tensor) -> list[Call]:
        return (
            [bind(torch.maximum, z, torch.zeros_like(a), out=a)]
            if a.numel() <= SMALL
            else [bind(torch.clamp_min, z, 0, out=a)]
        )

    def bind_backward(self, grad: Tensor, z: Tensor, a: Tensor, dz: Tensor) -> list[Call]:
        if a.numel() > SMALL:
            return [partial(torch.ops.aten.threshold_backward.grad_input, grad, a, 0, grad_input=dz)]
        slope = torch.empty_like(a)
        return [bind(torch.sign, a, out=slope), bind(torch.mul, grad, slope, out=dz)]


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """z where z > 0, else slope z, (n, ...) to the same shape; derivative slope at 0. Source: Maas et al. 2013."""

    slope: Annotated[float, Meta(ge=0)] = 0.01

    @classmethod
    def examples(cls) -> Iterator[LeakyRelu]:
        yield from (cls(), cls(slope=0.0), cls(slope=0.3))

    def forward(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, self.slope * z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return torch.where(z > 0, grad, self.slope * grad)


@dataclass(frozen=True)
class Elu(Activation):
    """z where z > 0, else alpha (e^z - 1), (n, ...) to the same shape; derivative alpha at 0 (arXiv:1511.07289)."""

    alpha: Annotated[float, Meta(gt=0)] = 1.0

    @classmethod
    def examples(cls) -> Iterator[Elu]:
        yield from (cls(), cls(alpha=0.5))

    def forward(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, self.alpha * torch.expm1(z.clamp_max(0)))

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return torch.where(z > 0, grad, grad * self.alpha * torch.exp(z.clamp_max(0)))


SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@dataclass(frozen=True)
class Selu(Activation):
    """s z where z > 0, else s c (e^z - 1), with s = 1.0507 and c = 1.6733, (n, ...) to the same shape.

    The derivative at 0 is s c. Keeps mean 0 and variance 1 through the layers (arXiv:1706.02515).
    """

    def forward(self, z: Tensor) -> Tensor:
        return SCALE * torch.where(z > 0, z, ALPHA * torch.expm1(z.clamp_max(0)))

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return SCALE * torch.where(z > 0, grad, grad * ALPHA * torch.exp(z.clamp_max(0)))


@dataclass(frozen=True)
class Softplus(Activation):
    """log(1 + e^z), (n, ...) to the same shape; derivative sigmoid(z). Stable at any finite z. Source: Dugas 2001."""

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp_min(0) + torch.log1p(torch.exp(-z.abs()))

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * torch.sigmoid(z)


@dataclass(frozen=True)
class Celu(Activation):
    """z where z > 0, else alpha (e^(z / alpha) - 1), (n, ...) to the same shape; smooth at 0 (arXiv:1704.07483)."""

    alpha: Annotated[float, Meta(gt=0)] = 1.0

    @classmethod
    def examples(cls) -> Iterator[Celu]:
        yield from (cls(), cls(alpha=0.5))

    def forward(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, self.alpha * torch.expm1(z.clamp_max(0) / self.alpha))

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * torch.exp(z.clamp_max(0) / self.alpha)


@dataclass(frozen=True)
class Relu6(Activation):
    """z cut off at 0 and 6, (n, ...) to the same shape; derivative 1 between, 0 at the corners and outside.

    Source: Krizhevsky 2010, "Convolutional Deep Belief Networks on CIFAR-10".
    """

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp(0, 6)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * (z > 0) * (z < 6)


@dataclass(frozen=True)
class Squareplus(Activation):
    """(z + sqrt(z^2 + b)) / 2, (n, ...) to the same shape; derivative a / sqrt(z^2 + b) (arXiv:2112.11687).

    Computed as max(0, z) + b / 2 / (|z| + sqrt(z^2 + b)), which neither overflows nor cancels at any finite z.
    """

    b: Annotated[float, Meta(gt=0)] = 4.0

    @classmethod
    def examples(cls) -> Iterator[Squareplus]:
        yield from (cls(), cls(b=0.01))

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp_min(0) + self.b / 2 / (z.abs() + self._root(z))

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * (a / self._root(z))

    def _root(self, z: Tensor) -> Tensor:
        """sqrt(z^2 + b) without the square, which would overflow."""
        root: Tensor = torch.hypot(z, torch.full_like(z, sqrt(self.b)))
        return root
