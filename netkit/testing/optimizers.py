"""What is promised of optimizers."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from netkit.kinds import Optimizer
from netkit.testing.comparing import need, rand, untouched

__all__ = ["PROMISES"]


def moves(component: Optimizer) -> float:
    """step moves params downhill in place, keeps dtype, leaves grads alone, and keeps all it remembers in state"""
    for dtype in (torch.float32, torch.float64):
        runs = []
        for _ in range(2):
            params = rand(20, dtype=dtype)
            begin, place, state = params.clone(), params.data_ptr(), component.start(params)
            need(torch.equal(params, begin), "start must leave params alone")
            for number in range(1, 101):
                need(not params.isnan().any(), f"along the gradient of |w|^2 params are nan before step {number}")
                grads = 2 * params
                check = untouched("step", {"grads": grads})
                component.step(params, grads, state, 0.01)
                check()
            need(params.data_ptr() == place and params.dtype == dtype, "step must change params in place")
            shorter = float(params.norm()) < float(begin.norm())
            need(shorter, "100 steps along the gradient of |w|^2 must make |w| smaller")
            runs.append(params)
        need(torch.equal(*runs), "two runs from the same start differ: something is remembered outside state")
    return 0.0


def steps(component: Optimizer) -> float:
    """a gradient of 0 gives finite params, every parameter with a gradient moves, and alpha says how far"""
    for dtype in (torch.float32, torch.float64):
        for size in (1, 20, 5000):
            grads = rand(size, seed=1, dtype=dtype)
            still = _moved(component, 0 * grads, 0.01, 3)
            need(bool(torch.isfinite(still).all()), "must be finite where the gradient is 0", grads=0 * grads[:20])
            stuck = (_moved(component, grads, 0.01, 3) == 0) & (grads.abs() > 1e-3)
            need(
                not bool(stuck.any()),
                f"{int(stuck.sum())} of {size} parameters with a gradient do not move",
                grads=grads[:20],
            )
    nothing, once, twice = (float(_moved(component, rand(20, seed=1), alpha).norm()) for alpha in (0.0, 0.01, 0.02))
    need(nothing <= 1e-12, f"alpha = 0 must move nothing, it moves params by {nothing}")
    need(1.3 * once < twice < 3 * once, f"twice the alpha must move about twice as far: {once} became {twice}")
    return 0.0


def rates(component: Optimizer) -> float:
    """alpha, and weight_decay where it is a setting, may be flat vectors with a number for each parameter"""
    grads, ones = rand(20, seed=1), torch.ones(20, dtype=torch.float64)
    same = torch.allclose(_moved(component, grads, 0.01, 3), _moved(component, grads, 0.01 * ones, 3))
    need(same, "alpha = 0.01 and a vector of 0.01 move params to other places: write params -= alpha * direction")
    half = _moved(component, grads, 0.01 * (ones.cumsum(0) > 10))
    need(
        bool((half[:10] == 0).all()),
        f"where the vector alpha is 0 nothing may move, params move by {half[:10].tolist()}",
    )
    if any(field.name == "weight_decay" for field in fields(component)):
        one, two = (_moved(_decayed(component, decay), grads, 0.01, 3) for decay in (0.1, 0.1 * ones))
        need(torch.allclose(one, two), "weight_decay = 0.1 and a vector of 0.1 move params to other places")
    return 0.0


def _decayed(component: Optimizer, decay: float | Tensor) -> Optimizer:
    changes: dict[str, Any] = {"weight_decay": decay}
    return replace(component, **changes)


def _moved(component: Optimizer, grads: Tensor, alpha: float | Tensor, count: int = 1) -> Tensor:
    """What these first steps with one gradient add to random params."""
    begin = 1 + rand(len(grads), seed=2, dtype=grads.dtype)
    params = begin.clone()
    state = component.start(params)
    for _ in range(count):
        component.step(params, grads.clone(), state, alpha)
    return params - begin


PROMISES = [moves, steps, rates]
