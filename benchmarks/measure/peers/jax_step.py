"""JAX, one compiled call a step; the batch is gathered inside it, the permutation comes from NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from measure.cases import Case, Data
from measure.peers import jax_common as common
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    one, now, rng = common.step(case), common.start(case), np.random.default_rng(0)
    x, y = jnp.asarray(rows.x), jnp.asarray(rows.onehot)
    step = jax.jit(lambda params, state, x, y, picked: one(params, state, x[picked], y[picked]), donate_argnums=(0, 1))

    def epoch() -> None:
        nonlocal now
        for picked in rng.permutation(len(x)).astype(np.int32).reshape(-1, case.batch):
            now = step(*now, x, y, picked)
        jax.block_until_ready(now)

    return training(epoch, lambda x: common.probabilities(now[0], x), rows, case.epochs, common.REMARK)
