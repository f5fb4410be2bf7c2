"""Starting values that keep the size of signals from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Annotated

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Initializer

__all__ = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "Orthogonal"]


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """Uniform between -r and r, r = sqrt(6 / (fan_in + fan_out)), (shape). Source: Glorot and Bengio 2010."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        return sqrt(6 / (fan_in + fan_out)) * (2 * torch.rand(shape, generator=rng) - 1)


@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """Normal with mean 0 and variance 2 / (fan_in + fan_out), (shape). Source: Glorot and Bengio 2010."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        return sqrt(2 / (fan_in + fan_out)) * torch.randn(shape, generator=rng)


@dataclass(frozen=True)
class HeNormal(Initializer):
    """Normal with mean 0 and variance 2 / fan_in, (shape); made for relu (arXiv:1502.01852)."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        return sqrt(2 / fan_in) * torch.randn(shape, generator=rng)


@dataclass(frozen=True)
class HeUniform(Initializer):
    """Uniform between -r and r, r = sqrt(6 / fan_in), (shape); made for relu (arXiv:1502.01852)."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        return sqrt(6 / fan_in) * (2 * torch.rand(shape, generator=rng) - 1)


@dataclass(frozen=True)
class LecunNormal(Initializer):
    """Normal with mean 0 and variance 1 / fan_in, (shape); made for selu. Source: LeCun et al. 1998."""

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        return sqrt(1 / fan_in) * torch.randn(shape, generator=rng)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain times a random matrix (shape[0], rest) with orthonormal rows or columns, whichever are fewer.

    Source: Saxe et al. 2013, arXiv:1312.6120.
    """

    gain: Annotated[float, Meta(gt=0)] = 1.0

    @classmethod
    def examples(cls) -> Iterator[Orthogonal]:
        yield from (cls(), cls(gain=2.0))

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        rows = torch.randn(shape, generator=rng).reshape(shape[0], -1)
        tall = rows if rows.shape[0] >= rows.shape[1] else rows.t()
        q, r = torch.linalg.qr(tall)
        q *= r.diagonal().sign()  # without this the matrix is not uniform among the orthogonal ones
        matrix: Tensor = q if tall is rows else q.t()
        return self.gain * matrix.reshape(shape)
