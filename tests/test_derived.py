"""Components from their forward alone: held to the promises, to the hand-written ones, and used like any other."""

from __future__ import annotations

import json

import pytest
import torch

import netkit
from netkit import Dense, Model, derived, registry, spec
from netkit.errors import ModelFileError, PluginError, SettingError, ShapeError
from netkit.testing import BrokenPromise, check


def swish(z, beta: float = 1.0):
    """z sigmoid(beta z), (n, ...) to the same shape."""
    return z * torch.sigmoid(beta * z)


def tilted(prediction, target, tilt: float = 0.3):
    """The pinball loss of one quantile."""
    d = target - prediction
    return torch.maximum(tilt * d, (tilt - 1) * d).mean(1)


@pytest.fixture
def own():
    with registry.using(registry.Registry()) as mine:
        yield mine


def test_functions_and_modules_become_components_that_keep_the_promises(own):
    own.activations.register("swish")(swish)
    own.losses.register("tilted")(tilted)
    own.layers.register("linear")(derived.layer(torch.nn.Linear))
    for text in ("swish", "swish:beta=2.0", "tilted", "tilted:tilt=0.9", "linear:in_features=4,out_features=3"):
        assert not [report for report in check(text) if report.broken]
    assert spec.make("activation", "swish:beta=2").beta == 2.0 and own.activations.info("swish").derived
    with pytest.raises(SettingError, match="swish: there is no setting 'gamma'"):
        spec.make("activation", "swish:gamma=2")


