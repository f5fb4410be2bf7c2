"""What is promised of metrics, optimizers, initializers and schedules, and of every component's settings."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.errors import UnknownComponent
from netkit.kinds import Component, Initializer, Metric, Optimizer, Schedule
from netkit.testing.comparing import need, rand, rng, untouched
from netkit.testing.sampling import TASKS

__all__ = ["EVERY", "INITIALIZER", "METRIC", "OPTIMIZER", "SCHEDULE"]


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
    need(
        (type(component).__doc__ or "").strip() and not _made_up(component),
        "a docstring is needed: one line of mathematics",
    )
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


def words(component: Metric) -> float:
    """tasks is a tuple of known words"""
    fine = isinstance(component.tasks, tuple) and component.tasks and set(component.tasks) <= set(TASKS)
    need(fine, f"tasks must be a tuple of {', '.join(TASKS)}, got {component.tasks!r}")
    return 0.0


def exact(component: Metric) -> float:
    """a tally is a vector of float64 or whole numbers, also of float32 predictions: others lose count of many rows"""
    for dtype in (torch.float32, torch.float64):
        tally = component.tally(*(each.to(dtype) for each in _scored(component)))
        fine = tally.dtype == torch.float64 or not (
            tally.dtype.is_floating_point or tally.dtype.is_complex or tally.dtype == torch.bool
        )
        need(
            fine and tally.ndim == 1,
            f"a tally must be a vector of float64 or integers, got {tally.dtype} of shape {tuple(tally.shape)}",
        )
    return 0.0


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
        need(
            math.isclose(added, whole, rel_tol=1e-9, abs_tol=1e-12),
            f"batches of {size} score {added}, all rows {whole}",
        )
        worst = max(worst, abs(added - whole))
    return worst


def better(component: Metric) -> float:
    """a perfect prediction scores best, in the direction that `higher_is_better` says"""
    prediction, target = _scored(component)
    perfect, other = component(target, target), component(prediction, target)
    fine = perfect >= other if component.higher_is_better else perfect <= other
    need(
        fine,
        f"higher_is_better is {component.higher_is_better}, a perfect prediction scores {perfect}, another {other}",
    )
    wrong = _worse(component, target, [0, 1, 2])
    need(component(wrong, target) != perfect, f"every prediction scores {perfect}", prediction=wrong, target=target)
    return 0.0


def columns(component: Metric) -> float:
    """a mistake in any column, or with any class, counts"""
    _, target = _scored(component)
    perfect = component(target, target)
    for column in range(3):
        wrong = _worse(component, target, [column])
        need(
            component(wrong, target) != perfect,
            f"mistakes in column {column} do not count",
            prediction=wrong,
            target=target,
        )
    return 0.0


def _worse(component: Metric, target: Tensor, columns: list[int]) -> Tensor:
    """Predictions that are far off in these columns; of classes, the next one where one of these is right."""
    wrong = target.clone()
    if "regression" in component.tasks and not component.labels:
        wrong[:, columns] += 100 * rand(len(target), len(columns), seed=2)
    else:
        hit = target[:, columns].any(1)
        wrong[hit] = target[hit].roll(1, 1)
    return wrong


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
            need(
                float(params.norm()) < float(begin.norm()),
                "100 steps along the gradient of |w|^2 must make |w| smaller",
            )
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


def _moved(component: Optimizer, grads: Tensor, alpha: float, count: int = 1) -> Tensor:
    """What these first steps with one gradient add to random params."""
    begin = 1 + rand(len(grads), seed=2, dtype=grads.dtype)
    params = begin.clone()
    state = component.start(params)
    for _ in range(count):
        component.step(params, grads.clone(), state, alpha)
    return params - begin


def seeded(component: Initializer) -> float:
    """random through rng alone, float32, finite, of the shape asked for"""
    for shape in ((5, 3), (3, 5), (1, 1), (40, 7), (6, 4, 3), (4, 3, 2, 2)):
        one, two, other = (component(shape, *_fans(shape), rng(seed)) for seed in (2, 2, 3))
        need(
            tuple(one.shape) == shape and one.dtype == torch.float32,
            f"float32 {shape} is needed, got {one.dtype} {tuple(one.shape)}",
        )
        need(torch.equal(one, two), "the same seed gives other numbers")
        need(bool(torch.isfinite(one).all()), f"must be finite for shape {shape}")
        need(not one.requires_grad, "must not require a gradient")
        chosen = len(one.unique()) > 2  # more than constants, such as those of an identity matrix
        need(not (chosen and torch.equal(one, other)), "another seed gives the same numbers: random only through rng")
    return 0.0


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """fan_in and fan_out: of a matrix x W its shape, of a kernel (out, in, ...) what one output and one input meet."""
    if len(shape) == 2:
        return shape[0], shape[1]
    return math.prod(shape[1:]), shape[0] * math.prod(shape[2:])


def factors(component: Schedule) -> float:
    """a finite factor of at least 0 at every place of a run, above 0 at one of them, and a function of the place alone"""
    places = [number / 1000 for number in range(1001)]
    forth = [component(done) for done in places]
    for done, factor in zip(places, forth):
        need(isinstance(factor, float), f"a factor must be a float, got {type(factor).__name__} at done = {done}")
        need(0 <= factor < math.inf, f"a factor must be finite and at least 0, got {factor} at done = {done}")
    need(max(forth) > 0, "a factor of 0 all the way: nothing would be learnt")
    back = [component(done) for done in reversed(places)][::-1]
    need(forth == back, "the same place gives another factor in another order: something is remembered")
    return 0.0


EVERY = [settings, explained]
METRIC = [words, tallies, exact, better, columns]
OPTIMIZER = [moves, steps]
INITIALIZER = [seeded]
SCHEDULE = [factors]
