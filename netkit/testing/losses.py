"""What is promised of losses: the gradient is that of the values, one value a row, finite where it must be."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.finite_differences import between, numeric
from netkit.kinds import Loss
from netkit.registry import current
from netkit.testing.comparing import agree, need, rand, rng, untouched
from netkit.testing.sampling import LARGE, OUTPUTS, TASKS, places

__all__ = ["AT_ANY_SETTING", "PROMISES", "REMARKS", "judged"]


def words(component: Loss) -> float:
    """task and outputs are known words, head and metric names of components"""
    need(component.task in TASKS, f"task must be one of {', '.join(TASKS)}, got {component.task!r}")
    need(component.outputs in OUTPUTS, f"outputs must be one of {', '.join(OUTPUTS)}, got {component.outputs!r}")
    for kind, name in (("activation", component.head), ("metric", component.metric)):
        need(name is None or name in current().kinds[kind], f"no {kind} is called {name!r}, nor is it None")
    return 0.0


def judged(component: Loss, n: int = 7, k: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A prediction and a target, float64 (n, k), that the loss can judge."""
    raw = 1.5 * rand(n, k, seed=seed)
    prediction = {"real": raw, "unit": torch.sigmoid(raw), "simplex": torch.softmax(raw, 1)}[component.outputs]
    if component.task == "multiclass":
        return prediction, torch.eye(k, dtype=torch.float64)[torch.randint(k, (n,), generator=rng(seed + 1))]
    target = rand(n, k, seed=seed + 1)
    return prediction, (target > 0).double() if component.task == "binary" else target


