"""What layers may hold: other layers, activations with parameters, state that is not trained."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import netkit
from netkit import Chain, DivergenceError, Layer, Model, SettingError, ShapeError, UnknownComponent, registry, spec
from netkit.files.header import read_header
from netkit.tensors import generator
from netkit.testing import check

X = torch.randn(70, 4, generator=generator(5, 0), dtype=torch.float64)
Y = X.prod(1, keepdim=True).tanh()
DEEP = {
    "type": "residual",
    "layers": [
        "batch_norm",
        {"type": "residual", "layers": ["dense:units=3,activation=prelu", "dense:units=4"]},
        {"type": "rates", "layers": ["dense:units=4,activation=tanh"], "learning_rate": 0.5},
    ],
}
LAYERS = [
    DEEP,
    {"type": "concat", "layers": ["dense:units=2,activation=prelu", "batch_norm"]},
    "batch_norm",
    "dense:units=1",
]


def fitted(layers=LAYERS, epochs=4, **options):
    model = Model(layers, "mean_squared_error", seed=3, dtype="float64")
    given = {"batch": 9, "epochs": epochs, "alpha": 0.05, "metrics": [], "progress": False, **options}
    return model, model.fit(X, Y, **given)


def everything(model):
    return model.network.parameters() | model.network.states()


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_chain_is_what_its_layers_are_after_each_other():
    chain = Chain(["dense:units=3,activation=prelu", "batch_norm", "dense:units=2,activation=tanh"])
    params, shape = chain.build((4,), torch.Generator().manual_seed(1))
    assert shape == (2,) and sorted(params) == ["0.W", "0.b", "1.slope", "2.gain", "2.shift", "3.W", "3.b"]
    assert sorted(chain.state((4,))) == ["2.mean", "2.variance"] and chain.mixes_rows
    params = {name: each.double().requires_grad_() for name, each in params.items()} | chain.state((4,))
    x = X.clone().requires_grad_()
    y, saved = chain.forward(params, x, torch.Generator())
    hidden = F.prelu(x @ params["0.W"] + params["0.b"], params["1.slope"])
    hidden = F.batch_norm(hidden, None, None, params["2.gain"], params["2.shift"], training=True)
    wanted = torch.tanh(hidden @ params["3.W"] + params["3.b"])
    torch.testing.assert_close(y, wanted)
    trained = [name for name in params if not name.startswith(("2.m", "2.v"))]
    grad = torch.randn(70, 2, generator=generator(1, 0), dtype=torch.float64)
    by_x, *by_params = torch.autograd.grad(wanted, [x, *(params[name] for name in trained)], grad)
    dx, grads = chain.backward(params, saved, grad)
    torch.testing.assert_close(dx, by_x)
    torch.testing.assert_close(grads, dict(zip(trained, by_params)))
    with pytest.raises(SettingError, match="^layers: at least one layer is needed, got none$"):
        Chain([])
    assert Chain([{"type": "dense", "units": 3}]).build((4,), torch.Generator())[1] == (3,)


def test_the_plan_and_the_steps_as_they_read_give_the_same_numbers():
    one, two = fitted()[0], fitted(plan=False)[0]
    assert {name.partition(".")[2] for name in one.network.states()} >= {"0.mean", "0.variance", "mean", "variance"}
    for name, each in everything(one).items():
        torch.testing.assert_close(each, everything(two)[name], msg=name)
    assert not torch.equal(one.network.states()["2.mean"], torch.zeros(6, dtype=torch.float64))


@dataclass(frozen=True)
class Centred(Layer):
    """gain sin(x - m), m the running mean before this batch: its backward reads the state, too."""

    def build(self, in_shape, rng):
        return {"gain": torch.ones(in_shape)}, in_shape

    def state(self, in_shape):
        return {"mean": torch.zeros(in_shape)}

    def next_state(self, params, saved):
        return {"mean": 0.5 * params["mean"] + 0.5 * saved.mean(0)}

    def forward(self, params, x, rng=None):
        return params["gain"] * torch.sin(x - params["mean"]), x

    def backward(self, params, saved, grad):
        d = saved - params["mean"]
        return params["gain"] * torch.cos(d) * grad, {"gain": (torch.sin(d) * grad).sum(0)}


@pytest.mark.parametrize("layers", [[Centred()], ["dense:units=4", Centred(), "dense:units=4", Centred()]])
def test_backward_sees_the_state_that_forward_saw(layers):
    check(Centred())
    one, two = (fitted([*layers, "dense:units=1"], plan=plan, alpha=0.01)[0] for plan in (True, False))
    for name, each in everything(one).items():
        torch.testing.assert_close(each, everything(two)[name], msg=name)


def test_batch_norm_trains_and_keeps_what_torch_does():
    made = spec.make("layer", "batch_norm:momentum=0.3")
    params = made.build((4,), generator(0, 0))[0] | made.state((4,))
    params = {name: each.double() for name, each in params.items()}
    other = torch.nn.BatchNorm1d(4, momentum=0.3, dtype=torch.float64)
    for batch in X.split(16):
        y, saved = made.forward(params, batch, generator(0, 0))
        torch.testing.assert_close(y, other(batch).detach())
        params |= made.next_state(params, saved)
    torch.testing.assert_close(params["mean"], other.running_mean)
    torch.testing.assert_close(params["variance"], other.running_var)
    torch.testing.assert_close(made.forward(params, X)[0], other.eval()(X).detach())
    image = torch.randn(3, 4, 2, 2, generator=generator(2, 0), dtype=torch.float64)
    wanted = F.batch_norm(image, None, None, training=True)
    torch.testing.assert_close(made.forward(params, image, generator(0, 0))[0], wanted)


def test_state_is_saved_loaded_copied_and_pickled(tmp_path):
    model, _ = fitted()
    path = tmp_path / "m.netkit"
    model.save(path)
    for twin in (netkit.load(path), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert same(everything(twin), everything(model)) and torch.equal(twin.forward(X), model.forward(X))
        twin.network.states()["2.mean"].add_(1)
        assert not torch.equal(twin.forward(X), model.forward(X))
    header = read_header(path)
    assert sorted(header.state) == sorted(model.network.states())
    assert {"netkit-nn/prelu", "netkit-nn/rates", "netkit-nn/batch_norm"} <= set(header.components)


def test_the_best_epochs_state_is_kept_and_the_last_finite_one_comes_back():
    seen = []
    model = Model(["batch_norm", "dense:units=1"], "mean_squared_error", seed=3, dtype="float64")
    options = {"batch": 9, "alpha": 0.6, "metrics": [], "progress": False, "keep_best": True}
    history = model.fit(
        X,
        Y,
        epochs=6,
        callbacks=[lambda epoch: seen.append({n: v.clone() for n, v in everything(model).items()})],
        **options,
    )
    best = max(epoch.number for epoch in history if epoch.best)
    assert best < 6 and same(everything(model), seen[best - 1])
    before = {name: each.clone() for name, each in everything(model).items()}
    with pytest.raises(DivergenceError):
        model.fit(X, Y * 1e200, epochs=3, **options)
    assert same(everything(model), before)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_batch_of_a_single_row_does_no_harm(rows):
    model, _ = fitted(batch=rows, epochs=1)
    assert all(bool(torch.isfinite(each).all()) for each in everything(model).values())


@pytest.mark.parametrize(
    "given",
    [
        "prelu",
        "prelu:start=0.1",
        {"type": "prelu", "start": 0.1},
        registry.layers["prelu"](0.1),
        registry.layers["prelu"],
    ],
)
def test_a_layer_that_keeps_the_shape_may_be_named_where_an_activation_is(given, tmp_path):
    model, _ = fitted([{"type": "dense", "units": 3, "activation": given}, {"type": "dense", "units": 1}])
    assert [type(layer).__name__ for layer in model.network.layers] == ["Dense", "Prelu", "Dense"]
    assert [*model.parameters()] == ["0.W", "0.b", "1.slope", "2.W", "2.b"]
    assert not torch.equal(model.parameters()["1.slope"], torch.full((3,), 0.1, dtype=torch.float64))
    model.save(tmp_path / "m.netkit")
    assert torch.equal(netkit.load(tmp_path / "m.netkit").forward(X), model.forward(X))


def test_what_cannot_stand_where_an_activation_is_says_why():
    with pytest.raises(
        SettingError, match="^activation: Dense is a layer that changes the shape of rows; give it among the layers$"
    ):
        spec.make("activation", "dense")
    with pytest.raises(SettingError, match="^activation: dense is a layer that changes the shape of rows"):
        spec.make("activation", registry.layers["dense"](units=2))
    with pytest.raises(UnknownComponent, match="^activation 'prelo' is unknown"):
        spec.make("activation", "prelo")

    class Fixed(registry.layers["dropout"]):
        """x."""

        activation = "prelu"

    with pytest.raises(SettingError, match="^layer 0: Fixed has no setting activation to hold a layer$"):
        Model([Fixed()], "mean_squared_error").build((2,))


ONE = st.one_of(
    st.builds(lambda start: {"type": "prelu", "start": start}, st.floats(-2, 2)),
    st.builds(
        lambda units, f: {"type": "dense", "units": units, "activation": f},
        st.integers(1, 9),
        st.sampled_from(["tanh", "prelu:start=0.5", "leaky_relu:slope=0.1", None]),
    ),
    st.just({"type": "torch", "module": 'Linear(4, 3, bias=False) # ]",={'}),
)
MANY = st.recursive(
    ONE,
    lambda inner: st.builds(
        lambda kind, layers: {"type": kind, "layers": layers},
        st.sampled_from(["residual", "concat", "rates"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


@given(MANY)
def test_any_nesting_survives_text(table):
    made = spec.make("layer", table)
    assert spec.make("layer", spec.text(made)) == made


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("residual:layers=[dense", "layers=[dense"),
        ('residual:layers=["dense]', 'layers=["dense]'),
        ("residual:layers=dense]", "layers=dense]"),
        ("residual:layers=[{a=1]}", None),
        ("residual:layers={", "layers={"),
        ("residual:layers=],a=[", "layers=],a=["),
        ("residual:3=4", "3=4"),
        ("residual:layers=[],", "nothing after the colon"),
    ],
)
def test_a_text_that_is_cut_off_is_told(text, rest):
    if rest == "nothing after the colon":
        assert spec.parse(text) == ("residual", {"layers": []})
    elif rest is None:
        assert spec.parse(text)[1]["layers"] == "[{a=1]}"
    else:
        with pytest.raises(SettingError) as caught:
            spec.parse(text)
        assert str(caught.value) == f"residual: settings read setting=value,..., got {rest!r}"


def test_layers_within_layers_survive_text_and_tables():
    made = spec.make("layer", DEEP)
    assert spec.make("layer", spec.text(made)) == spec.make("layer", spec.table(made)) == made
    assert [spec.name(each) for each in spec.components(made)].count("dense") == 3


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            [{"type": "residual", "layers": ["dense:units=3"]}],
            r"^layer 0: residual: its layers must keep the shape of rows, \(4,\) became \(3,\)$",
        ),
        (
            [{"type": "residual", "layers": ["dense:unit=3"]}],
            r"^residual: layers\[0\]: dense: there is no setting 'unit'; did you mean units\?$",
        ),
        (
            ["reshape:shape=[2, 2]", {"type": "concat", "layers": ["flatten"]}],
            r"^layer 1: concat: its layers may change the first axis of rows alone, \(2, 2\) became \(4,\)$",
        ),
        ([{"type": "residual", "layers": 3}], r"^residual: layers: a list is needed, got 3$"),
        (
            [{"type": "residual", "layers": []}],
            r"^layer 0: layers: at least one layer is needed, got none$|^layers: at least one",
        ),
    ],
)
def test_mistakes_within_layers_are_told_with_their_place(layers, words):
    with pytest.raises((SettingError, ShapeError), match=words):
        Model(layers, "mean_squared_error").build((4,))


def test_the_command_takes_layers_in_layers(cli, penguins, tmp_path):
    path = tmp_path / "m.netkit"
    hidden = '16;residual:layers=["dense:units=16,activation=prelu", "dense:units=16"];batch_norm'
    options = ["--hidden", hidden, "--activation", "prelu:start=0.1", "--epochs", 3, "--out", path]
    assert cli("train", penguins, "--target", "species", *options)[0] == 0
    _, described, _ = cli("describe", path)
    assert (
        "residual(layers=[dense(units=16, activation=prelu(start=0.25), " in described
        and "layer netkit-nn/prelu (netkit-nn" in described
    )
    assert cli("predict", path, penguins)[0] == 0
