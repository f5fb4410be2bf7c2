"""No training: the matrix products of the same steps, each alone, by the fastest route that torch has for it.

For every layer x W, dW = x^T dz and, but for the first, dx = dz W^T; W is tried as (units, inputs) and (inputs, units)
in memory, dW likewise. The routes are `torch.mm` into a kept buffer and oneDNN in strict float32.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from time import perf_counter

import torch
from torch import Tensor

from measure.cases import Case, Data
from measure.work import Work

Product = Callable[[], Tensor]
CALLS = 20
"""Calls of a route in each of the 5 trials that choose between them."""


def trainer(case: Case, rows: Data) -> Work:
    """A turn is each product in a row as often as there are steps, one after the other."""
    chosen = [_fastest(candidates) for candidates in _products(case)]

    def turn() -> None:
        for _, product in chosen:
            for _ in range(case.steps * case.epochs):
                product()

    remark = ", ".join(f"{sum(name == route for route, _ in chosen)} by {name}" for name in ("mm", "oneDNN"))
    return Work(turn, None, f"{torch.get_num_threads()} threads; {remark}")


def _products(case: Case) -> list[list[tuple[str, Product]]]:
    found = []
    for number, (inputs, units) in enumerate(pairwise(case.sizes)):
        x, dz, w = torch.randn(case.batch, inputs), torch.randn(case.batch, units), torch.randn(units, inputs)
        both = (w, w.t().contiguous().t())
        found.append([route for each in both for route in _routes(x, each.t())])
        found.append(_routes(dz.t(), x) + _routes(x.t(), dz))
        if number:
            found.append([route for each in both for route in _routes(dz, each)])
    return found


def _routes(a: Tensor, b: Tensor) -> list[tuple[str, Product]]:
    """a b by every route; each is held to the product in float64."""
    out, right = torch.empty(len(a), b.shape[1]), b.t()
    linear = torch.ops.mkldnn._linear_pointwise.default
    routes: list[tuple[str, Product]] = [("mm", lambda: torch.mm(a, b, out=out))]
    if torch.backends.mkldnn.is_available():
        routes.append(("oneDNN", lambda: linear(a, right, None, "none", [], "")))
    exact = a.double() @ b.double()
    return [(name, product) for name, product in routes if _close(product(), exact)]


def _close(found: Tensor, exact: Tensor) -> bool:
    """Whether this is float32 throughout: bfloat16 inside a product is off by a thousand times as much."""
    return bool((found - exact).abs().max() < 1e-5 * exact.abs().max())


def _fastest(candidates: list[tuple[str, Product]]) -> tuple[str, Product]:
    return min(candidates, key=lambda route: min(_seconds(route[1]) for _ in range(5)))


def _seconds(product: Product) -> float:
    start = perf_counter()
    for _ in range(CALLS):
        product()
    return perf_counter() - start
