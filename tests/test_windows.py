"""Convolution, pooling and what goes with them: rows that do not fit, and a network of images from end to end."""

from __future__ import annotations

import re

import pytest
import torch
from sklearn.datasets import load_digits

import netkit
from netkit import Model, SettingError, ShapeError, registry, spec

LAYERS = [
    {"type": "reshape", "shape": [1, 8, 8]},
    {"type": "conv2d", "channels": 16, "padding": 1, "activation": "relu"},
    "max_pool2d",
    "flatten",
    {"type": "dense", "units": 32, "activation": "relu"},
    {"type": "dense", "units": 10, "activation": "softmax"},
]


def digits():
    """Rows of 64 pixels from 0 to 1, 1,300 at random and the rest."""
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(x, dtype=torch.float32)[order] / 16, torch.tensor(y)[order]
    return (x[:1300], y[:1300]), (x[1300:], y[1300:])


def test_a_network_of_images_learns_digits_and_is_the_same_from_its_file(tmp_path):
    train, validation = digits()
    model = Model(LAYERS, "categorical_cross_entropy")
    history = model.fit(*train, epochs=8, optimizer="adam", alpha=0.003, validation=validation, progress=False)
    assert history[-1].validation["accuracy"] > 0.95
    model.save(tmp_path / "digits.netkit")
    again = netkit.load(tmp_path / "digits.netkit")
    assert torch.equal(again.forward(validation[0]), model.forward(validation[0]))
    assert [repr(layer) for layer in again.layers] == [repr(layer) for layer in model.layers]


def test_images_train_the_same_in_the_plan_and_in_the_open():
    (x, y), _ = digits()
    models = [Model(LAYERS, "categorical_cross_entropy", dtype="float64") for _ in range(2)]
    for model, plan in zip(models, (True, False)):
        model.fit(x[:100], y[:100], epochs=2, plan=plan, progress=False, batch=16)
    torch.testing.assert_close(models[0].network.params, models[1].network.params, rtol=1e-9, atol=1e-10)


REFUSED = {
    "conv1d:channels=2": [
        ((4,), "conv1d: rows of (channels, length) are needed, got (4,)"),
        ((3, 2), "conv1d: a window of 3 does not fit into (3, 2) with 0 of padding"),
    ],
    "conv2d:channels=2,kernel=5,padding=1": [
        ((3, 4), "conv2d: rows of (channels, height, width) are needed, got (3, 4)"),
        ((1, 9, 2), "conv2d: a window of 5 does not fit into (1, 9, 2) with 1 of padding"),
    ],
    "max_pool1d": [((2, 3, 3), "max_pool1d: rows of (channels, length) are needed, got (2, 3, 3)")],
    "average_pool1d": [((2, 1), "average_pool1d: a window of 2 does not fit into (2, 1) with 0 of padding")],
    "max_pool2d": [((2, 4, 1), "max_pool2d: a window of 2 does not fit into (2, 4, 1) with 0 of padding")],
    "average_pool2d": [((4,), "average_pool2d: rows of (channels, height, width) are needed, got (4,)")],
    "glu": [((2, 3), "glu: rows with an even last axis, to be halved, are needed, got (2, 3)")],
    "reshape:shape=[2, 3]": [((4,), "reshape: rows that fill [2, 3] are needed, got (4,)")],
    "reshape:shape=[-1, 3]": [((4,), "reshape: rows that fill [-1, 3] are needed, got (4,)")],
    "dense:units=2": [((2, 3, 3), "dense: rows of one axis are needed, got (2, 3, 3)")],
}


@pytest.mark.parametrize(("text", "shape", "line"), [(text, *row) for text, rows in REFUSED.items() for row in rows])
def test_rows_that_do_not_fit_are_told_by_layer_rule_and_shape(text, shape, line):
    with pytest.raises(ShapeError, match=f"^layer 0: {re.escape(line)}$"):
        Model([text], "mean_squared_error").build(shape)


@pytest.mark.parametrize("shape", [[], [0, 4], [-2], [-1, -1]])
def test_a_shape_has_sizes_and_at_most_one_that_is_left(shape):
    with pytest.raises(SettingError, match=r"^layer 0: reshape: sizes of at least 1 are needed, one may be -1, got \["):
        Model([{"type": "reshape", "shape": shape}], "mean_squared_error").build((4,))


@pytest.mark.parametrize("setting", ["kernel=0", "stride=0", "padding=-1", "channels=0"])
def test_windows_have_a_size(setting):
    text = f"conv2d:{setting}" if "channels" in setting else f"conv2d:channels=1,{setting}"
    with pytest.raises(SettingError, match=f"^conv2d: {setting[:5]}.*: expected `int` >= "):
        spec.make("layer", text)


def test_log_softmax_of_one_unit_is_refused():
    with pytest.raises(ShapeError, match="^layer 0: log_softmax: 1 unit always gives 0; 2 or more are needed$"):
        Model(["dense:units=1,activation=log_softmax"], "mean_squared_error").build((4,))


def test_the_weights_of_a_convolution_start_as_wide_as_its_windows_ask():
    params, _ = registry.layers["conv2d"](200, 5, initializer="he_normal").build(
        (8, 9, 9), torch.Generator().manual_seed(0)
    )
    assert params["W"].shape == (200, 8, 5, 5) and float(params["b"].abs().max()) == 0
    assert float(params["W"].std()) == pytest.approx((2 / (8 * 25)) ** 0.5, rel=0.02)
    params, _ = registry.layers["conv1d"](300, 7).build((10, 9), torch.Generator().manual_seed(0))
    assert float(params["W"].abs().max()) == pytest.approx((6 / (10 * 7 + 300 * 7)) ** 0.5, rel=0.01)


def test_the_largest_of_equal_values_is_the_first():
    layer = registry.layers["max_pool2d"]()
    y, saved = layer.forward({}, torch.ones(1, 1, 2, 2))
    dx, _ = layer.backward({}, saved, torch.full_like(y, 5.0))
    assert dx.tolist() == [[[[5, 0], [0, 0]]]]


@pytest.mark.parametrize(("text", "shape"), [("conv1d:channels=2", (3, 5)), ("conv2d:channels=2", (3, 5, 5))])
def test_without_rows_the_gradients_of_a_convolution_are_zeros_of_its_shape(text, shape):
    layer = spec.make("layer", text)
    params, out_shape = layer.build(shape, torch.Generator().manual_seed(0))
    y, saved = layer.forward(params, torch.zeros(0, *shape))
    grads = layer.param_grads(params, saved, torch.zeros(0, *out_shape))
    assert y.shape == (0, *out_shape) and all(torch.equal(grads[name], 0 * params[name]) for name in params)
