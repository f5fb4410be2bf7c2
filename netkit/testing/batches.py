"""What is promised of batches: code that works on several numbers at once gives each row the same in all sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from netkit.kinds import Activation, Component, Layer, Loss
from netkit.testing.comparing import need, rand
from netkit.testing.layers import built
from netkit.testing.losses import judged
from netkit.testing.sampling import fits

__all__ = ["BATCHES"]

SIZES = [1, 2, 3, 7, 8, 9, 15, 16, 17, *range(20, 41), 63, 64, 65]
"""Rows: those around powers of two, and those around the usual batch."""
WIDTHS = [1, 2, 5]
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-10}


def activation(component: Activation) -> float:
    """the same numbers for a row in batches of any size"""
    for width in (each for each in WIDTHS if fits(component, (each,))):
        for dtype in CLOSE:
            z, grad = (rand(SIZES[-1], width, seed=seed, dtype=dtype) for seed in (0, 1))

            def rows(n: int, z: Tensor = z, grad: Tensor = grad) -> Tensor:
                a = component.forward(z[:n])
                return torch.cat([a, component.backward(grad[:n], z[:n], a)], 1)

            _same(rows)
    return 0.0


def loss(component: Loss) -> float:
    """the same numbers for a row in batches of any size"""
    for dtype in CLOSE:
        prediction, target = (each.to(dtype) for each in judged(component, SIZES[-1]))

        def rows(n: int, prediction: Tensor = prediction, target: Tensor = target) -> Tensor:
            values, gradient = component(prediction[:n], target[:n])
            return torch.cat([values[:, None], gradient], 1)

        _same(rows)
    return 0.0


def layer(component: Layer) -> float:
    """in evaluation the same numbers for a row in batches of any size, and gradients that add up over rows"""
    params, x, out_shape = built(component)
    x, grad = rand(SIZES[-1], *x.shape[1:], seed=2), rand(SIZES[-1], *out_shape, seed=3)

    def rows(n: int) -> Tensor:
        y, saved = component.forward(params, x[:n])
        return torch.cat([y.flatten(1), component.backward(params, saved, grad[:n])[0].flatten(1)], 1)

    def gradients(start: int, end: int) -> Tensor:
        found = component.backward(params, component.forward(params, x[start:end])[1], grad[start:end])[1]
        return torch.cat([torch.zeros(0, dtype=x.dtype), *(found[name].flatten() for name in sorted(found))])

    _same(rows)
    added = torch.stack([gradients(row, row + 1) for row in range(SIZES[-1])]).cumsum(0)
    for n in SIZES:
        fine = torch.allclose(gradients(0, n), added[n - 1], rtol=1e-8, atol=1e-8)
        need(fine, f"in a batch of {n} rows the gradients of the parameters are not the sum of those of each row")
    return 0.0


def _same(rows: Callable[[int], Tensor]) -> None:
    """Whether `rows(n)` gives for each n what it gives for the first n of the largest batch."""
    every = rows(SIZES[-1])
    for n in SIZES:
        got, close = rows(n), CLOSE[every.dtype]
        need(got.shape == every[:n].shape, f"a batch of {n} rows gives {len(got)}")
        wrong = ~torch.isclose(got, every[:n], rtol=close, atol=close, equal_nan=True)
        row = int(wrong.any(1).int().argmax())
        need(not wrong.any(), f"a batch of {n} rows gives other numbers than one of {SIZES[-1]}, in row {row}")


BATCHES: dict[type[Component], list[Callable[[Any], float]]] = {Activation: [activation], Layer: [layer], Loss: [loss]}
"""What is promised of the kinds that work on rows."""
