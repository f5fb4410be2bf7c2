"""What is promised of activations, losses and layers: above all, that the derivative is that of the function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.errors import ShapeError
from netkit.kinds import Activation, Layer, Loss
from netkit.testing.comparing import agree, between, need, numeric, rand, rng, untouched

__all__ = ["ACTIVATION", "LAYER", "LOSS", "built", "judged"]

EXTREME = [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 17.0, -17.0, 90.0, -90.0, 1e4, -1e4, 1e30, -1e30, 3e38, -3e38]
SHAPES = [(4,), (3, 4), (2, 6, 6)]
"""Shapes of one row that are tried, in this order, for a layer that does not say its own."""


def _places(component: Any) -> list[float]:
    """Where a function may have a kink: whole and half numbers, and every number among its settings."""
    values = [getattr(component, field.name) for field in fields(component)]
    own = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return [each / 2 for each in range(-14, 15)] + [s * each for each in own for s in (1, -1)]


def _sample(component: Any) -> Tensor:
    """(n, 3): possible kinks, and random numbers of sizes from 0.01 to 100."""
    places = torch.tensor(_places(component), dtype=torch.float64)
    places = torch.stack([places, places.flip(0), places.roll(3)], 1)
    return torch.cat([places, *(rand(8, 3, seed=seed) * size for seed, size in enumerate((0.01, 0.1, 1, 3, 10, 100)))])


def derivative(component: Activation) -> float:
    """backward is the derivative of forward: finite differences from both sides, in float64"""

    def case(z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        dz = component.backward(grad, z, component.forward(z))
        left, right = (numeric(lambda at: (component.forward(at) * grad).sum(), z, side) for side in (-1, 1))
        return dz, between(left, dz, right)

    z = _sample(component)
    grad = rand(*z.shape, seed=9)
    worst = 0.0
    for row in range(len(z)):  # row by row, since the differences of one large value would drown those of the others
        inputs = {"z": z[row : row + 1], "grad": grad[row : row + 1]}
        worst = max(worst, agree("derivative", case, inputs, rtol=1e-5, atol=1e-6 * max(1.0, float(z[row].abs().max()))))
    return worst


def autograd(component: Activation) -> float:
    """backward is what torch.autograd derives from forward, in float64, away from kinks"""

    def case(z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        leaf = z.clone().requires_grad_()
        [wanted] = torch.autograd.grad(component.forward(leaf), leaf, grad)
        return component.backward(grad, z, component.forward(z)), wanted

    z = 3 * rand(40, 3, seed=1)
    if not _traceable(component.forward, z):
        return 0.0
    return agree("derivative against torch.autograd", case, {"z": z, "grad": rand(40, 3, seed=2)}, 1e-7, 1e-9)


def _traceable(f: Any, x: Tensor) -> bool:
    try:
        return bool(f(x.clone().requires_grad_()).requires_grad)
    except RuntimeError:  # it works in place: finite differences must do
        return False


def single(component: Activation) -> float:
    """float32 gives the numbers of float64, to float32 rounding"""

    def case(z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        both = []
        for dtype in (torch.float32, torch.float64):
            a = component.forward(z.to(dtype))
            both.append(torch.cat([a, component.backward(grad.to(dtype), z.to(dtype), a)], 1).double())
        return both[0], both[1]

    z = torch.cat([rand(20, 3, seed=seed) * size for seed, size in enumerate((0.01, 1, 10))]).float()
    return agree("float32 against float64", case, {"z": z, "grad": rand(60, 3, seed=2).float()}, rtol=1e-4, atol=1e-4)


def rows(component: Activation) -> float:
    """each row is treated alone, in any memory order, and no rows give no rows"""

    def case(z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        a = component.forward(z)
        whole = torch.cat([a, component.backward(grad, z, a)], 1)
        alone = []
        for row in range(len(z)):
            one = z[row : row + 1]
            its = component.forward(one)
            alone.append(torch.cat([its, component.backward(grad[row : row + 1], one, its)], 1))
        return whole, torch.cat(alone)

    z, grad = rand(6, 4), rand(6, 4, seed=1)
    for turned in (z, z.t().contiguous().t()):
        agree("rows are independent", case, {"z": turned, "grad": grad})
    a = component.forward(z[:0])
    need(a.shape == component.backward(grad[:0], z[:0], a).shape == (0, 4), "no rows must give no rows")
    return 0.0


def pure(component: Activation) -> float:
    """dtype and shape are kept, inputs are left alone, and the same input gives the same numbers"""
    for dtype in (torch.float32, torch.float64):
        z, grad = rand(5, 4, dtype=dtype), rand(5, 4, seed=1, dtype=dtype)
        check = untouched("forward", {"z": z})
        a = component.forward(z)
        check()
        check = untouched("backward", {"z": z, "grad": grad, "a": a})
        dz = component.backward(grad, z, a)
        check()
        need(a.shape == dz.shape == z.shape, f"shape {tuple(z.shape)} became {tuple(a.shape)} and {tuple(dz.shape)}")
        need(a.dtype == dz.dtype == dtype, f"dtype {dtype} became {a.dtype} and {dz.dtype}")
        need(torch.equal(component.forward(z), a), "forward gives other numbers the second time", z=z)
        need(torch.equal(component.backward(grad, z, a), dz), "backward gives other numbers the second time", z=z)
    return 0.0


def extremes(component: Activation) -> float:
    """finite at any finite input in float32, and within the range that `outputs` names"""
    z = torch.tensor(EXTREME).reshape(-1, 2).repeat(1, 2)
    a = component.forward(z)
    dz = component.backward(torch.ones_like(z), z, a)
    for row in range(len(z)):
        huge = z[row].abs() > torch.finfo(torch.float32).max / 2  # where a itself may not be representable
        fine = bool((torch.isfinite(a[row]) | huge).all()) and bool(torch.isfinite(dz[row]).all())
        need(fine, f"must be finite: forward gives {a[row].tolist()}, backward {dz[row].tolist()}", z=z[row : row + 1])
    if component.outputs != "real":
        need(bool(((a >= 0) & (a <= 1)).all()), f"outputs = {component.outputs!r} promises values from 0 to 1", z=z)
    if component.outputs == "simplex":
        agree("rows add up to one", lambda z: (component.forward(z).sum(1), torch.ones(len(z))), {"z": z}, atol=1e-5)
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
        left, right = (numeric(lambda at: component(at, target)[0].sum(), prediction, side) for side in (-1, 1))
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
        prediction, target = judged(component, n=len(_places(component)), k=1)
        places = torch.tensor(_places(component), dtype=torch.float64)[:, None]
        yield (places if component.task == "binary" else target + places), target
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
        need(torch.equal(component(prediction, target)[0], values), "other numbers the second time", **inputs)
        agree("rows are independent", case, inputs, rtol=1e-5, atol=1e-6)
    return 0.0


def loss_single(component: Loss) -> float:
    """float32 gives the numbers of float64, to float32 rounding"""

    def case(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        one, two = component(prediction, target), component(prediction.double(), target.double())
        return torch.cat([one[0][:, None], one[1]], 1).double(), torch.cat([two[0][:, None], two[1]], 1)

    prediction, target = judged(component, n=40)
    return agree("float32 against float64", case, {"prediction": prediction.float(), "target": target.float()}, 1e-4, 1e-4)


def loss_edges(component: Loss) -> float:
    """finite where a prediction is exactly 0 or 1, right or wrong"""
    for dtype in (torch.float32, torch.float64):
        p = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=dtype)
        for y in (p, 1 - p):
            values, gradient = component(p, y)
            fine = bool(torch.isfinite(values).all()) and bool(torch.isfinite(gradient).all())
            need(fine, f"must be finite: values {values.tolist()}, gradient {gradient.tolist()}", prediction=p, target=y)
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
    for scale in (1e4, 1e30):
        far = (z * scale).float()
        values, dz = form(far, target.float())
        need(bool(torch.isfinite(values).all() & torch.isfinite(dz).all()), "fused form must be finite", z=far, target=target)
    return worst


def built(component: Layer) -> tuple[dict[str, Tensor], Tensor, tuple[int, ...]]:
    """Random float64 parameters, an input of five rows, and the shape of one output row."""
    for shape in [component.in_shape] if component.in_shape else SHAPES:
        try:
            params, out_shape = component.build(shape, rng())
        except ShapeError:
            continue
        params = {name: rand(*value.shape, seed=5 + i) for i, (name, value) in enumerate(params.items())}
        return params, rand(5, *shape), tuple(out_shape)
    raise ShapeError(f"{spec.name(component)}: could not be built for rows of any of the shapes {SHAPES}")


def layer_derivative(component: Layer) -> float:
    """backward gives the derivatives by x and by every parameter: finite differences in float64, same random numbers"""
    params, x, _ = built(component)
    grad = rand(*component.forward(params, x, rng(7))[0].shape, seed=3)
    worst = 0.0
    for name in ("dx", *params):

        def case(value: Tensor, name: str = name) -> tuple[Tensor, Tensor]:
            def total(at: Tensor, back: bool = False) -> Any:
                inputs = (params, at) if name == "dx" else ({**params, name: at}, x)
                y, saved = component.forward(*inputs, rng(7))
                return component.backward(inputs[0], saved, grad) if back else (y * grad).sum()

            dx, grads = total(value, back=True)
            need(set(grads) == set(params), f"backward must give a gradient for each of {sorted(params)}, got {sorted(grads)}")
            got = dx if name == "dx" else grads[name]
            return got, between(numeric(total, value, -1), got, numeric(total, value, 1))

        worst = max(worst, agree(f"derivative by {name}", case, {name: x if name == "dx" else params[name]}, 1e-5, 1e-6))
    return worst


def layer_pure(component: Layer) -> float:
    """params and inputs are left alone, dtype is kept, shapes are those that build said, rng=None gives the same twice"""
    params, x, out_shape = built(component)
    for dtype in (torch.float32, torch.float64):
        inputs = {"x": x.to(dtype), **{name: each.to(dtype) for name, each in params.items()}}
        mine = {name: inputs[name] for name in params}
        check = untouched("the layer", inputs)
        y, saved = component.forward(mine, inputs["x"], rng(7))
        need(tuple(y.shape[1:]) == out_shape, f"build promised rows of {out_shape}, forward gives {tuple(y.shape[1:])}")
        grad = rand(*y.shape, seed=3, dtype=dtype)
        held = untouched("backward", {"grad": grad})
        dx, grads = component.backward(mine, saved, grad)
        again = component.param_grads(mine, saved, grad)
        held()
        check()
        need(y.dtype == dx.dtype == dtype, f"dtype {dtype} became {y.dtype} and {dx.dtype}")
        need(dx.shape == x.shape, f"dx must have shape {tuple(x.shape)}, got {tuple(dx.shape)}")
        for name in params:
            need(grads[name].shape == params[name].shape, f"the gradient of {name} must have its shape")
            need(torch.equal(again[name], grads[name]), f"param_grads and backward differ in {name}")
        need(torch.equal(component.forward(mine, inputs["x"], rng(7))[0], y), "the same rng gives other numbers", x=x)
        one, two = (component.forward(mine, inputs["x"])[0] for _ in range(2))
        need(torch.equal(one, two), "evaluation gives other numbers the second time", x=x)
    return 0.0


def layer_seeded(component: Layer) -> float:
    """build gives the same parameters for the same seed, and uses no other source of random numbers"""
    shape = tuple(built(component)[1].shape[1:])
    before = torch.get_rng_state()
    one, two = (component.build(shape, rng(4))[0] for _ in range(2))
    need(all(torch.equal(one[name], two[name]) for name in one), "build gives other parameters for the same seed")
    need(torch.equal(before, torch.get_rng_state()), "build draws from torch's global random numbers")
    return 0.0


ACTIVATION = [derivative, autograd, single, rows, pure, extremes]
LOSS = [loss_derivative, loss_shape, loss_single, loss_edges, fused]
LAYER = [layer_derivative, layer_pure, layer_seeded]
