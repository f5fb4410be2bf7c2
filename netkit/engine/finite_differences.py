"""Derivatives from values alone, against which those of `backward` are held."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["between", "numeric"]


def between(low: Tensor, value: Tensor, high: Tensor) -> Tensor:
    """The value where it lies between the other two, else the nearer of them: what it should have been at a kink."""
    return torch.minimum(torch.maximum(value, torch.minimum(low, high)), torch.maximum(low, high))


def numeric(f: Callable[[Tensor], Tensor], x: Tensor, side: int) -> Tensor:
    """The slope of the sum of f(x) along each element of x, from the right (side 1) or from the left (side -1).

    Two steps are extrapolated, so that the error of a one-sided difference is of second order. Differences are added
    up, not values, so that what does not move cannot drown what does.
    """
    slopes = torch.zeros(x.numel(), dtype=torch.float64)
    here = f(x)
    for i in range(x.numel()):
        step = side * 2e-6 * max(1.0, abs(float(x.flatten()[i]))) ** 0.5
        one, two = (float((f(_moved(x, i, distance)) - here).sum()) for distance in (step, 2 * step))
        slopes[i] = (4 * one - two) / (2 * step)
    return slopes.reshape(x.shape)


def _moved(x: Tensor, place: int, step: float) -> Tensor:
    moved = x.clone(memory_format=torch.contiguous_format)
    moved.view(-1)[place] += step
    return moved
