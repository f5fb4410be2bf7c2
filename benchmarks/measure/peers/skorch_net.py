"""skorch: NeuralNetClassifier without validation split and callbacks; `partial_fit` is one shuffled epoch."""

from __future__ import annotations

import torch
from skorch import NeuralNetClassifier

from measure.cases import Case, Data
from measure.peers import torch_common as common
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    adam = {"optimizer": torch.optim.Adam, "optimizer__fused": True}
    chosen = adam if case.optimizer == "adam" else {"optimizer": torch.optim.SGD}
    net = NeuralNetClassifier(
        common.module(case.sizes),
        criterion=torch.nn.CrossEntropyLoss,
        lr=case.alpha,
        max_epochs=1,
        verbose=0,
        batch_size=case.batch,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks="disable",
        classes=list(range(rows.classes)),
        **chosen,
    )
    net.initialize()

    def epoch() -> None:
        net.partial_fit(rows.x, rows.labels)

    return training(epoch, net.predict_proba, rows, case.epochs, common.threads())
