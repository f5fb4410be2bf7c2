"""thinc: a chain of layers, its documentation's loop, on the faster of its BLIS (one thread) and NumPy's BLAS."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from thinc.api import SGD, Adam, Model, NumpyOps, Relu, Softmax, chain, set_current_ops

from measure.cases import Case, Data
from measure.peers.sklearn_mlp import remark
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    seconds, blis, net, epoch = min((_tried(case, rows, blis) for blis in (True, False)), key=lambda tried: tried[0])
    return training(epoch, net.predict, rows, case.epochs, "BLIS, 1 thread" if blis else remark())


def _tried(case: Case, rows: Data, blis: bool) -> tuple[float, bool, Model, Callable[[], None]]:
    """How long the second epoch takes on this BLAS, and what is needed for more of them."""
    set_current_ops(NumpyOps(use_blis=blis))
    net = chain(*(Relu(units) for units in case.sizes[1:-1]), Softmax(case.sizes[-1]))
    net.initialize(X=rows.x[:1], Y=rows.onehot[:1])
    epoch = _epochs(case, rows, net)
    epoch()
    start = perf_counter()
    epoch()
    return perf_counter() - start, blis, net, epoch


def _epochs(case: Case, rows: Data, net: Model) -> Callable[[], None]:
    plain = {"L2": 0.0, "grad_clip": 0.0}
    optimizer = Adam(case.alpha, **plain) if case.optimizer == "adam" else SGD(case.alpha, **plain)

    def epoch() -> None:
        for inputs, wanted in net.ops.multibatch(case.batch, rows.x, rows.onehot, shuffle=True):
            predicted, backprop = net.begin_update(inputs)
            backprop((predicted - wanted) / len(inputs))
            net.finish_update(optimizer)

    return epoch
