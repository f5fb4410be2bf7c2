"""What is promised of bound forms: the numbers of the readable form, in place, in either memory order, every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from netkit.kinds import Activation, Component, Layer, Loss, Optimizer
from netkit.testing.comparing import need, rand

__all__ = ["BOUND"]

SIZES = [(1, 1), (1, 3), (7, 3), (33, 3), (64, 5), (130, 70)]
"""Rows and columns: one, odd ones, and more values than numpy's operations are used for."""


def bound_activation(component: Activation) -> float:
    """bound forms give the numbers of forward and backward, with grad and dz in one memory, z and a if it says so"""
    worst = 0.0
    for (rows, columns), dtype, turned in _cases():
        for one in {False, component.in_place}:
            z, grad = (_filled(rows, columns, dtype, turned, seed) for seed in (0, 1))
            a = z if one else torch.empty_like(z)
            forward = component.bind_forward(z, a) if component.bind_forward else None
            backward = component.bind_backward(grad, z, a, grad) if component.bind_backward else None
            for seed in (2, 3):  # bound once, called twice
                z.copy_(rand(rows, columns, seed=seed))
                grad.copy_(rand(rows, columns, seed=seed + 9))
                given, wanted = z.clone(), component.forward(z.clone())
                dz = component.backward(grad.clone(), given, wanted)
                if forward is None:
                    a.copy_(wanted)
                else:
                    _run(forward)
                worst = max(worst, _same("bind_forward", a, wanted, z=given))
                if backward is not None:
                    _run(backward)
                    worst = max(worst, _same("bind_backward", grad, dz, z=given))
    return worst


def bound_loss(component: Loss) -> float:
    """bind_gradient gives scale times the gradient of the loss, or of its fused form where it has one"""
    from netkit.testing.losses import judged

    worst = 0.0
    if component.bind_gradient is None:
        return worst
    for (rows, columns), dtype, turned in _cases():
        columns = max(columns, 2) if component.outputs == "simplex" else columns
        raw = judged(component, rows, columns)
        x, target = (_like(each.to(dtype), turned) for each in raw)
        if component.fused is not None:
            x.copy_(3 * rand(rows, columns))
        gradient = torch.empty_like(x)
        _run(component.bind_gradient(x, target, gradient, 0.25))
        form = component if component.fused is None else component.fused
        worst = max(
            worst,
            _same("bind_gradient", gradient, 0.25 * form(x.contiguous(), target.contiguous())[1], x=x, target=target),
        )
    return worst


def bound_layer(component: Layer) -> float:
    """bound forms give the numbers of forward and backward, with a column of ones behind x if it says so"""
    from netkit.testing.layers import built

    worst = 0.0
    if component.bind_forward is None:
        return worst
    for dtype in (torch.float32, torch.float64):
        for turned in (False, True):
            params, x, out_shape = built(component)
            own, grads = _memory_of(component, params, x, dtype)
            x = x.to(dtype)
            ones = component.ones(own)
            full = torch.ones(len(x), x.shape[1] + 1, dtype=dtype) if ones else _like(x, turned and x.ndim == 2)
            full = _like(full, turned) if ones else full
            (full[:, : x.shape[1]] if ones else full).copy_(x)
            y = _like(torch.empty(len(x), *out_shape, dtype=dtype), turned and len(out_shape) == 1)
            _run(component.bind_forward(own, full, y))
            wanted, saved = component.forward(own, x)
            worst = max(worst, _same("bind_forward", y, wanted, x=x))
            if component.bind_backward is not None:
                grad, dx = torch.empty_like(y).copy_(rand(*y.shape, seed=3)), torch.empty_like(x)
                back, gradients = component.backward(own, saved, grad.contiguous())
                for target in (dx, None):
                    _run(component.bind_backward(own, grads, full, grad, target))
                    for name in grads:
                        worst = max(worst, _same(f"bind_backward: {name}", grads[name], gradients[name], x=x))
                        grads[name].zero_()
                worst = max(worst, _same("bind_backward: dx", dx, back, x=x))
    return worst


def bound_optimizer(component: Optimizer) -> float:
    """bind_step takes the steps of step, with any alpha"""
    worst = 0.0
    if component.bind_step is None:
        return worst
    for size in (1, 37, 5000):
        for dtype in (torch.float32, torch.float64):
            one, grads = rand(size, dtype=dtype), rand(size, seed=1, dtype=dtype)
            two = one.clone()
            states = component.start(one), component.start(two)
            bound = component.bind_step(two, grads, states[1])
            for number in range(12):
                grads.copy_(rand(size, seed=number))
                alpha = 0.01 if number < 6 else 0.02
                component.step(one, grads, states[0], alpha)
                bound(alpha)
            worst = max(worst, _same("bind_step", two, one, grads=grads))
    return worst


def _cases() -> Iterator[tuple[tuple[int, int], torch.dtype, bool]]:
    for size in SIZES:
        for dtype in (torch.float32, torch.float64):
            for turned in (False, True):
                yield size, dtype, turned


def _filled(rows: int, columns: int, dtype: torch.dtype, turned: bool, seed: int) -> Tensor:
    return _like(rand(rows, columns, seed=seed, dtype=dtype), turned)


def _like(values: Tensor, turned: bool) -> Tensor:
    """The same numbers in a memory of their own, row-major or transposed."""
    return values.t().contiguous().t() if turned else values.clone(memory_format=torch.contiguous_format)


def _memory_of(
    component: Layer, params: dict[str, Tensor], x: Tensor, dtype: torch.dtype
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters with these numbers, and gradients, in the memory that the layer's own `build` gives them."""
    from netkit.engine import parameters as storage
    from netkit.testing.comparing import rng

    made = [storage.compact(component.build(tuple(x.shape[1:]), rng())[0])]
    vector = storage.flat(made).to(dtype)
    [where] = storage.places(made)
    own, grads = storage.placed(where, vector), storage.placed(where, torch.zeros_like(vector))
    for name, value in own.items():
        value.copy_(params[name])
    return own, grads


def _run(calls: list[Any]) -> None:
    for call in calls:
        call()


def _same(rule: str, got: Tensor, wanted: Tensor, **inputs: Tensor) -> float:
    close = {torch.float32: 1e-4, torch.float64: 1e-10}[got.dtype]
    need(got.shape == wanted.shape, f"{rule}: shape {tuple(got.shape)}, the readable form gives {tuple(wanted.shape)}")
    if not torch.allclose(got, wanted, rtol=close, atol=close / 10):
        worst = (got - wanted).abs().flatten(1).amax(1).argmax() if got.ndim > 1 and got.numel() else torch.tensor(0)
        row = int(worst)
        need(
            False,
            f"{rule}: got {got[row].tolist()}, the readable form gives {wanted[row].tolist()} (row {row})",
            **{name: each[row : row + 1] if len(each) == len(got) else each for name, each in inputs.items()},
        )
    return float(((got - wanted).abs() / (1 + wanted.abs())).max()) if got.numel() else 0.0


BOUND: dict[type[Component], list[Callable[[Any], float]]] = {
    Activation: [bound_activation],
    Layer: [bound_layer],
    Loss: [bound_loss],
    Optimizer: [bound_optimizer],
}
"""What is promised of the kinds that may have bound forms, beside the promises of their readable ones."""
