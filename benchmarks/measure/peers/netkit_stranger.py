"""netkit with an activation that is no part of it: registered at run time and written in the plain allocating form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from measure.cases import Case, Data
from measure.peers import netkit_fit
from measure.work import Work
from netkit import Activation, registry


@registry.activations.register("stranger_leaky_relu")
@dataclass(frozen=True)
class StrangerLeakyRelu(Activation):
    """z where z > 0, else slope z, (n, d) to (n, d)."""

    slope: float = 0.01

    def forward(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, self.slope * z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return torch.where(z > 0, grad, self.slope * grad)


@registry.activations.register("stranger_swish")
@dataclass(frozen=True)
class StrangerSwish(Activation):
    """z sigmoid(beta z), (n, d) to (n, d)."""

    beta: float = 1.0

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.sigmoid(self.beta * z)

    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        s = torch.sigmoid(self.beta * z)
        return grad * (s + self.beta * z * s * (1 - s))


def leaky_relu(case: Case, rows: Data) -> Work:
    return netkit_fit.trainer(replace(case, activation="stranger_leaky_relu"), rows)


def swish(case: Case, rows: Data) -> Work:
    return netkit_fit.trainer(replace(case, activation="stranger_swish"), rows)
