"""What the peers on JAX share: the loss and one step of SGD or Adam, written as pure functions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from measure.cases import Case, weights

REMARK = f"XLA, {os.cpu_count()} threads"


def logits(params: Any, x: Array) -> Array:
    for w, b in params[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def loss(params: Any, x: Array, y: Array) -> Array:
    return -(jax.nn.log_softmax(logits(params, x)) * y).sum(1).mean()


def start(case: Case) -> tuple[Any, Any]:
    """Parameters, and the state of the optimizer."""
    params = jax.tree.map(jnp.asarray, weights(case.sizes))
    zeros = lambda: jax.tree.map(jnp.zeros_like, params)  # noqa: E731
    return params, (zeros(), zeros(), jnp.zeros(())) if case.optimizer == "adam" else ()


def step(case: Case) -> Callable[..., tuple[Any, Any]]:
    """(params, state, x, y) -> (params, state)."""
    update = _adam if case.optimizer == "adam" else _sgd

    def step(params: Any, state: Any, x: Array, y: Array) -> tuple[Any, Any]:
        return update(params, jax.grad(loss)(params, x, y), state, case.alpha)

    return step


def probabilities(params: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(jax.nn.softmax(logits(params, x)))


def _sgd(params: Any, grads: Any, state: Any, alpha: float) -> tuple[Any, Any]:
    return jax.tree.map(lambda p, g: p - alpha * g, params, grads), state


def _adam(params: Any, grads: Any, state: Any, alpha: float) -> tuple[Any, Any]:
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    rate, spread = alpha / (1 - 0.9**t), 1 / (1 - 0.999**t)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * spread) + 1e-8), params, m, v)
    return params, (m, v, t)
