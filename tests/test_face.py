"""The familiar face, and every fault of the small reference implementation with netkit's side of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

import netkit
from netkit import Accuracy, Dense, ErrorRate, Model, ShapeError, registry


def iris():
    x, y = load_iris(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32), torch.nn.functional.one_hot(torch.tensor(y)).float()


def test_the_listing_runs_as_it_stands(capsys):
    x, y = iris()
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    xtrain, ytrain, xtest, ytest = x[order[:120]], y[order[:120]], x[order[120:]], y[order[120:]]

    dnn = Model(
        [
            Dense(inputdim=xtrain.shape[1], units=32, activation="relu"),
            Dense(inputdim=32, units=3, activation="softmax"),
        ],
        loss="categorical_cross_entropy",
    )
    dnn.fit(x=xtrain, y=ytrain, batch=8, alpha=1e-4, epochs=100)
    ypred = dnn.predict(xtest)
    print("Test Accuracy: %.4f" % Accuracy(ytest, ypred))  # noqa: UP031 (the listing has it)

    printed = capsys.readouterr()
    assert printed.out.startswith("Test Accuracy: ") and "loss" in printed.err and "accuracy" in printed.err
    assert ypred.shape == (30, 3) and torch.allclose(ypred.sum(1), torch.ones(30))


HEADS = {
    "binary_cross_entropy": (1, "sigmoid"),
    "categorical_cross_entropy": (3, "softmax"),
    "mean_squared_error": (2, "identity"),
}


def plain(weights, activation, loss, x, y, batch, alpha, epochs):
    """The formulas of backpropagation in float64 numpy, without bias, rows in file order."""
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    f = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": sigmoid}[activation]
    df = {"relu": lambda z, a: (z > 0) * 1.0, "tanh": lambda z, a: 1 - a**2, "sigmoid": lambda z, a: a * (1 - a)}[
        activation
    ]
    for _ in range(epochs):
        for start in range(0, len(x), batch):
            rows, wanted = x[start : start + batch], y[start : start + batch]
            (n, k), (first, second) = wanted.shape, weights
            z = rows @ first
            a = f(z)
            out = a @ second
            if loss == "categorical_cross_entropy":
                e = np.exp(out - out.max(1, keepdims=True))
                dz = (e / e.sum(1, keepdims=True) - wanted) / n
            elif loss == "binary_cross_entropy":
                dz = (sigmoid(out) - wanted) / (n * k)
            else:
                dz = 2 * (out - wanted) / (n * k)
            hidden = (dz @ second.T) * df(z, a)
            weights = [first - alpha * rows.T @ hidden, second - alpha * a.T @ dz]
    return weights


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("loss", HEADS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trajectories_equal_a_plain_implementation(loss, activation, dtype):
    k, head = HEADS[loss]
    random = np.random.default_rng(5)
    x = random.normal(size=(43, 4))
    y = np.eye(3)[random.integers(0, 3, 43)] if k == 3 else (random.normal(size=(43, k)) > 0) * 1.0
    model = Model(
        [
            Dense(4, 6, activation, bias=False, initializer="uniform"),
            Dense(6, k, head, bias=False, initializer="uniform"),
        ],
        loss,
        seed=3,
        dtype=dtype,
    )
    start = [model.parameters()[f"{i}.W"].double().numpy().copy() for i in range(2)]
    assert max(abs(weights).max() for weights in start) <= 1
    model.fit(x, y, batch=8, alpha=0.05, epochs=20, optimizer="sgd", shuffle=False, progress=False)
    for i, expected in enumerate(plain(start, activation, loss, x, y, 8, 0.05, 20)):
        tolerance = 2e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(model.parameters()[f"{i}.W"].numpy(), expected, rtol=tolerance, atol=tolerance)


RAW = {f.__name__: f for f in (load_iris, load_wine, load_breast_cancer, load_digits, load_diabetes)}


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("name", RAW)
def test_raw_unscaled_data_reaches_no_nan(name, activation):
    x, y = RAW[name](return_X_y=True)
    k = len(np.unique(y)) if name != "load_diabetes" else 1
    head, loss = ("identity", "mean_squared_error") if k == 1 else ("softmax", "categorical_cross_entropy")
    model = Model([Dense(units=32, activation=activation), Dense(units=k, activation=head)], loss)
    history = model.fit(x, y, epochs=3, alpha=1e-7 if k == 1 else None, progress=False)
    assert all(math.isfinite(epoch.loss) for epoch in history) and bool(torch.isfinite(model.network.params).all())


def test_memory_of_softmax_is_linear_in_classes():
    n, k = 256, 1000
    softmax = registry.activations["softmax"]()
    z = torch.randn(n, k)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        softmax.backward(torch.randn(n, k), z, softmax.forward(z))
    assert sum(max(0, event.cpu_memory_usage) for event in profile.events()) < 100 * n * k


def test_predict_and_inputs_are_left_alone():
    x, y = iris()
    binary = Model([Dense(units=1, activation="sigmoid")], "binary_cross_entropy")
    before = x.clone()
    outputs = binary.forward(x)
    kept = outputs.clone()
    assert set(binary.predict(x).unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(outputs, kept) and torch.equal(x, before)
    assert torch.equal(binary.predict(x), (kept >= 0.5).float())


def test_a_half_is_a_one():
    model = Model([Dense(2, 1, "sigmoid", initializer="zeros")], "binary_cross_entropy")
    assert model.predict(torch.zeros(3, 2)).tolist() == [[1.0]] * 3


@pytest.mark.parametrize("logit", [-1e4, -20.0, 0.0, 20.0, 1e4])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_loss_and_gradient_are_finite_at_any_logit(logit, target):
    model = Model([Dense(1, 1, "sigmoid", initializer="zeros")], "binary_cross_entropy")
    model.parameters()["0.b"].fill_(logit)
    history = model.fit(torch.ones(4, 1), torch.full((4,), target), epochs=1, alpha=1e-3, progress=False)
    assert math.isfinite(history[0].loss) and bool(torch.isfinite(model.network.params).all())
    assert math.isclose(
        history[0].loss, max(0, logit) - target * logit + math.log1p(math.exp(-abs(logit))), rel_tol=1e-6, abs_tol=1e-8
    )


@pytest.mark.parametrize(
    ("y", "yhat", "wrong"),
    [
        ([0, 1, 1, 0], [[0], [1], [0], [0]], 0.25),
        ([[0], [1], [1], [0]], [0, 1, 0, 0], 0.25),
        ([[1, 0, 0], [0, 1, 0]], [[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]], 0.5),
        ([0, 1], [[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]], 0.5),
        ([[1, 0], [1, 1]], [[1, 0], [1, 0]], 0.5),
        (["a"], ["a"], None),
    ],
)
def test_accuracy_and_error_rate_take_what_people_have(y, yhat, wrong):
    if wrong is None:
        with pytest.raises(netkit.DataError, match="numbers are needed"):
            Accuracy(y, yhat)
    else:
        assert ErrorRate(y, yhat) == wrong and math.isclose(Accuracy(y, yhat), 1 - wrong)
        assert ErrorRate(torch.tensor(y), np.array(yhat)) == wrong


def test_shapes_that_cannot_be_compared_are_refused_with_both_named():
    with pytest.raises(ShapeError, match=r"shape \(4,\) does not match prediction \(3,\)"):
        ErrorRate([1, 2, 3, 4], [1, 2, 3])
    with pytest.raises(ShapeError, match="at least one row"):
        ErrorRate([], [])


def test_several_regression_targets_are_not_compared_by_argmax():
    assert ErrorRate([[1.5, 2.5], [3.0, 1.0]], [[1.5, 2.5], [3.0, 2.0]]) == 0.5


def test_every_component_answers_to_its_class_name():
    assert netkit.Relu is registry.activations["relu"] and netkit.LayerNorm is registry.layers["layer_norm"]
    with pytest.raises(AttributeError, match="no component is called 'soft_max'; did you mean softmax"):
        netkit.SoftMax


def test_binary_cross_entropy_over_several_columns_has_one_definition():
    loss = registry.losses["binary_cross_entropy"]()
    p, y = torch.tensor([[0.2, 0.7, 0.9]], dtype=torch.float64), torch.tensor([[0.0, 1.0, 1.0]], dtype=torch.float64)
    values, gradient = loss(p, y)
    torch.testing.assert_close(values, -(torch.tensor([0.8, 0.7, 0.9], dtype=torch.float64).log().mean()[None]))
    torch.testing.assert_close(gradient, ((1 - y) / (1 - p) - y / p) / 3)


def test_the_metric_is_computed_in_blocks_of_bounded_memory(monkeypatch):
    monkeypatch.setattr("netkit.engine.program.predict.BLOCK", 320)
    x, y = iris()
    model = Model(
        [Dense(units=32, activation="relu"), Dense(units=3, activation="softmax")], "categorical_cross_entropy"
    )
    history = model.fit(x, y, epochs=1, progress=False)
    assert math.isclose(history[-1].metrics["accuracy"], Accuracy(y, model.predict(x)), rel_tol=1e-9)