def test_a_derived_component_gives_the_numbers_of_the_hand_written_one():
    z, grad = torch.randn(9, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    for name, f in {"silu": lambda z: z * z.sigmoid(), "softmax": lambda z: z.softmax(1), "tanh": torch.tanh}.items():
        hand, own = registry.activations[name](), derived.activation(_plain(f))()
        torch.testing.assert_close(own.backward(grad, z, own.forward(z)), hand.backward(grad, z, hand.forward(z)))


def _plain(f):
    def plain(z):
        """A function of z."""
        return f(z)

    return plain


def test_a_torch_layer_learns_what_dense_learns():
    x, y = torch.randn(40, 4), torch.randn(40, 2)
    ours = Model([Dense(4, 2)], "mean_squared_error")
    theirs = Model([{"type": "torch", "module": "Linear(4, 2)"}], "mean_squared_error")
    theirs.build((4,))
    with torch.no_grad():
        theirs.parameters()["0.weight"].copy_(ours.parameters()["0.W"].t())
        theirs.parameters()["0.bias"].copy_(ours.parameters()["0.b"])
    for model in (ours, theirs):
        model.fit(x, y, epochs=5, alpha=0.1, progress=False)
    torch.testing.assert_close(theirs.parameters()["0.weight"], ours.parameters()["0.W"].t())


def test_a_torch_layer_is_seeded_and_saved(tmp_path):
    layers = [
        "torch:module='Linear(4, 8)',activation=tanh".replace("'", '"'),
        {"type": "torch", "module": "Dropout(0.5)"},
        Dense(units=1),
    ]
    x, y = torch.randn(30, 4), torch.randn(30)
    runs = []
    for _ in range(2):
        model = Model(layers, "mean_squared_error", seed=3)
        before = torch.get_rng_state()
        model.fit(x, y, epochs=3, progress=False)
        assert torch.equal(before, torch.get_rng_state())
        runs.append(model.forward(x))
    assert torch.equal(*runs)
    model.save(tmp_path / "m.netkit")
    assert torch.equal(netkit.load(tmp_path / "m.netkit").forward(x), runs[0])


def test_a_convolution_needs_no_component_of_its_own():
    model = Model(
        [{"type": "torch", "module": "Conv2d(1, 3, 3)"}, {"type": "torch", "module": "Flatten()"}, Dense(units=1)],
        "huber",
    )
    history = model.fit(torch.randn(16, 1, 6, 6), torch.randn(16), epochs=2, alpha=0.01, progress=False)
    assert model.network.links[0].out_shape == (3, 4, 4) and len(history) == 2


HOSTILE = {
    "other module": ("os.system('true')", "torch: a module reads"),
    "import": ("__import__('os')", "torch: a class of torch.nn is needed, got '__import__'"),
    "dunder": ("__loader__", "torch: a class of torch.nn is needed"),
    "expression": ("Linear(4, 2 + __import__('os').getpid())", "torch: a module reads"),
    "function": ("factory_kwargs", "torch: a class of torch.nn is needed"),
    "star": ("Linear(**{})", "torch: a module reads"),
    "not closed": ("Linear(4", "torch: a module reads"),
    "deep": ("(" * 5000, "torch: a module reads"),
    "submodule": ("init", "torch: a class of torch.nn is needed"),
    "arguments": ("Linear(4)", "Torch: Linear.__init__.. missing"),
    "keeps state": ("BatchNorm1d(4)", "BatchNorm1d: keeps running_mean between steps; a layer may not"),
    "in place": ("ReLU(inplace=True)", "ReLU: changes its input in place; a layer may not"),
    "in place while training": ("Dropout(0.5, inplace=True)", "Dropout: changes its input in place; a layer may not"),
    "two inputs": (
        "Bilinear(2, 2, 2)",
        "Bilinear: a module of one tensor is needed: .*missing 1 required positional argument: 'input2'",
    ),
    "open size": ("LazyLinear(3)", "LazyLinear: leaves the size of weight open; a layer must say it"),
    "tuple": ("LSTM(4, 3)", "LSTM: a module that gives one tensor is needed, got tuple"),
}


@pytest.mark.parametrize("text, message", HOSTILE.values(), ids=HOSTILE)
def test_only_modules_of_torch_nn_can_be_named(text, message):
    with pytest.raises(SettingError, match=f"^layer 0: {message}") as caught:
        Model([{"type": "torch", "module": text}], "huber").build((4,))
    assert "\n" not in str(caught.value)


def test_a_module_whose_annotations_are_no_rules_keeps_the_promises(own):
    norm = derived.layer(torch.nn.LayerNorm)
    own.layers.register("norm", norm)
    assert not check(norm([4]))[0].broken and not check("norm:normalized_shape=[4]")[0].broken
    assert spec.make("layer", "norm:normalized_shape=[4]") == norm((4,))
    with pytest.raises(BrokenPromise, match="SettingError: LayerNorm: normalized_shape is required$"):
        check("norm")


def test_only_functions_and_modules_can_be_derived():
    with pytest.raises(PluginError, match="layer: a class derived from torch.nn.Module is needed, got <class 'int'>"):
        derived.layer(int)
    with pytest.raises(PluginError, match="int: a function is needed, got a class"):
        derived.activation(int)
    with pytest.raises(PluginError, match="ReLU: a function is needed, got a class"):
        derived.activation(torch.nn.ReLU)


def test_a_module_that_does_not_fit_says_so():
    with pytest.raises(ShapeError, match=r"layer 0: Linear: rows of shape \(5,\) do not fit: "):
        Model([{"type": "torch", "module": "Linear(4, 2)"}], "huber").build((5,))


def test_a_derived_loss_must_give_one_value_a_row(own):
    own.losses.register("whole")(_whole)
    with pytest.raises(ShapeError, match=r"_whole: one value a row is needed, shape \(3,\), got \(\)"):
        own.losses["whole"]()(torch.zeros(3, 1), torch.zeros(3))


def _whole(prediction, target):
    """One number for all."""
    return (prediction - target).abs().sum()


def test_what_cannot_be_derived_is_refused(own):
    with pytest.raises(
        PluginError, match="metric: a class derived from Metric is needed, a function cannot become one"
    ):
        own.metrics.register("share")(lambda prediction, target: 0)
    with pytest.raises(PluginError, match=r"every setting needs a name, got \*rest"):
        own.activations.register("many")(lambda z, *rest: z)


def test_a_model_with_a_component_made_by_hand_warns_when_saved_and_loads_where_it_is_registered(own, tmp_path):
    own.activations.register("swish")(swish)
    model = Model([Dense(3, 2, "swish:beta=0.5"), Dense(units=1)], "huber")
    with pytest.warns(UserWarning, match="run-time/swish was registered by hand; the file will only load where"):
        model.save(tmp_path / "m.netkit")
    x = torch.randn(4, 3)
    assert torch.equal(netkit.load(tmp_path / "m.netkit").forward(x), model.forward(x))
    with (
        registry.using(registry.Registry()),
        pytest.raises(ModelFileError, match="registered by hand .* register it again"),
    ):
        netkit.load(tmp_path / "m.netkit")


def test_derived_components_are_marked(cli):
    _, out, _ = cli("list-plugins", "--kind", "layer")
    [line] = [line for line in out.splitlines() if line.startswith("layer  torch ")]
    assert "(derived gradient)" in line
    _, out, _ = cli("list-plugins", "--json")
    assert [c["name"] for p in json.loads(out)["plugins"] for c in p["components"] if c["derived"]] == ["torch"]


def test_random_numbers_of_a_module_come_from_the_rng_it_is_given():
    layer = spec.make("layer", 'torch:module="Dropout(0.5)"')
    x = torch.ones(50, 4)
    runs = []
    for seed, ambient in ((1, 0), (1, 9), (2, 0)):
        torch.manual_seed(ambient)
        runs.append(layer.forward({}, x, torch.Generator().manual_seed(seed))[0])
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    weights = []
    for seed, ambient in ((1, 0), (1, 9), (2, 0)):
        torch.manual_seed(ambient)
        built, _ = spec.make("layer", 'torch:module="Linear(4, 3)"').build((4,), torch.Generator().manual_seed(seed))
        weights.append(built["weight"])
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
