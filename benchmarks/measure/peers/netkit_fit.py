"""netkit through its public face: `Model.fit`, shuffling, no metrics."""

from __future__ import annotations

import torch

from measure.cases import Case, Data
from measure.work import Work, training
from netkit import Dense, Model


def model(case: Case) -> Model:
    """The network as a netkit model."""
    pairs = list(zip(case.sizes, case.sizes[1:]))
    heads = [case.activation] * (len(pairs) - 1) + ["softmax"]
    layers = [Dense(inputdim=a, units=b, activation=head) for (a, b), head in zip(pairs, heads)]
    return Model(layers, loss="categorical_cross_entropy")


def trainer(case: Case, rows: Data) -> Work:
    """One call of `fit` a turn: what `fit` does before its first step is part of the time."""
    net, x, y = model(case), torch.from_numpy(rows.x), torch.from_numpy(rows.onehot)

    def turn() -> None:
        net.fit(
            x,
            y,
            batch=case.batch,
            alpha=case.alpha,
            epochs=case.epochs,
            optimizer=case.optimizer,
            shuffle=True,
            metrics=[],
            progress=False,
        )

    return training(turn, lambda x: net.predict(x).numpy(), rows, 1, f"{torch.get_num_threads()} threads")
