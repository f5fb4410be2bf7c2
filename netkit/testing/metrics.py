"""What is promised of metrics: tallies that add up, an exact count, and the direction of the score."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from netkit.kinds import Metric
from netkit.testing.comparing import need, rand, rng, untouched
from netkit.testing.sampling import OUTPUTS, TASKS

__all__ = ["PROMISES", "scored"]


def scored(component: Metric, n: int = 40) -> tuple[Tensor, Tensor]:
    """A prediction and a target, float64 (n, 3), that the metric can score."""
    if "regression" in component.tasks and not component.labels:
        return rand(n, 3), rand(n, 3, seed=1)
    raw, one_hot = torch.softmax(rand(n, 3), 1), torch.eye(3, dtype=torch.float64)
    target = one_hot[torch.randint(3, (n,), generator=rng(1))]
    return (one_hot[raw.argmax(1)] if component.labels else raw), target


def words(component: Metric) -> float:
    """tasks is a tuple of known words, and outputs is one"""
    fine = isinstance(component.tasks, tuple) and component.tasks and set(component.tasks) <= set(TASKS)
    need(fine, f"tasks must be a tuple of {', '.join(TASKS)}, got {component.tasks!r}")
    need(component.outputs in OUTPUTS, f"outputs must be one of {', '.join(OUTPUTS)}, got {component.outputs!r}")
    return 0.0


def exact(component: Metric) -> float:
    """a tally is a vector of float64 or whole numbers, also of float32 predictions: others lose count of many rows"""
    for dtype in (torch.float32, torch.float64):
        tally = component.tally(*(each.to(dtype) for each in scored(component)))
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
    prediction, target = scored(component)
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
    prediction, target = scored(component)
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
    _, target = scored(component)
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


def classes(component: Metric) -> float:
    """by_class, where it is there, scores each class of one-hot decisions by the rows of it and those taken for it"""
    if component.by_class is None:
        return 0.0
    _, target = scored(component)
    perfect = component.by_class(component.tally(target, target))
    need(perfect.shape == (3,), f"by_class must give a score for each of 3 classes, got shape {tuple(perfect.shape)}")
    swapped = target.clone()
    rows = target[:, 2] == 0
    swapped[rows] = target[rows][:, [1, 0, 2]]
    other = component.by_class(component.tally(swapped, target))
    need(float(other[2]) == float(perfect[2]), "mistakes between two classes change the score of a third")
    need(bool((other[:2] != perfect[:2]).all()), "mistakes with a class do not count in its score")
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


PROMISES = [words, tallies, exact, better, columns, classes]
