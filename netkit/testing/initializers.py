"""What is promised of initializers: random through rng alone, and of the shape asked for."""

from __future__ import annotations

import math

import torch

from netkit.kinds import Initializer
from netkit.testing.comparing import need, rng

__all__ = ["PROMISES"]


def seeded(component: Initializer) -> float:
    """random through rng alone, float32, finite, of the shape asked for"""
    for shape in ((5, 3), (3, 5), (1, 1), (40, 7), (6, 4, 3), (4, 3, 2, 2)):
        one, two, other = (component(shape, *_fans(shape), rng(seed)) for seed in (2, 2, 3))
        need(
            tuple(one.shape) == shape and one.dtype == torch.float32,
            f"float32 {shape} is needed, got {one.dtype} {tuple(one.shape)}",
        )
        need(bool(torch.isfinite(one).all()), f"must be finite for shape {shape}")
        need(torch.equal(one, two), "the same seed gives other numbers: random through rng alone")
        need(not one.requires_grad, "must not require a gradient")
        chosen = len(one.unique()) > 2  # more than constants, such as those of an identity matrix
        need(not (chosen and torch.equal(one, other)), "another seed gives the same numbers: random only through rng")
    return 0.0


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """fan_in and fan_out: of a matrix x W its shape, of a kernel (out, in, ...) what one output and one input meet."""
    if len(shape) == 2:
        return shape[0], shape[1]
    return math.prod(shape[1:]), shape[0] * math.prod(shape[2:])


PROMISES = [seeded]
