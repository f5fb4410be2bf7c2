"""What is promised of metrics, optimizers and initializers, and of every component's settings."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.errors import UnknownComponent
from netkit.kinds import Component, Initializer, Metric, Optimizer
from netkit.testing.comparing import need, rand, rng, untouched

__all__ = ["EVERY", "INITIALIZER", "METRIC", "OPTIMIZER"]


def settings(component: Component) -> float:
    """settings survive text and tables, and a component equals itself made again"""
    for form in _forms(component):
        again = spec.make(component.kind, form)
        need(again == component and hash(again) == hash(component), f"{form} makes {again!r}, not {component!r}")
    return 0.0


def _forms(component: Component) -> list[Any]:
    """What `spec.make` should turn into an equal component; itself where it, or a part, has no name yet."""
    try:
        return [spec.text(component), spec.table(component)]
    except UnknownComponent:
        return [component]


def explained(component: Component) -> float:
    """it has a docstring of its own"""
    need((type(component).__doc__ or "").strip() and not _made_up(component), "a docstring is needed: one line of mathematics")
    return 0.0


def _made_up(component: Component) -> bool:
    """Whether the docstring is the signature that `dataclass` writes where there is none."""
    return (type(component).__doc__ or "").startswith(f"{type(component).__name__}(")


def _scored(component: Metric, n: int = 40) -> tuple[Tensor, Tensor]:
    if "regression" in component.tasks and not component.labels:
        return rand(n, 3), rand(n, 3, seed=1)
    raw, one_hot = torch.softmax(rand(n, 3), 1), torch.eye(3, dtype=torch.float64)
    target = one_hot[torch.randint(3, (n,), generator=rng(1))]
    return (one_hot[raw.argmax(1)] if component.labels else raw), target


def tallies(component: Metric) -> float:
    """tallies of batches add up to that of all rows, and inputs are left alone"""
    prediction, target = _scored(component)
    check = untouched("tally", {"prediction": prediction, "target": target})
    whole = component(prediction, target)
    check()
    need(isinstance(whole, float), f"score must be a float, got {type(whole).__name__}")
    worst = 0.0
    for size in (1, 7, 40):
        parts = [component.tally(p, y) for p, y in zip(prediction.split(size), target.split(size))]
        added = component.score(torch.stack(parts).sum(0))
        need(math.isclose(added, whole, rel_tol=1e-9, abs_tol=1e-12), f"batches of {size} score {added}, all rows {whole}")
        worst = max(worst, abs(added - whole))
    return worst


def better(component: Metric) -> float:
    """a perfect prediction scores best, in the direction that `higher_is_better` says"""
    prediction, target = _scored(component)
    perfect, other = component(target, target), component(prediction, target)
    fine = perfect >= other if component.higher_is_better else perfect <= other
    need(fine, f"higher_is_better is {component.higher_is_better}, a perfect prediction scores {perfect}, another {other}")
    return 0.0


def moves(component: Optimizer) -> float:
    """step moves params downhill in place, keeps dtype, leaves grads alone, and keeps all it remembers in state"""
    for dtype in (torch.float32, torch.float64):
        runs = []
        for _ in range(2):
            params = rand(20, dtype=dtype)
            begin, place, state = params.clone(), params.data_ptr(), component.start(params)
            need(torch.equal(params, begin), "start must leave params alone")
            for _ in range(100):
                grads = 2 * params
                check = untouched("step", {"grads": grads})
                component.step(params, grads, state, 0.01)
                check()
            need(params.data_ptr() == place and params.dtype == dtype, "step must change params in place")
            need(float(params.norm()) < float(begin.norm()), "100 steps along the gradient of |w|^2 must make |w| smaller")
            runs.append(params)
        need(torch.equal(*runs), "two runs from the same start differ: something is remembered outside state")
    return 0.0


def seeded(component: Initializer) -> float:
    """random through rng alone, float32, finite, of the shape asked for"""
    before = torch.get_rng_state()
    for shape in ((5, 3), (3, 5), (1, 1), (40, 7)):
        one, two = (component(shape, *shape, rng(2)) for _ in range(2))
        need(tuple(one.shape) == shape and one.dtype == torch.float32, f"float32 {shape} is needed, got {one.dtype} {tuple(one.shape)}")
        need(torch.equal(one, two), "the same seed gives other numbers")
        need(bool(torch.isfinite(one).all()), f"must be finite for shape {shape}")
    need(torch.equal(before, torch.get_rng_state()), "draws from torch's global random numbers")
    return 0.0


EVERY = [settings, explained]
METRIC = [tallies, better]
OPTIMIZER = [moves]
INITIALIZER = [seeded]
