"""What is promised of layers: derivatives by x and by every parameter, rows alone in evaluation, nothing remembered."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.finite_differences import between, numeric
from netkit.errors import ShapeError
from netkit.kinds import Layer
from netkit.testing.comparing import BrokenPromise, agree, need, rand, rng, untouched
from netkit.testing.sampling import places

__all__ = ["PROMISES", "built"]

SHAPES = [(4,), (3, 4), (2, 6, 6)]
"""Shapes of one row that are tried, in this order, for a layer that does not say its own."""
Numbers = dict[str, Tensor]


def built(component: Layer) -> tuple[dict[str, Tensor], Tensor, tuple[int, ...]]:
    """Random float64 parameters and the state after a batch, an input of five rows, and the shape of one output row."""
    for shape in [component.in_shape] if component.in_shape else SHAPES:
        try:
            params, out_shape = component.build(shape, rng())
        except ShapeError:
            continue
        params = {name: rand(*value.shape, seed=5 + i) for i, (name, value) in enumerate(params.items())}
        params |= {name: value.double() for name, value in component.state(shape).items()}
        x = rand(5, *shape)
        return params | component.next_state(params, component.forward(params, x, rng())[1]), x, tuple(out_shape)
    raise ShapeError(f"{spec.name(component)}: could not be built for rows of any of the shapes {SHAPES}")


def _passed(component: Layer, params: Numbers, x: Tensor, grad: Tensor, seed: int | None = None) -> Numbers:
    """y, dx and the gradients of the parameters, all by name."""
    y, saved = component.forward(params, x, None if seed is None else rng(seed))
    dx, grads = component.backward(params, saved, grad)
    return {"y": y, "dx": dx, **_complete(component, params, x, grads)}


def _trained(component: Layer, params: Numbers, x: Tensor) -> list[str]:
    """The names of the parameters, without those of the state."""
    state = component.state(tuple(x.shape[1:]))
    return [name for name in params if name not in state]


def _complete(component: Layer, params: Numbers, x: Tensor, grads: Numbers) -> Numbers:
    names = _trained(component, params, x)
    need(set(grads) == set(names), f"backward must give a gradient for each of {sorted(names)}, got {sorted(grads)}")
    return {f"d{name}": grads[name] for name in names}


def _grad(component: Layer, params: Numbers, x: Tensor) -> Tensor:
    return rand(*component.forward(params, x, rng(7))[0].shape, seed=3)


def layer_derivative(component: Layer) -> float:
    """backward gives the derivatives by x and by every parameter: finite differences in float64, same random numbers"""
    worst = 0.0
    for params, x, names in _points(component):
        y = component.forward(params, x, rng(7))[0]
        for name in names if bool(torch.isfinite(y).all()) else ():
            worst = max(worst, _differences(component, params, x, name))
    return worst


def _points(component: Layer) -> Iterator[tuple[Numbers, Tensor, list[str]]]:
    """Parameters, inputs and what to derive by: random ones, x where a kink may be, and parameters of 0."""
    params, x, _ = built(component)
    names = _trained(component, params, x)
    yield params, x, ["x", *names]
    values, size = torch.tensor(places(component), dtype=torch.float64), x[0].numel()
    values = values.repeat(1 + size // len(values))
    count = len(values) // size
    yield params, values[: count * size].reshape(count, *x.shape[1:]), ["x"]
    if names and len([*spec.components(component)]) == 1:  # within layers a parameter of 0 may put every row on a kink
        yield params | {name: torch.zeros_like(params[name]) for name in names}, x[:2], ["x", *names]


def _differences(component: Layer, params: Numbers, x: Tensor, name: str) -> float:
    def case(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        def total(at: Tensor) -> Tensor:
            inputs = (params, at) if name == "x" else ({**params, name: at}, x)
            return component.forward(*inputs, rng(7))[0] * grad

        value, got = x if name == "x" else params[name], _passed(component, params, x, grad, 7)[f"d{name}"]
        return got, between(numeric(total, value, -1), got, numeric(total, value, 1))

    inputs = {"x": x, "grad": _grad(component, params, x)}
    return agree(f"derivative by {name}, with rng = torch.Generator().manual_seed(7)", case, inputs, 1e-5, 1e-6, params)


def layer_pure(component: Layer) -> float:
    """params and inputs are left alone, dtype is kept, shapes are those that build said, param_grads gives the same"""
    params, x, out_shape = built(component)
    for dtype in (torch.float32, torch.float64):
        inputs = {"x": x.to(dtype), **{name: each.to(dtype) for name, each in params.items()}}
        typed = {name: inputs[name] for name in params}
        check = untouched("the layer", inputs)
        y, saved = component.forward(typed, inputs["x"], rng(7))
        need(tuple(y.shape[1:]) == out_shape, f"build promised rows of {out_shape}, forward gives {tuple(y.shape[1:])}")
        grad = rand(*y.shape, seed=3, dtype=dtype)
        held = untouched("backward", {"grad": grad})
        dx, grads = component.backward(typed, saved, grad)
        again = component.param_grads(typed, saved, grad)
        held()
        check()
        need(y.dtype == dx.dtype == dtype, f"dtype {dtype} became {y.dtype} and {dx.dtype}")
        need(dx.shape == x.shape, f"dx must have shape {tuple(x.shape)}, got {tuple(dx.shape)}")
        for name, each in _complete(component, typed, x, grads).items():
            need(each.shape == typed[name[1:]].shape, f"the gradient of {name[1:]} must have its shape")
            need(torch.equal(again[name[1:]], each), f"param_grads and backward differ in {name[1:]}")
    return 0.0


def layer_again(component: Layer) -> float:
    """the same input gives the same numbers, whatever was asked in between: what is remembered is in saved alone"""
    params, x, _ = built(component)
    grad = _grad(component, params, x)
    inputs = {"x": x, "grad": grad, **params}
    for seed, how in ((7, "while training"), (None, "in evaluation")):
        wanted = _passed(component, params, x, grad, seed)
        y, saved = component.forward(params, x, None if seed is None else rng(seed))
        need(torch.equal(y, wanted["y"]), f"forward gives other numbers the second time, {how}", **inputs)
        component.forward(params, -x, None if seed is None else rng(8))
        for _ in range(2):
            dx, grads = component.backward(params, saved, grad)
            got = {"dx": dx, **_complete(component, params, x, grads)}
            same = all(torch.equal(got[name], wanted[name]) for name in got)
            need(
                same,
                f"backward gives other numbers after another forward, {how}: saved must hold all it needs",
                **inputs,
            )
    return 0.0


def layer_rows(component: Layer) -> float:
    """in evaluation each row is treated alone, in any memory order; no rows give no rows, unless torch derives it"""
    params, x, out_shape = built(component)

    def alone(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        return component.forward(params, x)[0], torch.cat([component.forward(params, each)[0] for each in x.split(1)])

    agree("rows are independent in evaluation", alone, {"x": x, "grad": _grad(component, params, x)}, fixed=params)
    if x.ndim == 2:
        _turned(component, params, x)
    for seed in (7, None) if not component.derived else ():  # some modules of torch refuse no rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own about statistics of nothing
            none = _passed(component, params, x[:0], rand(0, *out_shape), seed)
        need(none["y"].shape == (0, *out_shape) and none["dx"].shape == x[:0].shape, "no rows must give no rows")
        names = _trained(component, params, x)
        need(all(bool((none[f"d{name}"] == 0).all()) for name in names), "without rows the gradients must be 0")
    return 0.0


def _turned(component: Layer, params: Numbers, x: Tensor) -> None:
    """In evaluation: while training, random numbers may be drawn in the order of memory."""
    grad = _grad(component, params, x)
    across = [each.t().contiguous().t() if each.ndim == 2 else each for each in (x, grad)]
    plain, turned = _passed(component, params, x, grad), _passed(component, params, across[0], across[1])
    for name in plain:
        same = plain[name].shape == turned[name].shape and torch.allclose(plain[name], turned[name], 1e-9, 1e-9)
        need(same, f"{name} differs where columns follow each other in memory", x=x, grad=grad, **params)


def layer_single(component: Layer) -> float:
    """float32 gives the numbers of float64, to float32 rounding"""
    params, x, _ = built(component)
    single = {name: each.float() for name, each in params.items()}
    inputs = {"x": x.float(), "grad": _grad(component, params, x).float()}
    double = {name: each.double() for name, each in single.items()}

    def case(x: Tensor, grad: Tensor, name: str) -> tuple[Tensor, Tensor]:
        one, two = _passed(component, single, x, grad), _passed(component, double, x.double(), grad.double())
        return one[name].double(), two[name]

    names = ["y", "dx", *(f"d{name}" for name in _trained(component, params, x))]
    return max(
        agree(f"float32 against float64: {name}", partial(case, name=name), inputs, 1e-4, 1e-4, single)
        for name in names
    )


def layer_seeded(component: Layer) -> float:
    """build gives the same parameters for the same seed, and uses no other source of random numbers"""
    shape = tuple(built(component)[1].shape[1:])
    one, two = (component.build(shape, rng(4))[0] for _ in range(2))
    need(all(torch.equal(one[name], two[name]) for name in one), "build gives other parameters for the same seed")
    return 0.0


def layer_state(component: Layer) -> float:
    """what is kept has its names, shapes and finite numbers before and after a batch, and forward alone changes none"""
    params, x, _ = built(component)
    before = {name: each.double() for name, each in component.state(tuple(x.shape[1:])).items()}
    held = untouched("next_state", params)
    after = component.next_state(params, component.forward(params, x, rng(7))[1])
    held()
    need(set(after) == set(before), f"next_state must give each of {sorted(before)}, got {sorted(after)}")
    for name, each in after.items():
        need(each.shape == before[name].shape, f"{name}: shape {tuple(before[name].shape)} became {tuple(each.shape)}")
        need(bool(torch.isfinite(each).all() and torch.isfinite(before[name]).all()), f"{name} must be finite")
    return 0.0


def layer_in_a_batch(component: Layer) -> float:
    """unless it says mixes_rows, a row is treated alone while training as well: where nothing is drawn at random"""
    params, x, _ = built(component)
    draws = not torch.equal(component.forward(params, x, rng(7))[0], component.forward(params, x, rng(8))[0])
    if component.mixes_rows or draws:
        return 0.0

    def alone(x: Tensor) -> tuple[Tensor, Tensor]:
        each = [component.forward(params, row, rng(7))[0] for row in x.split(1)]
        return component.forward(params, x, rng(7))[0], torch.cat(each)

    return agree("rows are independent while training, or mixes_rows is True", alone, {"x": x}, fixed=params)


def layer_shapes(component: Layer) -> float:
    """where keeps_shape is True, rows of every shape that build takes keep it, since an activation may come anywhere"""
    for shape in [component.in_shape] if component.in_shape else SHAPES if component.keeps_shape else ():
        try:
            params, out_shape = component.build(shape, rng())
        except ShapeError:
            continue
        x, kept = rand(5, *shape).float(), not component.keeps_shape or tuple(out_shape) == shape
        need(kept, f"keeps_shape is True, and rows of {shape} became {out_shape}")
        try:
            y, saved = component.forward({**params, **component.state(shape)}, x)
            dx, _ = component.backward({**params, **component.state(shape)}, saved, torch.ones_like(y))
        except Exception as error:
            rule = f"build takes rows of {shape}, so the others must, or it must raise a ShapeError"
            raise BrokenPromise(f"{rule}: {type(error).__name__}: {error}") from error
        found = tuple(y.shape[1:]), tuple(dx.shape[1:])
        need(found == (tuple(out_shape), shape), f"rows of {shape} gave y of {found[0]} and dx of {found[1]}")
    return 0.0


def layer_factors(component: Layer) -> float:
    """factors of the learning rate and the weight decay of a parameter are finite and at least 0"""
    params, x, _ = built(component)
    for name in _trained(component, params, x):
        found = component.factors(name)
        fine = len(found) == 2 and all(0 <= factor < math.inf for factor in found)
        need(fine, f"factors({name!r}) must be two finite numbers of at least 0, got {found}")
    return 0.0


PROMISES = [layer_pure, layer_again, layer_derivative, layer_single, layer_rows, layer_seeded]
PROMISES += [layer_state, layer_in_a_batch, layer_shapes, layer_factors]
