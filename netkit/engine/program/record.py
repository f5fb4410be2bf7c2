"""Readable forms bound by recording them once.

A component is pure, so the operations that one call makes are those of every call on tensors of the same shapes, unless
it looks at the numbers. Where they are elementwise operations of torch and nothing else, the same operations are bound
to buffers, and a step makes them in place without the component's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from netkit.engine.program.operations import Call, bind, running

__all__ = ["record"]

ELEMENTWISE = frozenset(
    "abs add atan ceil clamp clamp_max clamp_min copysign cos cosh div eq erf exp exp2 expm1 floor ge gt "
    "hypot le log log1p log2 logical_and logical_not logical_or lt maximum minimum mul ne neg pow "
    "reciprocal round rsqrt sigmoid sign sin sinh sqrt square sub tan tanh where xlogy".split()
)
"""Functions of torch, and methods of tensors, that take `out=` and may write over their operands."""
FILLED = {"zeros_like", "ones_like", "full_like"}
"""Functions whose result is the same whatever the numbers are."""
LOOKS = {"__get__", "__len__", "size", "dim", "numel", "is_floating_point"}
"""Functions that tell of a tensor what its numbers do not decide, as long as they return no tensor."""
SAMPLES = 3


@dataclass
class _Step:
    """One operation as it was recorded: a function of torch (None for a constant), its operands, and its result."""

    function: Callable[..., Tensor] | None
    operands: tuple[Any, ...]
    settings: dict[str, Any]
    result: Tensor


class _Tape(TorchFunctionMode):
    """Writes down what is done with tensors while it lasts."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.steps: list[_Step] = []
        self.clear = True
        """Whether all of it was understood."""
        self._known = {id(each) for each in inputs}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        settings = kwargs or {}
        result, name = function(*args, **settings), function.__name__
        if isinstance(result, Tensor):
            self._see(name, args, settings, result)
        elif name not in LOOKS:
            self.clear = False
        return result

    def _see(self, name: str, args: tuple[Any, ...], settings: dict[str, Any], result: Tensor) -> None:
        operands = [each for each in (*args, *settings.values()) if not isinstance(each, (int, float))]
        known = all(id(each) in self._known for each in operands)
        if name == "__rsub__":
            self._add(torch.sub, args[::-1], settings, result)
        elif name == "__rdiv__":  # as torch does it
            upside = args[0].reciprocal()
            self._add(torch.reciprocal, args[:1], {}, upside)
            self._add(torch.mul, (upside, args[1]), {}, result)
        elif name in FILLED:
            self._add(None, (), {}, result)
        else:
            known = known and name in ELEMENTWISE
            self._add(getattr(torch, name, None), args, settings, result)
        self.clear = self.clear and known

    def _add(self, function: Any, operands: tuple[Any, ...], settings: dict[str, Any], result: Tensor) -> None:
        self._known.add(id(result))
        self.steps.append(_Step(function, operands, settings, result))


def record(function: Callable[..., Tensor], inputs: Sequence[Tensor], out: Tensor) -> list[Call] | None:
    """Calls that fill `out`, which may be the memory of one of the inputs, with function(*inputs), to the bit; nothing
    where the function does more than elementwise operations. The numbers in the inputs are lost."""
    try:
        _sample(inputs, 0)
        with _Tape(inputs) as tape:
            result = function(*inputs)
        if not tape.clear or result.shape != out.shape or result.dtype != out.dtype:
            return None
        calls = _bound(tape.steps, result, out)
        return calls if all(_same(function, inputs, out, calls, seed) for seed in range(SAMPLES)) else None
    except Exception:  # whatever is wrong with it, the readable form says it better
        return None


def _bound(steps: list[_Step], result: Tensor, out: Tensor) -> list[Call]:
    """The steps between buffers, each buffer taken again as soon as nobody reads it any more."""
    last = {
        id(operand): number
        for number, step in enumerate(steps)
        for operand in (*step.operands, *step.settings.values())
    }
    where: dict[int, Tensor] = {}
    buffers: set[int] = set()
    free: list[Tensor] = []
    calls: list[Call] = []
    for number, step in enumerate(steps):
        if step.function is None:
            where[id(step.result)] = step.result
            continue
        operands = [where.get(id(each), each) for each in step.operands]
        settings = {name: where.get(id(each), each) for name, each in step.settings.items()}
        free += [where[key] for key, end in last.items() if end == number and key in buffers]
        here = out if step.result is result and number == len(steps) - 1 else _buffer(free, step.result)
        where[id(step.result)] = here
        buffers.add(id(step.result))
        calls.append(bind(step.function, *operands, out=here, **settings))
    last_result = where.get(id(result), result)
    return calls if last_result is out else [*calls, partial(out.copy_, last_result)]


def _buffer(free: list[Tensor], like: Tensor) -> Tensor:
    for number, each in enumerate(free):
        if (each.shape, each.stride(), each.dtype) == (like.shape, like.stride(), like.dtype):
            return free.pop(number)
    return torch.empty_like(like)


def _same(function: Callable[..., Tensor], inputs: Sequence[Tensor], out: Tensor, calls: list[Call], seed: int) -> bool:
    """Whether the calls give the same bits as the function."""
    _sample(inputs, seed)
    wanted = function(*inputs).clone()
    with running(None):
        for call in calls:
            call()
    return bool(((out == wanted) | (out.isnan() & wanted.isnan())).all())


def _sample(inputs: Sequence[Tensor], seed: int) -> None:
    """Numbers of every size, of both signs, and zeros."""
    rng = torch.Generator(inputs[0].device).manual_seed(seed)
    for each in inputs:
        each.normal_(0, 3 * 10.0**seed, generator=rng)
        each.mul_(torch.rand(each.shape, generator=rng, device=each.device) > 0.1)
