"""The engine against torch.autograd, and the promises that training makes."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit import (
    DataError,
    Dense,
    DivergenceError,
    Model,
    NetkitError,
    SettingError,
    ShapeError,
    UnknownComponent,
    registry,
    spec,
)
from netkit.engine.network import Network, loss_gradient
from netkit.engine.program.operations import macs
from netkit.engine.program.plan import Plan

SMOOTH = ["tanh", "sigmoid", "softplus", "gelu", "silu", "mish", "identity", "softmax", "elu"]
LOSSES = ["mean_squared_error", "binary_cross_entropy", "categorical_cross_entropy"]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def target_for(loss, n, k, source):
    if loss == "categorical_cross_entropy":
        return torch.nn.functional.one_hot(torch.randint(k, (n,), generator=source), k).double()
    y = torch.randn(n, k, generator=source, dtype=torch.float64)
    return (y > 0).double() if loss == "binary_cross_entropy" else y


@settings(max_examples=60, deadline=None)
@given(
    units=st.lists(st.integers(1, 7), min_size=0, max_size=3),
    names=st.lists(st.sampled_from(SMOOTH), min_size=3, max_size=3),
    loss=st.sampled_from(LOSSES),
    bias=st.booleans(),
    norm=st.booleans(),
    n=st.integers(1, 9),
    k=st.integers(2, 5),
    seed=st.integers(0, 10**6),
)
def test_gradients_of_random_networks_equal_autograds(units, names, loss, bias, norm, n, k, seed):
    loss = spec.make("loss", loss)
    dense = [
        {"type": "dense", "units": u + (name == "softmax"), "activation": name, "bias": bias}
        for u, name in zip(units, names)
    ]
    layers = [*dense, *(["layer_norm"] if norm else []), {"type": "dense", "units": k, "activation": loss.head}]
    network = Network(layers, (4,), rng(seed), torch.float64)
    x = torch.randn(n, 4, generator=rng(seed + 1), dtype=torch.float64)
    y = target_for(spec.name(loss), n, k, rng(seed + 2))
    logits = network.fuses(loss)
    trace = network.forward(x, logits=logits)
    values, gradient = loss_gradient(loss, logits, trace.output, y)
    network.backward(trace, gradient / n, logits)

    def mean_loss(*parameters):
        shapes = iter(parameters)
        rows = x
        for link in network.links:
            rows, _ = link.layer.forward({name: next(shapes) for name in link.params}, rows)
            rows = link.activation.forward(rows) if link.activation else rows
        return loss(rows, y)[0].mean()

    leaves = [value.clone().requires_grad_() for value in network.parameters().values()]
    wanted = mean_loss(*leaves)
    torch.testing.assert_close(values.mean(), wanted.detach())
    for (name, got), expected in zip(network.gradients().items(), torch.autograd.grad(wanted, leaves)):
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


def test_training_needs_no_autograd(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("autograd was used")

    monkeypatch.setattr(torch.autograd, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "grad", refuse)
    monkeypatch.setattr(torch.Tensor, "backward", refuse)
    monkeypatch.setattr(torch.Tensor, "requires_grad_", refuse)
    model = small()
    model.fit(torch.randn(20, 4, generator=rng(), requires_grad=False), classes(20), epochs=2, progress=False)
    assert all(not value.requires_grad and value.grad_fn is None for value in model.parameters().values())


def classes(n, k=3):
    return torch.nn.functional.one_hot(torch.arange(n) % k, k).float()


def small(**options):
    layers = [
        {"type": "dense", "units": 8, "activation": "relu"},
        {"type": "dense", "units": 3, "activation": "softmax"},
    ]
    return Model(layers, "categorical_cross_entropy", **options)


def data(n=37):
    x = torch.randn(n, 4, generator=rng(3))
    return x, classes(n)


def test_same_seed_same_bits_other_seed_other_bits():
    def weights(seed):
        model = Model(
            [
                {"type": "dense", "units": 8, "activation": "relu"},
                {"type": "dropout", "rate": 0.3},
                {"type": "dense", "units": 3, "activation": "softmax"},
            ],
            "categorical_cross_entropy",
            seed=seed,
        )
        model.fit(*data(), epochs=3, batch=5, progress=False, optimizer="adam")
        return model.network.params

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))


def test_global_random_state_and_inputs_are_left_alone():
    x, y = data()
    before = torch.get_rng_state(), x.clone(), y.clone()
    small().fit(x, y, epochs=2, progress=False)
    assert torch.equal(torch.get_rng_state(), before[0]) and torch.equal(x, before[1]) and torch.equal(y, before[2])


def learned_from(model, monkeypatch):
    """The rows of each step, in the order in which they are learned from."""
    seen = []
    forward, learn = model.network.forward, Plan.learn
    model.network.forward = lambda rows, *rest: seen.append(rows) or forward(rows, *rest)

    def planned(self, slot):
        seen.append(self._x[slot * self.rows : (slot + 1) * self.rows].clone())
        learn(self, slot)

    monkeypatch.setattr(Plan, "learn", planned)
    return seen


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 5, 36, 37, 1000])
def test_every_row_once_an_epoch_and_the_loss_is_the_mean_over_rows(batch, plan, monkeypatch):
    x, y = data()
    model = small(dtype="float64")
    model.build((4,))
    before = model.evaluate(x, y, [])["loss"]
    seen = learned_from(model, monkeypatch)
    [epoch] = model.fit(x, y, batch=batch, alpha=1e-12, epochs=1, progress=False, plan=plan)
    assert math.isclose(epoch.loss, before, rel_tol=1e-8)
    rows = torch.cat(seen)
    assert [len(each) for each in seen[:-1]] == [min(batch, 37)] * (len(seen) - 1)
    assert not torch.equal(rows, x.double())
    assert torch.equal(rows[rows[:, 0].argsort()], x.double()[x[:, 0].argsort()])


@pytest.mark.parametrize("plan", [True, False])
def test_without_shuffling_rows_come_in_file_order(plan, monkeypatch):
    x, y = data()
    model = small()
    model.build((4,))
    seen = learned_from(model, monkeypatch)
    model.fit(x, y, batch=5, epochs=2, shuffle=False, progress=False, plan=plan)
    assert torch.equal(torch.cat(seen), torch.cat([x, x]))


def test_the_first_layers_input_gradient_is_not_computed(monkeypatch):
    calls = []
    dense = registry.layers["dense"]
    backward = dense.backward
    monkeypatch.setattr(dense, "backward", lambda self, *rest: calls.append(self.units) or backward(self, *rest))
    small().fit(*data(), batch=37, epochs=1, progress=False, plan=False)
    assert calls == [3]
    model = small()
    model.build((4,))
    products = [call for call in Plan(model.network, model.loss, 5).steps[0] if macs(call)]
    assert len(products) == 5  # two forward, three backward


def test_a_trace_from_before_an_update_is_refused():
    network = small().build((4,))
    trace = network.forward(data()[0])
    network.backward(trace, torch.ones(37, 3))
    network.params.mul_(0.5)
    with pytest.raises(NetkitError, match="the parameters have changed since this forward pass"):
        network.backward(trace, torch.ones(37, 3))


def test_parameters_are_views_in_the_shape_people_expect():
    model = small()
    model.build((4,))
    parameters = model.parameters()
    assert {name: tuple(value.shape) for name, value in parameters.items()} == {
        "0.W": (4, 8),
        "0.b": (8,),
        "1.W": (8, 3),
        "1.b": (3,),
    }
    x = data()[0]
    before = model.forward(x)
    parameters["1.W"].zero_()
    assert not torch.equal(model.forward(x), before)
    torch.testing.assert_close(model.forward(x), torch.full((37, 3), 1 / 3))


def test_blocks_do_not_change_a_prediction(monkeypatch):
    model = small()
    x = data(1000)[0]
    whole = model.forward(x)
    monkeypatch.setattr("netkit.engine.program.predict.BLOCK", 64)
    torch.testing.assert_close(model.forward(x), whole)
    assert math.isclose(
        model.evaluate(x, classes(1000))["loss"], -float(whole[classes(1000) == 1].log().mean()), rel_tol=1e-5
    )


def test_divergence_names_epoch_and_batch_and_keeps_the_last_finite_weights():
    model = Model([{"type": "dense", "units": 1}], "mean_squared_error")
    x = 1e6 * torch.randn(64, 3, generator=rng(1))
    with pytest.raises(DivergenceError, match=r"epoch \d+, batch \d+: .* smaller alpha than 10"):
        model.fit(x, x.sum(1), batch=4, alpha=10.0, epochs=100, progress=False)
    assert bool(torch.isfinite(model.network.params).all())


def test_a_history_of_training_and_validation_and_the_best_epoch_kept():
    x, y = data()
    model = small()
    history = model.fit(
        x[:30],
        y[:30],
        epochs=5,
        validation=(x[30:], y[30:]),
        metrics=["accuracy", "log_loss"],
        keep_best=True,
        progress=False,
    )
    assert [epoch.number for epoch in history] == [1, 2, 3, 4, 5]
    assert set(history[0].metrics) == {"accuracy", "log_loss"} and set(history[0].validation) == {
        "loss",
        "accuracy",
        "log_loss",
    }
    best = min(epoch.validation["loss"] for epoch in history)
    assert math.isclose(model.evaluate(x[30:], y[30:])["loss"], best, rel_tol=1e-9)
    assert math.isclose([e for e in history if e.best][-1].validation["loss"], best)


def dense(units, activation="identity", **more):
    return {"type": "dense", "units": units, "activation": activation, **more}


CCE, BCE, MSE = "categorical_cross_entropy", "binary_cross_entropy", "mean_squared_error"
REFUSED = {
    "unknown loss": (
        lambda: Model([dense(1)], "mean_square_error"),
        UnknownComponent,
        "loss 'mean_square_error' is unknown; did you mean mean_squared_error",
    ),
    "unknown activation": (
        lambda: Model([dense(1, "rellu")], MSE),
        UnknownComponent,
        "activation 'rellu' is unknown; did you mean relu",
    ),
    "unknown setting": (
        lambda: Model([dense(1, "leaky_relu:slop=1")], MSE),
        SettingError,
        "leaky_relu: there is no setting 'slop'; did you mean slope",
    ),
    "setting's rule": (lambda: Model([dense(-1)], MSE), SettingError, "dense: units: expected `int` >= 1.* got -1"),
    "setting's type": (
        lambda: Model([dense(1, "leaky_relu:slope=abc")], MSE),
        SettingError,
        "leaky_relu: slope: expected `float`, got 'abc'",
    ),
    "infinite setting": (
        lambda: spec.make("initializer", "uniform:high=inf"),
        SettingError,
        "uniform: high: a finite number is needed, got inf",
    ),
    "nan setting": (
        lambda: Model([dense(1, "leaky_relu:slope=nan")], MSE),
        SettingError,
        "leaky_relu: slope: .* got nan",
    ),
    "no units": (lambda: Model([{"type": "dense", "inputdim": 2}], MSE), SettingError, "dense: units is required"),
    "no layers": (lambda: Model([], MSE), SettingError, "Model: 1 to 10000 layers are needed, got 0"),
    "no type": (lambda: Model([{"units": 1}], MSE), SettingError, "layer: a table needs a type"),
    "sizes": (
        lambda: Model([dense(8, inputdim=4), dense(1, inputdim=7)], MSE),
        ShapeError,
        "layer 1: dense: input has 8 features, built for 7",
    ),
    "softmax of one": (lambda: Model([dense(1, "softmax", inputdim=4)], CCE), ShapeError, "layer 0: softmax: 1 unit"),
    "sigmoid under cce": (
        lambda: Model([dense(3, "sigmoid", inputdim=4)], CCE),
        ShapeError,
        "categorical_cross_entropy: needs outputs that add up to one.*is sigmoid; use softmax",
    ),
    "identity under bce": (
        lambda: Model([dense(1, inputdim=4)], BCE),
        ShapeError,
        "binary_cross_entropy: needs outputs between 0 and 1.*use sigmoid",
    ),
    "dtype": (
        lambda: Model([dense(1)], MSE, dtype="int8"),
        SettingError,
        "dtype: float32 or float64 is needed, got 'int8'",
    ),
    "seed": (lambda: Model([dense(1)], MSE, seed=-1), SettingError, "seed: .* got -1"),
    "batch": (lambda: small().fit(*data(), batch=0), SettingError, "batch: expected `int` >= 1, got 0"),
    "epochs": (lambda: small().fit(*data(), epochs=0), SettingError, "epochs: .* got 0"),
    "alpha": (lambda: small().fit(*data(), alpha=math.inf), SettingError, "alpha: .* got inf"),
    "alpha nan": (lambda: small().fit(*data(), alpha=math.nan), SettingError, "alpha: .* got nan"),
    "empty": (lambda: small().fit(torch.zeros(0, 4), torch.zeros(0, 3)), DataError, "x: at least one row is needed"),
    "rows": (lambda: small().fit(torch.zeros(5, 4), torch.zeros(4, 3)), ShapeError, "y: 4 rows do not match x's 5"),
    "columns": (
        lambda: small().fit(torch.zeros(5, 4), torch.zeros(5, 2)),
        ShapeError,
        r"y: shape \(5, 2\) does not match the network's outputs \(5, 3\)",
    ),
    "width": (
        lambda: Model([dense(3, "softmax", inputdim=4)], CCE).forward(torch.zeros(5, 6)),
        ShapeError,
        r"x: rows of shape \(n, 4\) are needed, got \(5, 6\)",
    ),
    "nan": (
        lambda: small().fit(torch.tensor([[1.0], [math.nan]]), torch.zeros(2, 3)),
        DataError,
        "x: every value must be finite, row 1 holds nan",
    ),
    "text": (
        lambda: small().fit([["a"]], [[1]]),
        DataError,
        "^x: numbers are needed, got text such as 'a'; netkit.train takes tables with text$",
    ),
    "list of labels": (
        lambda: small().fit([[1.0]], ["setosa"]),
        DataError,
        "^y: .* text such as 'setosa'; netkit.train",
    ),
    "array of labels": (
        lambda: small().fit([[1.0]], np.array(["a"])),
        DataError,
        "^y: .* text such as 'a'; netkit.train",
    ),
    "labels among numbers": (
        lambda: small().fit([[1.0]] * 2, np.array([1, "b" * 99], object)),
        DataError,
        "^y: .* text such as 'b{40}'; netkit.train takes tables with text$",
    ),
    "no numbers": (
        lambda: small().fit([[1.0]], [object()]),
        DataError,
        "^y: numbers are needed, got list .*infer dtype",
    ),
    "ragged": (lambda: small().fit([[1.0, 2], [1]], [1, 2]), DataError, "^x: numbers are needed, got list .*length 2"),
    "class number": (
        lambda: small().fit(torch.zeros(2, 4), [0, 3]),
        DataError,
        "y: class numbers from 0 to 2 are needed, got 3",
    ),
    "target": (
        lambda: Model([dense(1, "sigmoid")], BCE).fit(torch.zeros(2, 4), [1, 2]),
        DataError,
        "y: binary_cross_entropy needs targets from 0 to 1, got 2",
    ),
    "metric's task": (
        lambda: small().fit(*data(), metrics=["r2"]),
        SettingError,
        "r2: scores regression tasks, categorical_cross_entropy is for multiclass",
    ),
    "not built": (lambda: small().parameters(), ShapeError, "the input size is not known yet"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_by_name(case):
    attempt, error, message = REFUSED[case]
    with pytest.raises(error, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


def test_class_numbers_flat_targets_lists_and_float64_are_understood():
    x, y = data()
    one, other = small(), small()
    one.fit(x, y, epochs=2, progress=False)
    other.fit(x.double().tolist(), y.argmax(1), epochs=2, progress=False)
    assert torch.equal(one.network.params, other.network.params)
    regression = Model([dense(1)], MSE)
    regression.fit(x, x.sum(1), epochs=1, progress=False)
    assert regression.predict(x).shape == (37, 1)


def test_importing_netkit_loads_no_torch():
    code = "import sys, netkit; netkit.Activation, netkit.hookimpl; list(netkit.registry.activations); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keep_best_leaves_the_weights_of_the_first_best_epoch_whatever_ends_the_run():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 5, generator=rng), torch.randn(40, generator=rng)
    for keep in (True, False):
        model = Model([Dense(5, 30, "tanh"), Dense(units=1)], "mean_squared_error", seed=1)
        history = model.fit(
            x[:20], y[:20], epochs=60, alpha=0.05, validation=(x[20:], y[20:]), keep_best=keep, progress=False
        )
        losses = [epoch.validation["loss"] for epoch in history]
        assert losses.index(min(losses)) < 50, "this is to be a run that overfits"
        wanted = min(losses) if keep else losses[-1]
        assert math.isclose(model.evaluate(x[20:], y[20:])["loss"], wanted, rel_tol=1e-6)
        assert [e.number for e in history if e.best][-1] == losses.index(min(losses)) + 1


def test_of_equal_epochs_the_first_is_the_best():
    model = Model([Dense(2, 1, initializer="zeros")], "mean_squared_error")
    history = model.fit(torch.ones(4, 2), torch.zeros(4), epochs=3, progress=False)
    assert [epoch.best for epoch in history] == [True, False, False] and [e.loss for e in history] == [0.0] * 3


def overfitting(**options):
    source = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 5, generator=source), torch.randn(40, generator=source)
    model = Model([Dense(5, 30, "tanh"), Dense(units=1)], "mean_squared_error", seed=1)
    history = model.fit(x[:20], y[:20], alpha=0.05, validation=(x[20:], y[20:]), progress=False, **options)
    return model, [epoch.validation["loss"] for epoch in history]


def test_patience_stops_after_so_many_epochs_without_a_better_one():
    _, every = overfitting(epochs=60)
    best = every.index(min(every))
    for patience in (1, 5):
        _, losses = overfitting(epochs=60, patience=patience)
        bests = [i for i, loss in enumerate(losses) if loss == min(losses[: i + 1])]
        assert losses == every[: len(losses)] and len(losses) == bests[-1] + patience + 1 < 60
    assert len(overfitting(epochs=60, patience=59)[1]) == 60 and best < 50


@pytest.mark.parametrize("plan", [True, False])
def test_clipping_scales_a_long_gradient_to_the_norm_and_leaves_a_short_one(plan):
    x, y = data()
    steps = {}
    for clip in (None, 1e9, 0.01):
        model = small()
        model.build((4,))
        before = model.network.params.clone()
        model.fit(x, y, batch=37, epochs=1, alpha=1.0, clip=clip, progress=False, plan=plan)
        steps[clip] = model.network.params - before
    assert torch.equal(steps[None], steps[1e9])
    torch.testing.assert_close(float(steps[0.01].norm()), 0.01, rtol=1e-3, atol=0.0)
    torch.testing.assert_close(steps[0.01] / 0.01, steps[None] / steps[None].norm(), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("option", "value"), [("patience", 0), ("patience", True), ("patience", 1.5), ("clip", 0), ("clip", math.nan)]
)
def test_patience_and_clip_are_checked(option, value):
    with pytest.raises(SettingError, match=f"^{option}: .* got {value!r}$"):
        small().fit(*data(), **{option: value})


def test_a_network_shows_its_layers_and_their_shapes():
    model = Model(["dense:units=3,activation=tanh", "layer_norm"], "mean_squared_error")
    assert repr(model.build((2,))).splitlines() == [
        "Network of 15 parameters",
        f"  0: (2,) -> (3,)  {model.layers[0]!r}",
        f"  1: (3,) -> (3,)  {model.layers[1]!r}",
    ]


def test_parameters_that_a_layer_left_on_a_tape_are_trained_all_the_same():
    class Taped(Dense):
        def build(self, in_shape, rng):
            params, shape = super().build(in_shape, rng)
            return {name: each.requires_grad_() for name, each in params.items()}, shape

    x = torch.arange(12.0).reshape(6, 2)
    models = [Model([kind(2, 1)], "mean_squared_error") for kind in (Taped, Dense)]
    for model in models:
        model.fit(x, x[:, :1], epochs=2, progress=False)
    torch.testing.assert_close(models[0].predict(x), models[1].predict(x))
