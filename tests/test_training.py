"""What a run may be asked to do beside plain steps: schedules, a mean of the parameters, weights of rows, callbacks."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

import netkit
from netkit import (
    DataError,
    DivergenceError,
    Layer,
    Metric,
    Model,
    NetkitError,
    SettingError,
    ShapeError,
    registry,
    spec,
)
from netkit.engine.parameters import place, placed
from netkit.engine.rates import Rates
from netkit.engine.recipe import Recipe
from netkit.engine.rows import Rows
from netkit.engine.training import Run
from netkit.tensors import generator

X = torch.randn(60, 4, generator=generator(1, 0), dtype=torch.float64)
Y = X.sum(1, True).tanh()
LAYERS = [{"type": "dense", "units": 6, "activation": "tanh"}, {"type": "dense", "units": 1}]


def model(loss="mean_squared_error", layers=LAYERS):
    made = Model(layers, loss, seed=3, dtype="float64")
    made.build((4,))
    return made


def fitted(weights=None, x=X, y=Y, loss="mean_squared_error", layers=LAYERS, **options):
    made = model(loss, layers)
    history = made.fit(
        x, y, **{"batch": 7, "epochs": 4, "metrics": [], "progress": False, "weights": weights, **options}
    )
    return made, history


def spelled_out(schedule=None, average=None, batch=7, epochs=4):
    """The same steps by hand, in the order of the rows: the parameters, and their mean."""
    made, optimizer, number = model(), registry.optimizers["adam"](), 0
    network = made.network
    mean, state = network.params.clone(), optimizer.start(network.params)
    factor = spec.make("schedule", schedule) if schedule else lambda done: 1.0
    steps = epochs * -(-len(X) // batch)
    for _ in range(epochs):
        for start in range(0, len(X), batch):
            trace = network.forward(X[start : start + batch])
            gradient = made.loss(trace.output, Y[start : start + batch])[1]
            network.backward(trace, gradient / len(gradient))
            optimizer.step(network.params, network.grads, state, 0.01 * factor(number / steps))
            if average is not None:
                decay = min(average, (1 + number) / (10 + number))
                mean = decay * mean + (1 - decay) * network.params
            number += 1
    return network.params, mean


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize(
    "schedule",
    ["constant", "cosine", "step", "one_cycle", "warm_up:then=cosine", {"type": "warm_up", "then": {"type": "cosine"}}],
)
def test_a_schedule_is_applied_step_by_step(schedule, plan):
    made, _ = fitted(optimizer="adam", alpha=0.01, shuffle=False, plan=plan, schedule=schedule)
    torch.testing.assert_close(made.network.params, spelled_out(schedule)[0])


def test_plain_descent_in_buffers_follows_a_changing_rate():
    options = {"optimizer": "sgd", "alpha": 0.1, "schedule": "cosine"}
    params = [fitted(plan=plan, **options)[0].network.params for plan in (True, False)]
    torch.testing.assert_close(*params)
    assert not torch.allclose(params[0], fitted(optimizer="sgd", alpha=0.1)[0].network.params)


def test_a_constant_schedule_changes_no_bit():
    assert torch.equal(fitted()[0].network.params, fitted(schedule="constant")[0].network.params)


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize("average", [0.0, 0.5, 0.9, 0.999])
def test_the_mean_of_the_parameters_is_judged_and_left_behind_while_they_go_on(average, plan):
    made, history = fitted(optimizer="adam", alpha=0.01, shuffle=False, plan=plan, average=average, validation=(X, Y))
    last, mean = spelled_out(average=average)
    torch.testing.assert_close(made.network.params, mean)
    assert torch.allclose(last, mean) == (average == 0)
    assert history[-1].validation["loss"] == pytest.approx(made.evaluate(X, Y)["loss"], rel=1e-12)


def test_the_best_mean_is_kept():
    options = {"alpha": 0.9, "epochs": 12, "average": 0.9, "validation": (X[:20], Y[:20])}
    made, history = fitted(keep_best=True, **options)
    best = min(record.validation["loss"] for record in history)
    assert (
        made.evaluate(X[:20], Y[:20])["loss"]
        == pytest.approx(best, rel=1e-12)
        != pytest.approx(history[-1].validation["loss"])
    )


def test_a_diverging_run_leaves_the_last_finite_mean():
    made, seen = model(), []
    with pytest.raises(DivergenceError, match="or standardise the inputs$"):
        made.fit(
            X,
            Y,
            7,
            10.0,
            500,
            average=0.9,
            progress=False,
            callbacks=[lambda epoch: seen.append(made.network.params.clone())],
        )
    assert len(seen) > 1 and bool(torch.isfinite(seen[-1]).all()) and torch.equal(made.network.params, seen[-1])


@pytest.mark.parametrize(
    "setting, value, rule",
    [
        ("average", -0.1, "expected `float` >= 0.0"),
        ("average", 1.0, "expected `float` < 1.0"),
        ("average", 1, "expected `float` < 1.0"),
        ("average", "0.9", "expected `float | null`"),
        ("average", float("nan"), "expected `float` >= 0.0"),
        ("alpha", True, "expected `float | null`"),
        ("clip", True, "expected `float | null`"),
        ("alpha", 0, "expected `float` > 0.0"),
        ("clip", float("inf"), "a finite number is needed"),
        ("batch", 0, "expected `int` >= 1"),
        ("epochs", 1.5, "expected `int`"),
        ("patience", 0, "expected `int` >= 1"),
        ("shuffle", 1, "expected `bool`"),
        ("precision", "int8", "float32 or bfloat16 is needed"),
        ("precision", 3, "float32 or bfloat16 is needed"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting, value, rule):
    with pytest.raises(SettingError, match=f"^{re.escape(f'{setting}: {rule}, got {value!r}')}$"):
        Recipe(**{setting: value})


def test_all_mistakes_of_a_recipe_are_told_at_once_and_its_components_are_made():
    message = "alpha: expected `float` > 0.0, got -1; optimizer 'adamm' is unknown; did you mean adam, radam, nadam?; "
    with pytest.raises(SettingError, match=f"^{re.escape(message + 'plan: expected `bool`, got 2')}$"):
        Recipe(alpha=-1, optimizer="adamm", plan=2)
    recipe = Recipe(alpha=np.float64(0.5), optimizer="adam", schedule={"type": "cosine"})
    assert recipe == Recipe(alpha=0.5, optimizer=registry.optimizers["adam"](), schedule="cosine")
    assert type(recipe.alpha) is float and isinstance(recipe.schedule, registry.schedules["cosine"])


def test_steps_are_counted_at_every_pause():
    seen = []
    made = model()
    run = Run(
        made.network,
        made.loss,
        Rows(X, Y),
        Recipe(batch=7, epochs=3, plan=False, optimizer="sgd"),
        generator(0, 1),
        generator(0, 2),
        {},
        on_pause=lambda run: seen.append(run.steps),
    )
    list(run.epochs())
    assert seen == list(range(1, 28)) and run.steps == 27


WIDTHS = {"binary": 1, "multiclass": 3, "regression": 2}


def problem(loss):
    """Layers that fit a loss, and targets for it."""
    kind = registry.losses[loss]
    k = WIDTHS[kind.task]
    layers = [LAYERS[0], {"type": "dense", "units": k, "activation": kind.head or "identity"}]
    columns = 1 if kind.task == "multiclass" else k  # class numbers
    y = torch.randint(max(k, 2), (len(X), columns), generator=generator(2, 0))
    return layers, y.double()


@settings(max_examples=40, deadline=None)
@given(
    loss=st.sampled_from(sorted(registry.losses)),
    plan=st.booleans(),
    weights=st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any),
)
def test_whole_weights_are_repeated_rows(loss, plan, weights):
    layers, y = problem(loss)
    x, y, weights = X[:12], y[:12], torch.tensor(weights)
    again = {"loss": loss, "layers": layers, "plan": plan, "shuffle": False, "epochs": 3, "alpha": 0.1}
    one, history = fitted(weights, x, y, batch=12, **again)
    many, longer = fitted(
        None, x.repeat_interleave(weights, 0), y.repeat_interleave(weights, 0), batch=int(weights.sum()), **again
    )
    torch.testing.assert_close(one.network.params, many.network.params)
    assert [record.loss for record in history] == pytest.approx([record.loss for record in longer])
    assert one.evaluate(x, y, [], weights)["loss"] == pytest.approx(
        many.evaluate(x.repeat_interleave(weights, 0), y.repeat_interleave(weights, 0), [])["loss"]
    )


@pytest.mark.parametrize("batch", [1, 7, 60, 61])
@pytest.mark.parametrize("loss", sorted(registry.losses))
def test_weighted_steps_are_the_same_planned_and_plain(loss, batch):
    layers, y = problem(loss)
    weights = torch.rand(len(X), generator=generator(4, 0)) * (torch.arange(len(X)) % 5 > 0)
    runs = [fitted(weights, y=y, loss=loss, layers=layers, batch=batch, plan=plan) for plan in (True, False)]
    torch.testing.assert_close(*(made.network.params for made, _ in runs))
    assert [record.loss for record in runs[0][1]] == pytest.approx([record.loss for record in runs[1][1]])


def test_equal_weights_are_none_and_scale_does_not_matter():
    plain, halves, thousands = (
        fitted(weights)[0].network.params for weights in (None, [0.5] * 60, np.full((60, 1), 1e3))
    )
    assert torch.allclose(plain, halves) and torch.equal(halves, thousands)


def test_validation_may_have_weights_and_metrics_count_all_rows_alike():
    layers, y = problem("binary_cross_entropy")
    weights = torch.arange(60.0)
    given = {
        "y": y,
        "loss": "binary_cross_entropy",
        "layers": layers,
        "metrics": ["accuracy", "error_rate"],
        "epochs": 2,
    }
    made, history = fitted(**given, validation=(X, y, weights))
    plain, bare = fitted(**given, validation=(X, y))
    assert list(history[0].metrics) == ["accuracy", "error_rate"] and list(history[0].validation) == [
        "loss",
        "accuracy",
        "error_rate",
    ]
    assert (
        history[1].validation["loss"]
        == pytest.approx(made.evaluate(X, y, [], weights)["loss"])
        != pytest.approx(bare[1].validation["loss"])
    )
    assert history[1].validation["accuracy"] == bare[1].validation["accuracy"]


@pytest.mark.parametrize(
    "weights, error, words",
    [
        ([1.0] * 59, ShapeError, "weights: one for each of 60 rows is needed, got shape (59,)"),
        ([[1.0, 2.0]] * 60, ShapeError, "weights: one for each of 60 rows is needed, got shape (60, 2)"),
        (2.0, ShapeError, "weights: one for each of 60 rows is needed, got shape ()"),
        ([1.0] * 59 + [-2.0], DataError, "weights: none may be negative, row 59 holds -2"),
        ([1.0] * 59 + [float("nan")], DataError, "weights: every value must be finite, row 59 holds nan"),
        ([0] * 60, DataError, "weights: one must be above 0, all are 0"),
        ("many", DataError, "weights: numbers are needed, got str"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, error, words):
    for refused in (lambda: model().fit(X, Y, weights=weights), lambda: model().evaluate(X, Y, weights=weights)):
        with pytest.raises(error, match=re.escape(words)):
            refused()


def test_callbacks_see_every_record_and_one_that_says_true_ends_the_run():
    seen, other = [], []
    made, history = fitted(
        callbacks=[lambda epoch: seen.append(epoch) or epoch.number == 2, lambda epoch: other.append(epoch) or 7]
    )
    assert history == seen == other and len(history) == 2
    assert torch.equal(made.network.params, fitted(epochs=2)[0].network.params)


@pytest.mark.parametrize("callbacks", [print, [3], "f", 3])
def test_callbacks_that_cannot_be_are_refused(callbacks):
    with pytest.raises(SettingError, match=re.escape(f"callbacks: a list of functions is needed, got {callbacks!r}")):
        fitted(callbacks=callbacks)


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_callback_finds_the_model_as_it_was_judged_and_disturbs_nothing(average):
    made, losses = model(), []
    history = made.fit(
        X,
        Y,
        7,
        epochs=4,
        validation=(X, Y),
        average=average,
        progress=False,
        callbacks=[lambda epoch: losses.append(made.evaluate(X, Y)["loss"])],
    )
    assert losses == [record.validation["loss"] for record in history]
    alone, _ = fitted(average=average)
    assert torch.equal(alone.network.params, made.network.params)


@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("keep_best", [True, False])
def test_what_a_callback_raises_reaches_the_caller_and_the_weights_are_those_of_the_epoch_before(average, keep_best):
    made, seen = model(), []

    def angry(epoch):
        seen.append(epoch)
        if epoch.number == 3:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        made.fit(
            X,
            Y,
            7,
            epochs=9,
            validation=(X, Y),
            average=average,
            keep_best=keep_best,
            progress=False,
            callbacks=[angry],
        )
    wanted = min(record.validation["loss"] for record in seen) if keep_best else seen[-1].validation["loss"]
    assert made.evaluate(X, Y)["loss"] == pytest.approx(wanted, rel=1e-12)
    copy.deepcopy(made).fit(X, Y, 7, epochs=1, progress=False)


@pytest.mark.parametrize(
    "given, got", [((1,), "1 of them"), ((), "0 of them"), ((1, 2, 3, 4), "4 of them"), (0.1, "float"), ({}, "dict")]
)
def test_what_is_no_validation_is_refused(given, got):
    model = Model([{"type": "dense", "units": 1}], "mean_squared_error")
    with pytest.raises(SettingError, match=rf"^validation: \(x, y\) or \(x, y, weights\) is needed, got {got}$"):
        model.fit(torch.zeros(4, 2), torch.zeros(4), validation=given, progress=False)


def test_one_metric_may_be_named_without_a_list():
    model = Model([{"type": "dense", "units": 1}], "mean_squared_error")
    assert list(model.fit(torch.randn(4, 2), torch.randn(4), epochs=1, metrics="r2", progress=False)[0].metrics) == [
        "r2"
    ]


@dataclass(frozen=True)
class Settings:
    layers: tuple[Annotated[int, Meta(ge=1)] | Layer, ...] = ()
    metrics: tuple[Metric, ...] | None = None
    first: int | Layer = 3

    def __post_init__(self) -> None:
        spec.settle(self)


def test_settings_may_hold_several_components_and_plain_values_beside_them():
    settings = Settings([32, "dropout:rate=0.1", {"type": "dense", "units": 3}], ["r2"], "layer_norm")
    dropout, dense = registry.layers["dropout"](0.1), registry.layers["dense"](units=3)
    assert (
        settings.layers[0] == 32 and settings.layers[1] == dropout and settings.layers[2] == spec.make("layer", dense)
    )
    assert settings.metrics == (registry.metrics["r2"](),) and settings.first == registry.layers["layer_norm"]()
    assert Settings(metrics=()).metrics == () and Settings() == Settings((), None, 3)


@pytest.mark.parametrize(
    "given, words",
    [
        (
            {"layers": [0, 3, True, "dence"], "first": 2.5},
            "layers[0]: expected `int` >= 1, got 0; layers[2]: expected `int`, got True; "
            "layers[3]: layer 'dence' is unknown; did you mean dense?; first: expected `int`, got 2.5",
        ),
        ({"metrics": "r2"}, "metrics: a list is needed, got 'r2'"),
        ({"layers": None}, "layers: a list is needed, got None"),
        ({"first": None}, "first: expected `int`, got None"),
        ({"metrics": [None]}, "metrics[0]: metric: a name, a table or an instance of Metric is needed, got None"),
    ],
)
def test_settings_that_cannot_be_are_told_all_at_once(given, words):
    with pytest.raises(SettingError, match=f"^{re.escape(words)}$"):
        Settings(**given)


def rated(rate=1.0, decay=1.0):
    """LAYERS, with factors for the first."""
    return [{"type": "rates", "layers": LAYERS[:1], "learning_rate": rate, "weight_decay": decay}, *LAYERS[1:]]


def by_hand(optimizer, alphas, decays, steps=12):
    """Parameters after a few steps, where each has rates of its own: one optimizer for each of them."""
    made = model()
    network, found = made.network, []
    alone = [spec.make("optimizer", f"{optimizer},weight_decay={0.1 * decay}") for decay in decays]
    states = [each.start(network.params) for each in alone]
    for number in range(steps):
        trace = network.forward(X[:20])
        network.backward(trace, made.loss(trace.output, Y[:20])[1] / 20)
        found = []
        for each, state, alpha in zip(alone, states, alphas):
            params = network.params.clone()
            each.step(params, network.grads, state, alpha)
            found.append(params)
        for number, (first, _) in enumerate(zip(found, alone)):
            for name, view in placed(place(network.links[number].trained), first).items():
                network.parameters()[f"{number}.{name}"].copy_(view)
    return network.parameters()


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd:nesterov=false", "sgd:momentum=0.9", "adam:beta1=0.8", "adamw:beta1=0.8"])
def test_factors_of_a_layer_are_as_if_it_had_an_optimizer_of_its_own(optimizer, plan):
    wanted = by_hand(optimizer, [0.05, 0.1], [0.25, 1.0])
    options = {"x": X[:20], "y": Y[:20], "batch": 20, "epochs": 12, "shuffle": False, "alpha": 0.1, "plan": plan}
    found = fitted(layers=rated(0.5, 0.25), optimizer=f"{optimizer},weight_decay=0.1", **options)[0].parameters()
    for one, two in zip(found.values(), wanted.values()):
        torch.testing.assert_close(one, two)


def test_a_factor_of_0_leaves_parameters_as_they_start_and_1_changes_no_bit():
    start, frozen = model(layers=rated(0.0)), fitted(layers=rated(0.0, 0.0), optimizer="adamw")[0]
    assert torch.equal(frozen.parameters()["0.0.W"], start.parameters()["0.0.W"])
    assert not torch.equal(frozen.parameters()["1.W"], start.parameters()["1.W"])
    torch.testing.assert_close(fitted(layers=rated())[0].network.params, fitted()[0].network.params)


@dataclass(frozen=True)
class Skewed(registry.layers["dense"]):
    """x W + b, with odd factors."""

    def factors(self, name):
        return FACTOR[0], 1.0


FACTOR = [1.0]


@pytest.mark.parametrize("factor", [-1.0, float("inf"), float("nan")])
def test_factors_must_be_numbers_of_at_least_0(factor, monkeypatch):
    monkeypatch.setattr(f"{__name__}.FACTOR", [factor])
    with pytest.raises(SettingError, match=f"^layer 0: factors of W: at least 0 and finite, got {factor}$"):
        fitted(layers=[Skewed(units=1)])


@pytest.mark.parametrize("optimizer", ["adamw:weight_decay=0.3", "sgd:momentum=0.9,weight_decay=0.1"])
def test_the_weight_decay_follows_a_schedule_step_by_step(optimizer):
    made, cosine = model(), spec.make("schedule", "cosine")
    network, name = made.network, optimizer.partition(":")[0]
    rule = spec.make("optimizer", optimizer)
    state, decay = rule.start(network.params), rule.weight_decay
    for number in range(4 * 9):
        batch = slice(number % 9 * 7, (number % 9 + 1) * 7)
        trace = network.forward(X[batch])
        network.backward(trace, made.loss(trace.output, Y[batch])[1] / len(X[batch]))
        now = type(rule)(**{**vars(rule), "weight_decay": decay * cosine(number / 36)})
        now.step(network.params, network.grads, state, 0.05)
    options = {"optimizer": optimizer, "schedules": {"weight_decay": "cosine"}, "alpha": 0.05, "shuffle": False}
    for plan in (True, False):
        found = fitted(plan=plan, **options)[0].network.params
        torch.testing.assert_close(found, network.params)
    assert not torch.allclose(fitted(**options | {"schedules": {}})[0].network.params, network.params), name


DROPPED = [LAYERS[0], "dropout:rate=0.4", LAYERS[1]]


def test_a_layers_setting_follows_a_schedule_from_epoch_to_epoch_and_comes_back():
    seen = []
    made = model(layers=DROPPED)
    made.fit(
        X,
        Y,
        epochs=4,
        metrics=[],
        progress=False,
        schedules={"1.rate": "cosine"},
        callbacks=[lambda epoch: seen.append(made.network.layers[1].rate)],
    )
    cosine = spec.make("schedule", "cosine")
    assert seen == [0.4 * cosine(epoch / 4) for epoch in range(4)] and made.network.layers[1].rate == 0.4
    changed, plain, read = (
        fitted(layers=DROPPED, schedules=schedules, plan=plan)[0].network.params
        for schedules, plan in (({"1.rate": "cosine"}, True), ({}, True), ({"1.rate": "cosine"}, False))
    )
    torch.testing.assert_close(changed, read)
    assert not torch.allclose(changed, plain)


@dataclass(frozen=True)
class Doubling(registry.schedules["constant"]):
    """1 + done."""

    def __call__(self, done):
        return 1.0 + done


@pytest.mark.parametrize(
    ("schedules", "words"),
    [
        ({"1.rat": "cosine"}, r"^schedules: there is no number '1.rat'; did you mean 1.rate\?$"),
        ({"x": "cosine"}, r"^schedules: there is no number 'x'; there are weight_decay, 1.rate$"),
        ({"weight_decay": "cosine"}, r"^schedules: rmsprop has no weight_decay to change$"),
        (
            {"weight_decay": "cosin"},
            r"^schedules\['weight_decay'\]: schedule 'cosin' is unknown; did you mean cosine\?$",
        ),
        (
            {"1.rate": "doubling"},
            r"^Dropout: rate: expected `float` < 1.0, got 1.05$|^dropout: rate: expected `float` < 1.0",
        ),
    ],
)
def test_what_no_schedule_can_change_is_refused_before_training(schedules, words):
    registry.schedules.register("doubling", Doubling)
    layers = [LAYERS[0], "dropout:rate=0.6", LAYERS[1]]
    made = model(layers=layers)
    before = made.network.params.clone()
    with pytest.raises(NetkitError, match=words):
        made.fit(X, Y, epochs=4, optimizer="rmsprop", schedules=schedules, progress=False)
    assert torch.equal(made.network.params, before)


def test_an_initializer_that_sees_data_makes_outputs_of_deviation_1_once():
    wide = [
        {"type": "dense", "units": 50, "activation": "prelu", "initializer": "unit_variance"},
        {"type": "residual", "layers": [{"type": "dense", "units": 50, "initializer": "unit_variance"}]},
        {"type": "dense", "units": 1, "initializer": "unit_variance:start=he_normal"},
    ]
    x = 30 + 100 * X
    made = model(layers=wide)
    begin = made.network.params.clone()
    made.fit(x, Y, epochs=1, alpha=1e-30, optimizer="sgd", metrics=[], progress=False)
    z, hidden = made.network.forward(x).steps, made.network.forward(x).steps[1][2]
    for values in (z[0][1], z[3][1], z[2][1] - hidden):
        torch.testing.assert_close(float(values.std(correction=0)), 1.0)
    begun = made.network.params.clone()
    assert not torch.allclose(begun, begin)
    made.fit(x / 7, Y, epochs=1, alpha=1e-30, optimizer="sgd", metrics=[], progress=False)
    assert torch.allclose(made.network.params, begun)
    again = model(layers=wide)
    again.fit(x, Y, epochs=1, alpha=1e-30, optimizer="sgd", metrics=[], progress=False, plan=False)
    torch.testing.assert_close(again.network.params, begun)


def test_a_loaded_model_is_not_begun_anew(tmp_path):
    layers = [{"type": "dense", "units": 1, "initializer": "unit_variance"}]
    made = fitted(layers=layers)[0]
    made.save(tmp_path / "m.netkit")
    again = netkit.load(tmp_path / "m.netkit")
    again.fit(100 * X, Y, epochs=1, alpha=1e-30, optimizer="sgd", metrics=[], progress=False)
    torch.testing.assert_close(again.network.params, made.network.params)


def test_factors_of_a_decay_that_nobody_chose_change_nothing():
    plain, decayed = (fitted(layers=rated(1.0, decay), optimizer="rmsprop")[0].network.params for decay in (1.0, 0.5))
    assert torch.equal(plain, decayed)


def test_a_step_beyond_the_last_is_taken_as_the_last():
    """Windows of shuffled rows may make one batch more than was counted."""
    made, optimizer = model(), spec.make("optimizer", "adamw")
    schedules = {"weight_decay": spec.make("schedule", "cosine:floor=0.5")}
    rates = Rates(made.network, optimizer, 0.1, spec.make("schedule", "cosine:floor=0.5"), schedules, 10)
    assert rates.at(10) == rates.at(13) == pytest.approx(0.05)
    assert rates.optimizer_at(13) == rates.optimizer_at(10) and rates.optimizer_at(13).weight_decay == 0.005


def test_the_rows_that_an_initializer_sees_are_from_everywhere():
    x = torch.cat([torch.zeros(1500, 4), torch.randn(1500, 4, generator=generator(1, 0))]).double()
    made = model(layers=[{"type": "dense", "units": 30, "initializer": "unit_variance"}, {"type": "dense", "units": 1}])
    made.fit(x, x.sum(1), epochs=1, alpha=1e-30, optimizer="sgd", metrics=[], progress=False)
    assert float(made.network.forward(x).steps[0][1].std(correction=0)) == pytest.approx(1, abs=0.1)
