"""Components from their forward alone: torch works out the gradient.

    @derived.activation
    def swish(z, beta: float = 1.0):
        \"\"\"z sigmoid(beta z), (n, ...) to the same shape (arXiv:1710.05941).\"\"\"
        return z * torch.sigmoid(beta * z)

What comes back is a class like any other: arguments after the tensors are its settings. It costs a second forward in
every backward, and `netkit check` says how much slower that is than the hand-written form.
"""

from __future__ import annotations

import inspect
import types
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Union, get_args, get_origin

import msgspec
import torch
from torch import Generator, Tensor, nn

from netkit.errors import PluginError, SettingError, ShapeError
from netkit.kinds import Activation, Component, Layer, Loss, Params, Shape
from netkit.tensors import like

__all__ = ["MAKERS", "ModuleLayer", "activation", "layer", "loss"]


def activation(f: Callable[..., Tensor], **promises: Any) -> type[Activation]:
    """An activation from a = f(z, ...). `promises` are attributes of `Activation`, such as outputs="unit"."""

    def forward(self: Any, z: Tensor) -> Tensor:
        return f(z, **vars(self))

    def backward(self: Any, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return _pulled(lambda z: f(z, **vars(self)), z, grad)

    return _made(Activation, f, 1, {"forward": forward, "backward": backward, **promises})


def loss(f: Callable[..., Tensor], **promises: Any) -> type[Loss]:
    """A loss from values = f(prediction, target, ...), (n, ...) to (n,). `promises` are attributes of `Loss`, such as
    task="binary". Calling it raises `ShapeError` when f does not give one value a row."""

    def call(self: Any, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        target = like(prediction, target)
        values, pull = torch.func.vjp(lambda p: f(p, target, **vars(self)), prediction)[:2]
        if values.shape != prediction.shape[:1]:
            rows, got = tuple(prediction.shape[:1]), tuple(values.shape)
            raise ShapeError(f"{f.__name__}: one value a row is needed, shape {rows}, got {got}")
        return values.detach(), pull(torch.ones_like(values))[0].detach()

    return _made(Loss, f, 2, {"__call__": call, **promises})


def layer(module: type[nn.Module]) -> type[Layer]:
    """A layer from a module class: its parameters are the module's, its settings the arguments of `__init__`.

    Raises `PluginError` for anything else.
    """

    if not (isinstance(module, type) and issubclass(module, nn.Module)):
        raise PluginError(f"layer: a class derived from torch.nn.Module is needed, got {module!r}")

    def make(self: Any) -> nn.Module:
        return module(**{name: value for name, value in vars(self).items() if name not in ("device", "dtype")})

    return _made(ModuleLayer, module, 0, {"make": make})


MAKERS: dict[str, Callable[[Any], type[Any]]] = {Activation.kind: activation, Loss.kind: loss, Layer.kind: layer}
"""For each kind that can be derived, what turns a function (or a module class) into a component."""


class ModuleLayer(Layer):
    """A layer around a `torch.nn.Module`. Derive from it and say in `make` which one."""

    derived = True

    @abstractmethod
    def make(self) -> nn.Module:
        """The module, new. Called once for its starting weights and once for its shape."""

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(rng))
            module = _checked(self)
            params = {name: value.detach().clone() for name, value in module.named_parameters()}
            return params, _out_shape(module, params, in_shape)

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        seed = None if rng is None else _seed(rng)
        return _run(self, dict(params), x, seed).detach(), (x, seed)

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        x, seed = saved
        pull = torch.func.vjp(lambda params, x: _run(self, params, x, seed), dict(params), x)[1]
        grads, dx = pull(grad)
        return dx.detach(), {name: value.detach() for name, value in grads.items()}


@lru_cache(maxsize=256)
def _empty(component: ModuleLayer) -> nn.Module:
    """The module without weights of its own: every call brings them."""
    with torch.device("meta"):
        return component.make()


def _checked(component: ModuleLayer) -> nn.Module:
    try:
        module = component.make()
    except SettingError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"{type(component).__name__}: {' '.join(str(error).split())}") from None
    who, lazy = type(module).__name__, nn.parameter.UninitializedParameter
    if kept := [name for name, _ in module.named_buffers()]:
        raise SettingError(f"{who}: keeps {kept[0]} between steps; a layer may not")
    if unknown := [name for name, value in module.named_parameters() if isinstance(value, lazy)]:
        raise SettingError(f"{who}: leaves the size of {unknown[0]} open; a layer must say it")
    return module