def loss_derivative(component: Loss) -> float:
    """the gradient is the derivative of the sum of the values: finite differences from both sides, in float64"""

    def case(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        gradient = component(prediction, target)[1]
        left, right = (numeric(lambda at: component(at, target)[0], prediction, side) for side in (-1, 1))
        return gradient, between(left, gradient, right)

    worst = 0.0
    for prediction, target in _judgements(component):
        inputs = {"prediction": prediction, "target": target}
        worst = max(worst, agree("derivative", case, inputs, rtol=1e-4, atol=1e-5))
    return worst


def _judgements(component: Loss) -> Iterator[tuple[Tensor, Tensor]]:
    """Random ones of several sizes and widths; for a loss of differences, also differences at possible kinks."""
    for k in (1, 2, 3) if component.outputs != "simplex" else (2, 3):
        yield judged(component, k=k, seed=k)
    if component.outputs == "real":
        prediction, target = judged(component, n=len(places(component)), k=1)
        kinks = torch.tensor(places(component), dtype=torch.float64)[:, None]
        yield (kinks if component.task == "binary" else target + kinks), target
        yield 30 * prediction, target


def loss_shape(component: Loss) -> float:
    """one value a row, a gradient of the prediction's shape, each row alone, dtype kept, inputs left alone"""

    def case(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        together = torch.cat([component(prediction, target)[0][:, None], component(prediction, target)[1]], 1)
        alone = []
        for row in range(len(prediction)):
            value, gradient = component(prediction[row : row + 1], target[row : row + 1])
            alone.append(torch.cat([value[:, None], gradient], 1))
        return together, torch.cat(alone)

    for dtype in (torch.float32, torch.float64):
        inputs = dict(zip(("prediction", "target"), (each.to(dtype) for each in judged(component))))
        prediction, target = inputs.values()
        check = untouched("the loss", inputs)
        values, gradient = component(prediction, target)
        check()
        need(values.shape == (7,), f"values must be one a row, shape (7,), got {tuple(values.shape)}")
        need(gradient.shape == prediction.shape, f"the gradient must have shape (7, 3), got {tuple(gradient.shape)}")
        need(values.dtype == gradient.dtype == dtype, f"dtype {dtype} became {values.dtype} and {gradient.dtype}")
        component(prediction.flip(0), target)  # which a loss may not remember
        again = component(prediction, target)
        need(
            torch.equal(again[0], values) and torch.equal(again[1], gradient), "other numbers the second time", **inputs
        )
        _of_the_sum(component, prediction, target)
        agree("rows are independent", case, inputs, rtol=1e-5, atol=1e-6)
    return 0.0


def _of_the_sum(component: Loss, prediction: Tensor, target: Tensor) -> None:
    """Raise where each row's gradient is 1/n of what it is for the row alone: somebody took a mean over rows."""
    gradient = component(prediction, target)[1]
    alone = torch.cat([component(*each)[1] for each in zip(prediction.split(1), target.split(1))])
    mean = torch.allclose(len(alone) * gradient, alone, rtol=1e-4) and not torch.allclose(gradient, alone, rtol=1e-4)
    rule = "the gradient must be the derivative of the sum of the values, not of their mean: netkit divides by the rows"
    need(not mean, rule, prediction=prediction, target=target)


def loss_single(component: Loss) -> float:
    """float32 gives the numbers of float64, to float32 rounding"""

    def case(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        one, two = component(prediction, target), component(prediction.double(), target.double())
        return torch.cat([one[0][:, None], one[1]], 1).double(), torch.cat([two[0][:, None], two[1]], 1)

    prediction, target = judged(component, n=40)
    return agree(
        "float32 against float64", case, {"prediction": prediction.float(), "target": target.float()}, 1e-4, 1e-4
    )


def loss_edges(component: Loss) -> float:
    """finite where a prediction is exactly 0 or 1, right or wrong"""
    for dtype in (torch.float32, torch.float64):
        p = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=dtype)
        for y in (p, 1 - p):
            values, gradient = component(p, y)
            fine = bool(torch.isfinite(values).all()) and bool(torch.isfinite(gradient).all())
            need(
                fine, f"must be finite: values {values.tolist()}, gradient {gradient.tolist()}", prediction=p, target=y
            )
    return 0.0


def loss_far(component: Loss) -> float:
    """far from the target never nan, and in float32 finite wherever the number is not too large for it"""
    for scale in (50.0, 200.0, 800.0, 3200.0, 1e4) if component.outputs == "real" else ():
        prediction, target = (each.float() for each in judged(component))
        prediction = scale * prediction.sign()
        pairs = zip(component(prediction, target), component(prediction.double(), target.double()))
        for got, wanted in pairs:
            fine = torch.isfinite(got) | (wanted.abs() > LARGE) & ~got.isnan()
            need(fine.all(), f"must be finite: {got.tolist()}", prediction=prediction, target=target)
    return 0.0


def fused(component: Loss) -> float:
    """the fused form on logits gives the numbers of the head and the loss, and is finite at any logit"""
    if component.fused is None:
        return 0.0
    head = spec.make("activation", component.head)
    form = component.fused

    def case(z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        a = head.forward(z)
        values, gradient = component(a, target)
        together, dz = form(z, target)
        return torch.cat([together[:, None], dz], 1), torch.cat([values[:, None], head.backward(gradient, z, a)], 1)

    _, target = judged(component, n=9)
    z = 2 * rand(9, 3)
    worst = agree("fused form", case, {"z": z, "target": target}, rtol=1e-6, atol=1e-8)
    for scale in (1e4, 1e8):
        far = (z * scale).float()
        values, dz = form(far, target.float())
        need(
            bool(torch.isfinite(values).all() & torch.isfinite(dz).all()),
            "fused form must be finite",
            z=far,
            target=target,
        )
        if component.fused_values is not None:
            alone = component.fused_values(far, target.float())
            need(
                torch.equal(alone, values),
                f"fused_values: got {alone.tolist()}, the fused form gives {values.tolist()}",
                z=far,
                target=target,
            )
    return worst


def overflow(component: Loss) -> str:
    """Where beyond 1e9 a number in the fused form is too large for float32, though its result is not."""
    _, target = judged(component, n=9)
    for scale in (1e13, 1e19, 1e25, 1e30) if component.fused else ():
        z = rand(9, 3).sign() * scale
        both = zip(_fused(component, z.float(), target.float()), _fused(component, z, target))
        if not all((torch.isfinite(got) | (wanted.abs() > LARGE) & ~got.isnan()).all() for got, wanted in both):
            return f"its fused form is not finite in float32 from |z| = {scale:.0e} on"
    return ""


def _fused(component: Loss, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return component.fused(z, target) if component.fused else component(z, target)


AT_ANY_SETTING = [loss_derivative]
PROMISES = [words, loss_shape, loss_derivative, loss_single, loss_edges, loss_far, fused]
REMARKS = [overflow]
