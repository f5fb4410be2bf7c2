"""What is promised of activations: above all, that the derivative is that of the function, at any place and shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from netkit.engine.finite_differences import between, numeric
from netkit.kinds import Activation
from netkit.testing.comparing import agree, need, rand, rng, untouched
from netkit.testing.sampling import LARGE, OUTPUTS, fits, places, representable

__all__ = ["AT_ANY_SETTING", "PROMISES", "REMARKS"]

SIZES = [0.0, 1e-30, 1.0, 17.0, 45.0, 90.0, 350.0, 1400.0, 1e4, 1e9]
"""Where numbers must be finite."""
BEYOND = [1e13, 1e19, 1e25, 1e30, 3e38]
"""Where it is only remarked upon when they are not."""
GRID = [round(0.05 * i, 2) for i in range(-140, 141)] + [i / 3 for i in range(-21, 22)]
"""Where a kink may be, beside the places of `sampling.places`."""
SHAPES = [(1, 9), (1, 70), (2, 3, 5), (1, 2, 3, 4)]


def pure(component: Activation) -> float:
    """dtype and shape are kept, inputs are left alone, and the same input gives the same numbers"""
    need(component.outputs in OUTPUTS, f"outputs must be one of {', '.join(OUTPUTS)}, got {component.outputs!r}")
    for shape, size in (((5, 4), 1), ((130, 70), 50), ((2, 3, 4), 1)):
        if fits(component, shape[1:]):
            for dtype in (torch.float32, torch.float64):
                _pure(component, size * rand(*shape, dtype=dtype), rand(*shape, seed=1, dtype=dtype))
    return 0.0


def _pure(component: Activation, z: Tensor, grad: Tensor) -> None:
    check = untouched("forward", {"z": z})
    a = component.forward(z)
    check()
    check = untouched("backward", {"z": z, "grad": grad, "a": a})
    dz = component.backward(grad, z, a)
    check()
    need(a.shape == dz.shape == z.shape, f"shape {tuple(z.shape)} became {tuple(a.shape)} and {tuple(dz.shape)}")
    need(a.dtype == dz.dtype == z.dtype, f"dtype {z.dtype} became {a.dtype} and {dz.dtype}")
    again = component.forward(z)
    need(torch.equal(again, a), "forward gives other numbers the second time", z=z[:1])
    need(torch.equal(component.backward(grad, z, a), dz), "backward gives other numbers the second time", z=z[:1])
    component.forward(-2 * z)
    need(
        torch.equal(component.backward(grad, z, a), dz),
        "backward remembers the last forward: only z and a count",
        z=z[:1],
    )


def derivative(component: Activation) -> float:
    """backward is the derivative of forward: finite differences from both sides, in float64"""
    z = _sample(component)
    grad = rand(*z.shape, seed=9)
    worst = 0.0
    for row in range(len(z)):  # row by row, since the differences of one large value would drown those of the others
        worst = max(worst, _differences(component, z[row : row + 1], grad[row : row + 1]))
    return worst


def shapes(component: Activation) -> float:
    """backward is the derivative of forward in rows of many columns and of several axes, too"""
    fitting = [shape for shape in SHAPES if fits(component, shape[1:])]
    return max([0.0, *(_differences(component, rand(*shape, seed=4), rand(*shape, seed=5)) for shape in fitting)])


def _differences(component: Activation, z: Tensor, grad: Tensor) -> float:
    def case(z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        dz = component.backward(grad, z, component.forward(z))
        left, right = (numeric(lambda at: component.forward(at) * grad, z, side) for side in (-1, 1))
        return dz, between(left, dz, right)

    return agree("derivative", case, {"z": z, "grad": grad}, rtol=1e-5, atol=1e-6 * max(1.0, float(z.abs().max())))


def _sample(component: Any) -> Tensor:
    """(n, 3): possible kinks, and random numbers of sizes from 0.01 to 100."""
    every = sorted({*GRID, *places(component)}, key=lambda place: (abs(place), place))
    every += every[: -len(every) % 3]
    kinks = torch.tensor(every, dtype=torch.float64).reshape(3, -1).t()
    return torch.cat([kinks, *(rand(8, 3, seed=seed) * size for seed, size in enumerate((0.01, 0.1, 1, 3, 10, 100)))])


def autograd(component: Activation) -> float:
    """backward is what torch.autograd derives from forward, in float64, on a fine grid beside kinks"""

    def case(z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        leaf = z.clone().requires_grad_()
        [wanted] = torch.autograd.grad(component.forward(leaf), leaf, grad)
        got = component.backward(grad, z, component.forward(z))
        return got, torch.where(wanted.isnan(), got, wanted)  # torch gives nan behind a `where` that hides an infinity

    grid = (0.01 * torch.arange(-702, 702, dtype=torch.float64) + 0.00371).reshape(3, -1).t()
    z = torch.cat([3 * rand(40, 3, seed=1), grid])
    if not _traceable(component.forward, z):
        return 0.0
    return agree("derivative against torch.autograd", case, {"z": z, "grad": rand(*z.shape, seed=2)}, 1e-7, 1e-9)


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
        return both[0], representable(*both)

    grad = rand(60, 3, seed=2).float()
    near = torch.cat([rand(20, 3, seed=seed) * size for seed, size in enumerate((0.01, 1, 10))]).float()
    far = (
        rand(60, 3, seed=3).sign() * (40 + 60 * torch.rand(60, 3, generator=rng(4)))
    ).float()  # sin(30 z) loses digits here
    worst = agree("float32 against float64", case, {"z": near, "grad": grad}, rtol=1e-4, atol=1e-4)
    agree("float32 against float64", case, {"z": far, "grad": grad}, rtol=1e-2, atol=1e-2)
    return worst


def near_zero(component: Activation) -> float:
    """forward keeps its digits in float32 where z is small: nothing larger cancels"""

    def case(z: Tensor) -> tuple[Tensor, Tensor]:
        got, wanted = component.forward(z).double(), component.forward(z.double())
        return got, torch.where((got - wanted).abs() <= 2e-4 * z.abs(), got, wanted)  # as exact as z itself

    z = torch.cat([rand(20, 3, seed=6) * size for size in (1e-4, 1e-3)]).float()
    return agree("float32 against float64 near 0", case, {"z": z}, rtol=2e-4, atol=0)


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

    for shape in ((6, 4), (70, 9)):
        z, grad = rand(*shape), rand(*shape, seed=1)
        for turned in (z, z.t().contiguous().t()):
            agree("rows are independent", case, {"z": turned, "grad": grad})
    a = component.forward(z[:0])
    need(a.shape == component.backward(grad[:0], z[:0], a).shape == (0, 9), "no rows must give no rows")
    return 0.0


def extremes(component: Activation) -> float:
    """in float32 up to |z| = 1e9 never nan, infinite only where the number is too large, in the range of `outputs`"""
    z = _wide(SIZES)
    a, dz, fine = _at(component, z)
    for row in range(len(z)):
        message = f"must be finite: forward gives {a[row].tolist()}, backward {dz[row].tolist()}"
        need(fine[row].all(), message, z=z[row : row + 1])
    if component.outputs != "real":
        need(bool(((a >= 0) & (a <= 1)).all()), f"outputs = {component.outputs!r} promises values from 0 to 1", z=z)
    if component.outputs == "simplex":
        agree("rows add up to one", lambda z: (component.forward(z).sum(1), torch.ones(len(z))), {"z": z}, atol=1e-5)
    return 0.0


def overflow(component: Activation) -> str:
    """Where beyond 1e9 a number on the way is too large for float32, though the result is not."""
    z = _wide(BEYOND)
    hurt = z[~_at(component, z)[2]]
    return f"not finite in float32 from |z| = {float(hurt.abs().min()):.0e} on" if len(hurt) else ""


def _wide(sizes: list[float]) -> Tensor:
    """(n, 4): each size with both signs, beside each other."""
    return torch.tensor([[size, -size] for size in sizes]).repeat(1, 2)


def _at(component: Activation, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """a, its slope, and where both are finite or, which is allowed, infinite since float32 cannot hold them."""
    both = []
    for typed in (z, z.double()):
        a = component.forward(typed)
        both.append((a, component.backward(torch.ones_like(typed), typed, a)))
    fine = [torch.isfinite(got) | (wanted.abs() > LARGE) & ~got.isnan() for got, wanted in zip(*both)]
    return *both[0], fine[0] & fine[1]


AT_ANY_SETTING = [derivative, autograd]
PROMISES = [pure, derivative, shapes, autograd, single, near_zero, rows, extremes]
REMARKS = [overflow]
"""What is told of a component without holding it against it."""
