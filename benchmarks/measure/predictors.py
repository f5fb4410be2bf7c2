"""Prediction with the same weights by everybody; each is held to NumPy's answer before it is timed."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy import ndarray

from measure.cases import Case, weights
from measure.work import Work

Layers = list[tuple[ndarray, ndarray]]
Predict = Callable[[], Any]
BLOCKS = (2**13, 2**16, 2**20)
"""Rows a block that torch and onnxruntime are tried with; the fastest is kept."""


def predictor(peer: str, sizes: list[int], rows: int, calls: int) -> Work:
    """Work whose turn is `calls` predictions of `rows` rows. Raises `ValueError` when they are not the right ones."""
    x = np.random.default_rng(1).standard_normal((rows, sizes[0]), dtype=np.float32)
    layers = weights(tuple(sizes))
    predict, remark = PREDICTORS[peer](layers, x)
    found = np.concatenate([np.asarray(part) for part in parts]) if isinstance(parts := predict(), list) else parts
    wrong = np.abs(np.asarray(found)[:1000] - _numpy(layers, x[:1000])).max()
    if wrong > 1e-5:
        raise ValueError(f"predictions are off by {wrong:g}")

    def turn() -> None:
        for _ in range(calls):
            predict()

    return Work(turn, None, remark)


def _numpy(layers: Layers, x: ndarray) -> ndarray:
    for w, b in layers[:-1]:
        x = np.maximum(x @ w + b, 0)
    z = x @ layers[-1][0] + layers[-1][1]
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _sizes(layers: Layers) -> tuple[int, ...]:
    return (len(layers[0][0]), *(len(b) for _, b in layers))


def _netkit(layers: Layers, x: ndarray) -> tuple[Predict, str]:
    import torch

    from measure.peers.netkit_fit import model

    net, rows = model(Case(_sizes(layers), 1, 1)), torch.from_numpy(x)
    for number, (w, b) in enumerate(layers):
        net.parameters()[f"{number}.W"].copy_(torch.from_numpy(w))
        net.parameters()[f"{number}.b"].copy_(torch.from_numpy(b))
    return lambda: net.predict(rows), f"{torch.get_num_threads()} threads"


def _torch(layers: Layers, x: ndarray) -> tuple[Predict, str]:
    import torch

    from measure.peers import torch_common

    net, rows = torch_common.module(_sizes(layers)), torch.from_numpy(x)
    net.append(torch.nn.Softmax(1))
    for linear, (w, b) in zip([each for each in net if isinstance(each, torch.nn.Linear)], layers):
        linear.weight.data.copy_(torch.from_numpy(w.T))
        linear.bias.data.copy_(torch.from_numpy(b))

    @torch.inference_mode()
    def predict(block: int) -> Any:
        return net(rows) if block >= len(rows) else [net(part) for part in rows.split(block)]

    return _best_block(predict, len(x), torch_common.threads())


def _onnxruntime(layers: Layers, x: ndarray) -> tuple[Predict, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(_onnx(layers), providers=["CPUExecutionProvider"])
    run = lambda rows: session.run(None, {"x": rows})[0]  # noqa: E731
    starts = lambda block: range(0, len(x), block)  # noqa: E731
    predict = lambda block: run(x) if block >= len(x) else [run(x[s : s + block]) for s in starts(block)]  # noqa: E731
    return _best_block(predict, len(x), "threads by its default: one a core")


def _sklearn(layers: Layers, x: ndarray) -> tuple[Predict, str]:
    from measure.peers.sklearn_mlp import classifier, remark

    net = classifier(Case(_sizes(layers), 10, 1))
    classes = np.arange(len(layers[-1][1]))
    net.partial_fit(x[:1].repeat(10, 0), np.resize(classes, 10), classes=classes)
    head = layers[-1]
    if len(classes) == 2:  # one logistic unit instead of two softmax units
        head = (head[0][:, 1:] - head[0][:, :1], head[1][1:] - head[1][:1])
    net.coefs_, net.intercepts_ = map(list, zip(*layers[:-1], head))
    return lambda: net.predict_proba(x), remark()


def _best_block(predict: Callable[[int], Any], rows: int, remark: str) -> tuple[Predict, str]:
    if rows <= BLOCKS[0]:
        return lambda: predict(rows), remark
    block = min(BLOCKS, key=lambda block: min(_seconds(lambda: predict(block)) for _ in range(2)))
    return lambda: predict(block), f"{remark}; blocks of {block} rows"


def _seconds(call: Predict) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _onnx(layers: Layers) -> bytes:
    """The network as an ONNX model: Gemm and Relu, Softmax at the end."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, tensors, last = [], [], "x"
    for i, (w, b) in enumerate(layers):
        tensors += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"]))
        last = f"a{i}" if i < len(layers) - 1 else "y"
        nodes.append(helper.make_node("Relu" if last != "y" else "Softmax", [f"z{i}"], [last]))
    sides = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("x", len(layers[0][0])), ("y", len(layers[-1][1])))
    ]
    graph = helper.make_graph(nodes, "net", sides[:1], sides[1:], tensors)
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(net)
    return bytes(net.SerializeToString())


PREDICTORS: dict[str, Callable[[Layers, ndarray], tuple[Predict, str]]] = {
    "netkit": _netkit,
    "torch": _torch,
    "onnxruntime": _onnxruntime,
    "sklearn": _sklearn,
}
