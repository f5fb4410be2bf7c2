"""JAX, one compiled call an epoch: a scan over the batches of a permutation that comes from NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from measure.cases import Case, Data
from measure.peers import jax_common as common
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    one, now, rng = common.step(case), common.start(case), np.random.default_rng(0)
    x, y = jnp.asarray(rows.x), jnp.asarray(rows.onehot)

    def whole(params: Any, state: Any, x: Array, y: Array, order: Array) -> Any:
        step = lambda now, picked: (one(*now, x[picked], y[picked]), None)  # noqa: E731
        return jax.lax.scan(step, (params, state), order)[0]

    compiled = jax.jit(whole, donate_argnums=(0, 1))

    def epoch() -> None:
        nonlocal now
        order = rng.permutation(len(x)).astype(np.int32).reshape(-1, case.batch)
        now = jax.block_until_ready(compiled(*now, x, y, order))

    return training(epoch, lambda x: common.probabilities(now[0], x), rows, case.epochs, common.REMARK)
