"""Operations bound to their operands once, so that a step can call them without arguments and without allocating.

`bind(torch.mul, grad, a, out=dz)` is a function of nothing that multiplies, by whichever route is fastest on this
machine for operands of this size, in their own precision:

    numpy     the same memory through numpy, whose calls cost a third of torch's: decides below a few thousand values
    torch     torch itself
    onednn    torch.mm through oneDNN, where that is found to be strict float32 and faster (on AMD, about twice as fast)
    bfloat16  torch.mm of rounded operands, within `rounded("bfloat16")` alone: three digits, added up in float32
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["SMALL", "Call", "bind", "bound", "described", "macs", "rounded", "running"]

Call = Callable[[], Any]

SMALL = 16384
"""Values up to which numpy's elementwise operations are faster than torch's."""
FEW = 2**18
"""Multiply-adds up to which numpy's product is faster; it also stays on one thread there."""
MANY = 1_500_000
"""Multiply-adds from which on oneDNN's fixed cost of some 10 microseconds pays."""
ALONE = 1_000_000
"""Multiply-adds of the largest product up to which a second thread costs more than it brings."""
LIMITS: dict[Any, int] = {torch.sign: 1024}
"""Where numpy is faster for fewer values than elsewhere."""
FLOATS = (torch.float32, torch.float64)
TWINS: dict[Any, Any] = {
    torch.mul: np.multiply,
    torch.sub: np.subtract,
    torch.add: np.add,
    torch.div: np.divide,
    torch.neg: np.negative,
    torch.abs: np.abs,
    torch.sign: np.sign,
    torch.maximum: np.maximum,
    torch.minimum: np.minimum,
    torch.gt: np.greater,
    torch.ge: np.greater_equal,
    torch.lt: np.less,
    torch.le: np.less_equal,
}
"""What numpy calls an operation that it rounds as torch does."""


def bind(operation: Callable[..., Any], *operands: Any, out: Tensor, **settings: Any) -> Call:
    """operation(*operands, out=out), to be called many times while the memory of the operands changes.

    Numbers among the operands of an elementwise operation are allowed. `out` may be one of its operands, except in a
    product.
    """
    if operation is torch.mm:
        return _product(operands[0], operands[1], out)
    if operation is torch.where and not settings and len(operands) == 3 and _small(SMALL, out, out, *operands[1:]):
        chosen = _choice(*operands, out)
        if chosen is not None:
            return chosen
    if operation in TWINS and not settings and _small(LIMITS.get(operation, SMALL), out, *operands):
        like = next(each for each in operands if isinstance(each, Tensor))
        values = [each if isinstance(each, Tensor) else torch.full_like(like, each) for each in operands]
        arrays, result = [_memory(each) for each in values], _memory(out)
        if operation in (torch.maximum, torch.minimum):  # by name alone; elsewhere by place, a little faster
            return partial(TWINS[operation], *arrays, out=result)
        return partial(TWINS[operation], *arrays, result)
    return partial(operation, *operands, out=out, **settings)


bound = bind
"""The name of `bind` in netkit 0.1."""


def _choice(condition: Any, a: Any, b: Any, out: Tensor) -> Call | None:
    """torch.where by masks of bits: torch's own branches, and at random signs guesses half of them wrong."""
    if (
        not isinstance(condition, Tensor)
        or condition.dtype != torch.bool
        or (condition.shape, condition.stride()) != (out.shape, out.stride())
    ):
        return None
    bits = np.int32 if out.dtype == torch.float32 else np.int64
    a, b, result = (
        _memory(each if isinstance(each, Tensor) else torch.full_like(out, each)).view(bits) for each in (a, b, out)
    )
    choice = _memory(condition).view(np.int8)
    return partial(_choose, choice, np.empty_like(choice), np.empty_like(result), a, b, np.empty_like(result), result)


def _choose(choice: Any, mask: Any, wide: Any, a: Any, b: Any, differing: Any, out: Any) -> None:
    """b, with the bits in which a differs where choice is 1."""
    np.negative(choice, mask)
    np.copyto(wide, mask)
    np.bitwise_xor(a, b, differing)
    np.bitwise_and(differing, wide, differing)
    np.bitwise_xor(differing, b, out)


def macs(call: Call) -> int:
    """Multiply-adds of a bound product, 0 for anything else."""
    function: Any = getattr(call, "func", None)
    operands: list[Any] = list(getattr(call, "args", ()))
    if _is_dot(function):
        operands.insert(0, function.__self__)
    elif function not in (torch.mm, _strict, _rounded):
        return 0
    return int(operands[0].shape[0] * operands[0].shape[1] * operands[1].shape[1])


