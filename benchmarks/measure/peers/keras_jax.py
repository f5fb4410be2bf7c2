"""Keras on JAX: `Model.fit` with its defaults."""

from __future__ import annotations

import keras

from measure.cases import Case, Data
from measure.peers.jax_common import REMARK
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    hidden = [keras.layers.Dense(units, activation="relu") for units in case.sizes[1:-1]]
    head = keras.layers.Dense(case.sizes[-1], activation="softmax")
    net = keras.Sequential([keras.Input((case.sizes[0],)), *hidden, head])
    kind = keras.optimizers.Adam if case.optimizer == "adam" else keras.optimizers.SGD
    net.compile(optimizer=kind(learning_rate=case.alpha), loss="categorical_crossentropy")

    def epoch() -> None:
        net.fit(rows.x, rows.onehot, batch_size=case.batch, epochs=1, shuffle=True, verbose=0)

    remark = f"{keras.backend.backend()} backend, {REMARK}"
    return training(epoch, lambda x: net.predict(x, batch_size=4096, verbose=0), rows, case.epochs, remark)