def _out_shape(module: nn.Module, params: dict[str, Tensor], in_shape: Shape) -> Shape:
    """The shape of one output row, from a row of zeros in evaluation and in training."""
    who, x = type(module).__name__, torch.zeros(1, *in_shape)
    try:
        torch.func.functional_call(module.train(), params, (x,))
        y = torch.func.functional_call(module.eval(), params, (x,))
    except (RuntimeError, IndexError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ShapeError(f"{who}: rows of shape {tuple(in_shape)} do not fit: {reason}") from None
    except (TypeError, NotImplementedError) as error:
        raise SettingError(f"{who}: a module of one tensor is needed: {' '.join(str(error).split())}") from None
    if not isinstance(y, Tensor):
        raise SettingError(f"{who}: a module that gives one tensor is needed, got {type(y).__name__}")
    if x._version:
        raise SettingError(f"{who}: changes its input in place; a layer may not")
    return tuple(y.shape[1:])


def _run(component: ModuleLayer, params: dict[str, Tensor], x: Tensor, seed: int | None) -> Tensor:
    module = _empty(component).train(seed is not None)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        y: Tensor = torch.func.functional_call(module, params, (x,))
    return y


def _seed(rng: Generator) -> int:
    return int(torch.randint(2**62, (), generator=rng))


def _pulled(f: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> Tensor:
    pull = torch.func.vjp(f, x)[1]
    by_input: Tensor = pull(grad)[0].detach()
    return by_input


def _signature(f: Any) -> inspect.Signature:
    try:
        return inspect.signature(f, eval_str=True)
    except NameError:  # names for a type checker alone: `spec.hints` will say so
        return inspect.signature(f)


def _rule(annotation: Any) -> Any:
    """An annotation as the rule of a setting: lists are tuples, which can be compared; Any where it is unclear."""
    if annotation is inspect.Parameter.empty:
        return Any
    if isinstance(annotation, str):
        return annotation
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if any(isinstance(each, type) and issubclass(each, Component) for each in parts):
        return annotation
    rule: Any = reduce(or_, map(_tuple, parts))
    try:
        msgspec.convert(None, rule)
    except msgspec.ValidationError:
        return rule
    except TypeError:
        return Any
    return rule


def _tuple(hint: Any) -> Any:
    if hint is torch.Size:
        return tuple[int, ...]
    return tuple.__class_getitem__((*get_args(hint), ...)) if get_origin(hint) is list else hint


def _made(base: type[Any], f: Any, tensors: int, methods: dict[str, Any]) -> type[Any]:
    """A component class of this base, whose settings are the arguments of f after its tensors."""
    if tensors and isinstance(f, type):
        raise PluginError(f"{f.__name__}: a function is needed, got a class")
    arguments = list(_signature(f).parameters.values())[tensors:]
    arguments = [each for each in arguments if each.name not in ("device", "dtype")]
    for each in arguments:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            raise PluginError(f"{f.__name__}: every setting needs a name, got *{each.name}")
    about = {
        "__doc__": f.__doc__,
        "__module__": f.__module__,
        "__qualname__": f.__qualname__,
        "derived": True,
        "__annotations__": {each.name: _rule(each.annotation) for each in arguments},
        **{each.name: each.default for each in arguments if each.default is not each.empty},
    }
    return dataclass(frozen=True)(type(f.__name__, (base,), about | methods))