def described(call: Call) -> tuple[str, str]:
    """(route, operation and shapes) of a bound call."""
    function: Any = getattr(call, "func", call)
    name = str(getattr(function, "__name__", type(function).__name__))
    every = [*getattr(call, "args", ()), *getattr(call, "keywords", {}).values()]
    if _is_dot(function):
        every = [function.__self__, *every]
    if function is _rounded:
        every = every[:3]
    if function is _choose:
        every = [every[0], *every[3:5], every[6]]
    *operands, out = ["x".join(map(str, each.shape)) for each in every if hasattr(each, "shape")] or [""]
    what = {
        "dot": "mm",
        "_strict": "mm",
        "_rounded": "mm",
        "multiply": "mul",
        "subtract": "sub",
        "_choose": "where",
    }.get(name, name.strip("_"))
    return _route(function), f"{what} {', '.join(operands)}{' -> ' if operands else ''}{out}".strip()


def _route(function: Any) -> str:
    if function in (_strict, _rounded):
        return "onednn" if function is _strict else "bfloat16"
    if _is_dot(function) or isinstance(function, np.ufunc) or function is _choose:
        return "numpy"
    modules = f"{getattr(function, '__module__', '')} {type(function).__module__}"
    own = isinstance(getattr(function, "__self__", None), Tensor) or "torch" in modules
    return "torch" if own or type(function).__name__ == "builtin_function_or_method" else "plain"


def _is_dot(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), np.ndarray) and function.__name__ == "dot"


@contextmanager
def running(threads: int | None) -> Iterator[None]:
    """While bound calls run: torch on that many threads, None for as many as it has, and numpy as silent as torch about
    overflow, which the loss shows soon enough."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with warnings.catch_warnings():  # np.errstate would cost a tenth of a microsecond in every call
            warnings.filterwarnings("ignore", r"\w[\w ]* encountered in ", RuntimeWarning)
            yield
    finally:
        torch.set_num_threads(before)


def _memory(values: Tensor) -> np.ndarray:
    """The numbers of a tensor in the order in which they lie, as one axis where there are no gaps: best for numpy."""
    order = sorted(range(values.ndim), key=values.stride, reverse=True)
    in_memory = values.permute(order)
    return (in_memory.view(-1) if in_memory.is_contiguous() else values).numpy()


def _small(limit: int, out: Tensor, *operands: Any) -> bool:
    """Whether numpy takes the operands as they are, and they are few."""
    tensors = [each for each in operands if isinstance(each, Tensor)]
    return (
        bool(tensors)
        and out.is_cpu
        and out.numel() <= limit
        and tensors[0].dtype in FLOATS
        and all(
            each.dtype == tensors[0].dtype and each.shape == out.shape and each.stride() == out.stride()
            for each in tensors
        )
    )


def _product(a: Tensor, b: Tensor, out: Tensor) -> Call:
    if not out.is_contiguous():  # the same product, transposed
        a, b, out = b.t(), a.t(), out.t()
    size = a.shape[0] * a.shape[1] * b.shape[1]
    if out.is_cpu and size <= FEW and out.is_contiguous():
        return partial(a.numpy().dot, b.numpy(), out.numpy())  # the method skips the dispatch of np.dot
    if _rounding.get() and out.dtype == torch.float32 and size >= MANY:
        return partial(_rounded, a, b, out, *(torch.empty_like(each, dtype=torch.bfloat16) for each in (a, b, out)))
    if out.is_cpu and out.dtype == torch.float32 and size >= MANY and onednn_pays():
        return partial(_strict, a, b, out)
    return partial(torch.mm, a, b, out=out)


def _strict(a: Tensor, b: Tensor, out: Tensor) -> None:
    """torch.mm by oneDNN. torch has one switch for the route, and it is process-wide: it is on for this call alone."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        torch.mm(a, b, out=out)
    finally:
        torch.set_float32_matmul_precision(before)


def _rounded(a: Tensor, b: Tensor, out: Tensor, a16: Tensor, b16: Tensor, out16: Tensor) -> None:
    """torch.mm of operands rounded to bfloat16, 8 bits: each is off by up to 0.4 percent, the result by as much."""
    a16.copy_(a)
    b16.copy_(b)
    torch.mm(a16, b16, out=out16)
    out.copy_(out16)


@contextmanager
def rounded(precision: str) -> Iterator[None]:
    """Large products that are bound in here take their operands in this precision: float32 (as is) or bfloat16."""
    token = _rounding.set(precision == "bfloat16")
    try:
        yield
    finally:
        _rounding.reset(token)


_rounding: ContextVar[bool] = ContextVar("rounding", default=False)


@cache
def onednn_pays() -> bool:
    """Whether oneDNN keeps float32's precision here and is at least 1.3 times as fast as torch's own: one probe for the
    process, of a few milliseconds. On CPUs with AMX it rounds to bfloat16, and is not used."""
    if not torch.backends.mkldnn.is_available():
        return False
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(128, 768, generator=rng), torch.randn(768, 256, generator=rng)
    out, own = torch.empty(128, 256), torch.empty(128, 256)
    routes: list[Call] = [partial(_strict, a, b, out), partial(torch.mm, a, b, out=own)]
    times = [[_seconds(route) for route in routes] for _ in range(8)]
    exact = a.double() @ b.double()
    errors = [float((product - exact).abs().max()) for product in (out, own)]
    best, plain = (min(column) for column in zip(*times))
    return errors[0] <= 4 * errors[1] and plain >= 1.3 * best


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
