"""scikit-learn's MLPClassifier: `partial_fit` on all rows is one shuffled epoch of mini-batches."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info

from measure.cases import Case, Data
from measure.work import Work, training


def classifier(case: Case) -> MLPClassifier:
    """Without the momentum and the weight decay that it has by default."""
    return MLPClassifier(
        case.sizes[1:-1],
        solver=case.optimizer,
        alpha=0.0,
        batch_size=case.batch,
        momentum=0.0,
        nesterovs_momentum=False,
        learning_rate_init=case.alpha,
        shuffle=True,
        random_state=0,
    )


def trainer(case: Case, rows: Data) -> Work:
    net, classes = classifier(case), np.arange(rows.classes)

    def epoch() -> None:
        net.partial_fit(rows.x, rows.labels, classes=classes)

    epoch()
    return training(epoch, net.predict_proba, rows, case.epochs, remark())


def remark() -> str:
    """Which BLAS NumPy runs on, and its threads."""
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"][0]
    return f"{blas['internal_api']} {blas.get('architecture')}, {blas['num_threads']} threads"
