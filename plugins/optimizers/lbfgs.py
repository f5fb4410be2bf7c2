"""Steps that know the curvature of the way behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor

from netkit import Optimizer

__all__ = ["Lbfgs"]

FLAT = 1e-10
"""Curvature s.y / y.y up to which a pair tells nothing: a negative one would lead uphill."""


@dataclass(frozen=True)
class Lbfgs(Optimizer):
    """w -= alpha H g, H the inverse curvature that the last `history` steps s and changes y of the gradient tell.

    Limited-memory BFGS without a line search; in its place H g is cut off at length 1, so no step is longer than alpha.
    H starts as s.y / y.y of the newest pair, or as 1 before there is one. For whole batches (`batch` as large as the
    table): gradients of other rows differ by more than curvature. Memory: 2 `history` + 2 vectors of parameters.
    Source: Nocedal 1980.
    """

    history: Annotated[int, Meta(ge=1)] = 10
    alpha = 1.0

    @classmethod
    def examples(cls) -> Iterator[Lbfgs]:
        yield from (cls(), cls(history=2))

    def start(self, params: Tensor) -> dict[str, Any]:
        steps, grads = params.new_zeros(self.history, params.numel()), torch.zeros_like(params)
        return {"params": params.clone(), "grads": grads, "steps": steps, "changes": steps.clone()}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        _remember(state, params - state["params"], grads - state["grads"])
        state["params"].copy_(params)
        state["grads"].copy_(grads)
        direction = _direction(state, grads)
        params -= alpha * (direction / direction.norm().clamp_min(1))


def _remember(state: dict[str, Any], step: Tensor, change: Tensor) -> None:
    """The pair behind the others, and the oldest is forgotten; before the first step there is none, s is 0."""
    curvature, size, least = float(step @ change), float(change @ change), torch.finfo(step.dtype)
    if curvature > FLAT * size and size > least.tiny / least.eps:  # a smaller square has lost its digits
        for rows, row in (state["steps"], step), (state["changes"], change):
            rows.copy_(rows.roll(-1, 0))
            rows[-1] = row


def _direction(state: dict[str, Any], grads: Tensor) -> Tensor:
    """H g by two loops over the pairs, the newest first and then the oldest first."""
    curvatures = (state["steps"] * state["changes"]).sum(1).tolist()
    pairs = [pair for pair in zip(state["steps"], state["changes"], curvatures) if pair[2]]
    q, shares = grads.clone(), []
    for s, y, curvature in reversed(pairs):
        shares.append(s @ q / curvature)
        q -= shares[-1] * y
    for _, y, curvature in pairs[-1:]:
        q *= curvature / (y @ y)
    for (s, y, curvature), share in zip(pairs, reversed(shares)):
        q += (share - y @ q / curvature) * s
    return q
