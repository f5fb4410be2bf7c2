"""What methods take and what they give back, before any number is compared: arguments, tensors, pairs, and no nan."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from netkit.errors import ShapeError
from netkit.kinds import KINDS, Activation, Component, Initializer, Layer, Loss, Metric, Optimizer
from netkit.testing.comparing import need, rand, rng
from netkit.testing.layers import SHAPES, built
from netkit.testing.losses import judged
from netkit.testing.metrics import scored
from netkit.testing.sampling import fits

__all__ = ["ANSWERS", "arguments"]


def arguments(component: Component) -> float:
    """its methods take what those of its kind take"""
    for name, promised in vars(KINDS[component.kind]).items():
        if inspect.isfunction(promised) and (name == "__call__" or name[0] != "_"):
            wanted = list(inspect.signature(promised).parameters.values())[1:]
            own = inspect.signature(getattr(component, name))
            fits = all(
                _takes(own, count) for count in (len(wanted), sum(each.default is each.empty for each in wanted))
            )
            need(fits, f"{name} must take {_words(wanted)}, it takes {_words(own.parameters.values())}")
    return 0.0


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _words(parameters: Any) -> str:
    """Parameters without their annotations."""
    return str(inspect.Signature([each.replace(annotation=each.empty) for each in parameters]))


def activation(component: Activation) -> float:
    """forward and backward give tensors, nowhere nan, and backward makes use of grad"""
    for n, k, size in ((5, 4, 1), (130, 70, 50)):
        if not fits(component, (k,)):
            continue
        for dtype in (torch.float32, torch.float64):
            z, grad = size * rand(n, k, dtype=dtype), rand(n, k, seed=1, dtype=dtype)
            a = _tensor("forward", component.forward(z.clone()))
            _no_nan("forward", a, z=z)
            dz = _tensor("backward", component.backward(grad.clone(), z.clone(), a))
            _no_nan("backward", dz, z=z, grad=grad)
            _by_grad(dz, component.backward(2 * grad, z.clone(), a))
    return 0.0


def _by_grad(one: Tensor, two: Tensor) -> None:
    """What backward gives for grad, and for twice of it."""
    same = one.shape == two.shape and torch.equal(one, two) and bool(one.any())
    need(not same, "backward gives the same for grad and for 2 grad: is grad multiplied in, as in f'(z) grad?")


def layer(component: Layer) -> float:
    """build gives parameters of floating numbers that require no gradient; forward and backward give pairs, no nan"""
    _tried_to_build(component)
    params, x, _ = built(component)
    for source in (rng(7), None):
        y, saved = _pair("forward", component.forward(params, x.clone(), source), "(y, saved)")
        _no_nan("forward", _tensor("forward: y", y), x=x)
        grad = rand(*y.shape, seed=3)
        dx, grads = _back(component, params, saved, grad)
        _no_nan("backward", dx, x=x)
        _by_grad(dx, _back(component, params, saved, 2 * grad)[0])
        for name, each in _mapping("param_grads", component.param_grads(params, saved, grad)).items():
            _no_nan(f"the gradient of {name}", _tensor(f"param_grads: {name}", each))
            _tensor(f"backward: {name}", grads.get(name, each))
    return 0.0


def _back(component: Layer, params: dict[str, Tensor], saved: Any, grad: Tensor) -> tuple[Tensor, Mapping[str, Any]]:
    dx, grads = _pair("backward", component.backward(params, saved, grad), "(dx, gradients by name)")
    return _tensor("backward: dx", dx), _mapping("backward: gradients", grads)


def _tried_to_build(component: Layer) -> None:
    for shape in [component.in_shape] if component.in_shape else SHAPES:
        try:
            made = component.build(shape, rng())
        except ShapeError:
            continue
        params, out_shape = _pair("build", made, "(parameters by name, shape of an output row)")
        need(
            isinstance(out_shape, tuple) and all(isinstance(size, int) for size in out_shape),
            f"build must give the shape of an output row as a tuple of whole numbers, got {out_shape!r}",
        )
        for name, each in _mapping("build: parameters", params).items():
            given = _tensor(f"build: {name}", each)
            need(given.is_floating_point(), f"parameter {name} must be of floating numbers, got {given.dtype}")
            need(not given.requires_grad, f"parameter {name} must not require a gradient: netkit derives by no tape")
        return


def loss(component: Loss) -> float:
    """a call gives a pair of tensors, nowhere nan"""
    prediction, target = judged(component)
    values, gradient = _pair("the loss", component(prediction.clone(), target.clone()), "(values, gradient)")
    _no_nan("the loss", _tensor("the loss: values", values), prediction=prediction, target=target)
    _no_nan("the gradient", _tensor("the loss: gradient", gradient), prediction=prediction, target=target)
    return 0.0


def metric(component: Metric) -> float:
    """tally gives a tensor, nowhere nan"""
    prediction, target = scored(component)
    _no_nan("tally", _tensor("tally", component.tally(prediction.clone(), target.clone())))
    return 0.0


def optimizer(component: Optimizer) -> float:
    """start gives a dictionary, and step changes params in place"""
    params, grads = rand(20), rand(20, seed=1)
    before = params.clone()
    state = _mapping("start", component.start(params))
    component.step(params, grads, dict(state), 0.01)
    rule = (
        "step left params as they are: change them in place, as in params -= alpha * grads, not params = params - ..."
    )
    need(not torch.equal(params, before), rule)
    _no_nan("step", params, params=before, grads=grads)
    return 0.0


def initializer(component: Initializer) -> float:
    """a call gives a tensor, nowhere nan"""
    _no_nan("the initializer", _tensor("the initializer", component((5, 3), 5, 3, rng())))
    return 0.0


def _tensor(who: str, given: Any) -> Tensor:
    need(isinstance(given, Tensor), f"{who} must be a torch tensor, got {_kind(given)}")
    found: Tensor = given
    return found


def _pair(method: str, given: Any, wanted: str) -> tuple[Any, Any]:
    need(isinstance(given, tuple) and len(given) == 2, f"{method} must give {wanted}, got {_kind(given)}")
    one, two = given
    return one, two


def _mapping(who: str, given: Any) -> Mapping[str, Any]:
    need(isinstance(given, Mapping), f"{who} must be a dictionary by name, got {_kind(given)}")
    found: Mapping[str, Any] = given
    return found


def _kind(given: Any) -> str:
    """What a value is: `numpy.ndarray`, `a tuple of 3`."""
    if isinstance(given, tuple):
        return f"a tuple of {len(given)}"
    name = type(given).__qualname__
    return name if type(given).__module__ == "builtins" else f"{type(given).__module__.partition('.')[0]}.{name}"


def _no_nan(who: str, result: Tensor, **inputs: Tensor) -> None:
    """Says the smallest input at which there is a nan, or the row where the result has another shape."""
    bad = result.isnan()
    if not bad.any():
        return
    name, first = next(iter(inputs.items()), ("", result))
    if not inputs or not (first.ndim and len(first) == len(result)):
        need(False, f"{who} gives nan")
    where = first[bad] if first.shape == result.shape else None
    nearest = None if where is None else where[where.abs().argmin()]
    row = int(bad.nonzero()[0][0] if nearest is None else ((first == nearest) & bad).nonzero()[0][0])
    at = f"in row {row}" if nearest is None else f"at {name} = {float(nearest):.4g}"
    single = f" in {str(result.dtype).removeprefix('torch.')}"
    need(False, f"{who} gives nan {at}{single}", **{name: each[row : row + 1] for name, each in inputs.items()})


ANSWERS: dict[type[Component], list[Callable[[Any], float]]] = {
    Activation: [activation],
    Layer: [layer],
    Loss: [loss],
    Metric: [metric],
    Optimizer: [optimizer],
    Initializer: [initializer],
}
"""What is looked at first: what breaks it would make every later message a riddle."""
