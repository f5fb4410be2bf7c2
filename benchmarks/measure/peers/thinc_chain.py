"""thinc: a chain of layers, the loop of its own documentation. NumPy's BLAS instead of its single-threaded BLIS."""

from __future__ import annotations

from thinc.api import Adam, NumpyOps, Relu, SGD, Softmax, chain, set_current_ops

from measure.cases import Case, Data
from measure.peers.sklearn_mlp import remark
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    set_current_ops(NumpyOps(use_blis=False))
    net = chain(*(Relu(units) for units in case.sizes[1:-1]), Softmax(case.sizes[-1]))
    net.initialize(X=rows.x[:1], Y=rows.onehot[:1])
    plain = {"L2": 0.0, "grad_clip": 0.0}
    optimizer = Adam(case.alpha, **plain) if case.optimizer == "adam" else SGD(case.alpha, **plain)

    def epoch() -> None:
        for inputs, wanted in net.ops.multibatch(case.batch, rows.x, rows.onehot, shuffle=True):
            predicted, backprop = net.begin_update(inputs)
            backprop((predicted - wanted) / len(inputs))
            net.finish_update(optimizer)

    return training(epoch, net.predict, rows, case.epochs, remark())
