"""Functions with bounded values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Activation, Call, bind

__all__ = ["HardSigmoid", "HardTanh", "Sigmoid", "Softsign", "Tanh"]


@dataclass(frozen=True)
class Sigmoid(Activation):
    """1 / (1 + e^-z), (n, ...) to the same shape; derivative a (1 - a). Stable at any finite z."""

    outputs = "unit"
    in_place = True

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * a * (1 - a)

    def bind_forward(self, z: Tensor, a: Tensor) -> list[Call]:
        return [bind(torch.sigmoid, z, out=a)]

    def bind_backward(self, grad: Tensor, z: Tensor, a: Tensor, dz: Tensor) -> list[Call]:
        slope = torch.empty_like(a)
        return [
            bind(torch.mul, a, a, out=slope),
            bind(torch.sub, a, slope, out=slope),
            bind(torch.mul, grad, slope, out=dz),
        ]


@dataclass(frozen=True)
class Tanh(Activation):
    """tanh z, (n, ...) to the same shape; derivative 1 - a^2."""

    in_place = True

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * (1 - a * a)

    def bind_forward(self, z: Tensor, a: Tensor) -> list[Call]:
        return [bind(torch.tanh, z, out=a)]

    def bind_backward(self, grad: Tensor, z: Tensor, a: Tensor, dz: Tensor) -> list[Call]:
        slope, one = torch.empty_like(a), torch.ones_like(a)
        return [
            bind(torch.mul, a, a, out=slope),
            bind(torch.sub, one, slope, out=slope),
            bind(torch.mul, grad, slope, out=dz),
        ]


@dataclass(frozen=True)
class HardTanh(Activation):
    """z cut off at -1 and 1, (n, ...) to the same shape; derivative 1 inside, 0 at the corners and outside.

    Source: Collobert 2004.
    """

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp(-1, 1)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad * (z.abs() < 1)


@dataclass(frozen=True)
class Softsign(Activation):
    """z / (1 + |z|), (n, ...) to the same shape; derivative 1 / (1 + |z|)^2, 1 at 0. Source: Turian et al. 2009."""

    def forward(self, z: Tensor) -> Tensor:
        return z / (1 + z.abs())

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        inverse = 1 / (1 + z.abs())  # squared below: the square of the sum would overflow
        return grad * inverse * inverse


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """(z + 3) / 6 cut off at 0 and 1, (n, ...) to the same shape; derivative 1/6 between, 0 at the corners and outside.

    Source: Courbariaux et al. 2015, arXiv:1511.00363, with the slope of MobileNetV3 (arXiv:1905.02244) and torch.
    """

    outputs = "unit"

    def forward(self, z: Tensor) -> Tensor:
        return ((z + 3) / 6).clamp(0, 1)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return grad / 6 * (z.abs() < 3)
