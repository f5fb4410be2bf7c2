"""How long a component takes, beside the same with its gradient derived by torch. Nothing is decided by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from netkit.kinds import Activation, Component, Layer, Loss
from netkit.registry.surroundings import one_thread
from netkit.testing.comparing import rand, rng
from netkit.testing.losses import judged

__all__ = ["timed"]

ROWS, WIDTH, REPEATS = 128, 64, 30


def timed(component: Component) -> tuple[float, float] | None:
    """Microseconds of one forward and backward on float32 (128, 64), its own and derived, interleaved; None for a
    component without a gradient, or one that torch cannot derive."""
    try:
        pair = _pair(component)
        if pair is None:
            return None
        with one_thread():
            found = [[_microseconds(each) for each in pair] for _ in range(REPEATS)]
    except (Exception, SystemExit):  # not derivable, or not of this size: the promises have been held already
        return None
    own, derived = (median(column) for column in zip(*found))
    return own, derived


def _microseconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return 1e6 * (time.perf_counter() - start)


def _pair(component: Component) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    x, grad = (rand(ROWS, WIDTH, seed=seed, dtype=torch.float32) for seed in range(2))
    if isinstance(component, Activation):
        return (lambda: component.backward(grad, x, component.forward(x))), lambda: _derived(component.forward, x)(grad)
    if isinstance(component, Loss):
        p, y = (each.float() for each in judged(component, ROWS, WIDTH))
        return (lambda: component(p, y)), lambda: _derived(lambda at: component(at, y)[0], p)(torch.ones(ROWS))
    return _layer_pair(component, x) if isinstance(component, Layer) else None


def _layer_pair(component: Layer, x: torch.Tensor) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    try:
        shape = component.in_shape or (WIDTH,)
        params = component.build(shape, rng())[0] | component.state(shape)
    except Exception:
        return None
    x = rand(ROWS, *(component.in_shape or (WIDTH,)), dtype=torch.float32)
    grad = torch.ones_like(component.forward(params, x)[0])

    def derived() -> Any:
        return torch.func.vjp(lambda params, x: component.forward(params, x, rng())[0], params, x)[1](grad)

    return (lambda: component.backward(params, component.forward(params, x, rng())[1], grad)), derived


def _derived(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Callable[[torch.Tensor], Any]:
    pull: Callable[[torch.Tensor], Any] = torch.func.vjp(f, x)[1]
    return pull
