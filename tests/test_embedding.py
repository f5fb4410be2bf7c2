"""The embedding layer, from codes in a matrix to a column of a table."""

from __future__ import annotations

import csv

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netkit import Model, registry, spec
from netkit.errors import SettingError, ShapeError
from netkit.tables.features import Features
from netkit.tables.model import TableModel

LAYER = {"type": "embedding", "columns": [1], "levels": [3], "dimensions": [2]}


def built(text, width=4):
    layer = spec.make("layer", text)
    return layer, layer.build((width,), torch.Generator().manual_seed(0))[0]


@given(st.floats(allow_nan=False, width=32))
def test_any_number_is_the_code_at_or_below_it_or_the_nearest(number):
    layer, params = built(LAYER, 2)
    y, _ = layer.forward(params, torch.tensor([[7.0, number]]))
    assert y[0, 0] == 7 and torch.equal(y[0, 1:], params["T1"][int(min(max(number, 0), 2))])


def test_the_rest_comes_first_then_the_tables_in_the_order_of_columns():
    layer, params = built({"type": "embedding", "columns": [3, 0], "levels": [2, 4], "dimensions": [1, 3]})
    y, saved = layer.forward(params, torch.tensor([[2.0, 5, 6, 1], [2, 7, 8, 0]]))
    assert torch.equal(y, torch.cat([torch.tensor([[5.0, 6], [7, 8]]), params["T3"][[1, 0]], params["T0"][[2, 2]]], 1))
    dx, grads = layer.backward(params, saved, torch.ones_like(y))
    assert dx.tolist() == [[0, 1, 1, 0]] * 2
    assert grads["T3"].tolist() == [[1], [1]] and grads["T0"].tolist() == [[0] * 3, [0] * 3, [2] * 3, [0] * 3]


BAD = {
    "lengths": (
        {"columns": [1], "levels": [3, 4], "dimensions": [2]},
        SettingError,
        "columns, levels and dimensions must be of one length, got 1, 2 and 1",
    ),
    "none": ({"columns": [], "levels": [], "dimensions": []}, SettingError, "must be of one length, got 0, 0 and 0"),
    "twice": (
        {"columns": [1, 1], "levels": [3, 4], "dimensions": [2, 2]},
        SettingError,
        r"columns must differ, got \[1, 1\]",
    ),
    "beyond": (
        {"columns": [4], "levels": [3], "dimensions": [2]},
        ShapeError,
        r"column 4 of rows of shape \(4,\) is needed",
    ),
    "no level": ({"columns": [0], "levels": [0], "dimensions": [2]}, SettingError, "embedding: levels: "),
}


@pytest.mark.parametrize("settings, error, message", BAD.values(), ids=BAD)
def test_settings_that_make_no_sense_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        built({"type": "embedding", **settings})


def test_it_learns_a_number_for_each_level():
    codes = torch.arange(200.0)[:, None] % 50
    wanted = torch.sin(codes * 7)
    model = Model(
        [{"type": "embedding", "columns": [0], "levels": [50], "dimensions": [4]}, {"type": "dense", "units": 1}],
        "mean_squared_error",
    )
    history = model.fit(codes, wanted, optimizer="adam", alpha=0.02, epochs=150, progress=False)
    assert history[-1].loss < 1e-3


def test_one_built_in_encoder_brings_a_layer():
    features = {
        name: Features.fit(pa.table({"x": ["1", "2"] * 30}), types={"x": name})
        for name in registry.encoders
        if registry.encoders[name].takes != "date"
    }
    brought = {name: each.layer() for name, each in features.items() if each.layer()}
    assert {name: spec.text(layer) for name, layer in brought.items()} == {
        "embedding": "embedding:columns=[0],levels=[3],dimensions=[2]"
    }


@pytest.fixture
def towns(tmp_path):
    """A table whose target depends on one of 300 levels of a column that looks like numbers."""
    with (tmp_path / "towns.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "zip", "y"])
        writer.writerows([i % 7, f"{i % 300:05}", (i % 300) ** 2 % 17] for i in range(3000))
    return "towns.csv"


def test_a_column_of_codes_from_a_table_to_predictions(cli, towns, tmp_path):
    code, out, _ = cli(
        "train", towns, "--target", "y", "--task", "regression", "--columns", "zip=embedding", "--epochs", 30, "--quiet"
    )
    assert code == 0 and "network 2-6-100-1" in out and float(out.split("r2 ")[1].split()[0]) > 0.9
    described = cli("describe", "towns.netkit")[1]
    assert "embedding(columns=" in described and "  zip: embedding\n" in described
    model = TableModel.load(tmp_path / "towns.netkit")
    assert spec.text(model.features.layer()) == "embedding:columns=[1],levels=[301],dimensions=[5]"
    (tmp_path / "new.csv").write_text("zip,x\n00007,1\n7,1\n99999,1\n,1\n")
    seven, *others = model.predict(tmp_path / "new.csv")
    assert seven == pytest.approx(7 * 7 % 17, abs=3) and others[0] == others[1] == others[2] != seven


def test_layers_of_a_configuration_may_begin_with_their_own(cli, towns, tmp_path):
    (tmp_path / "net.toml").write_text("""
target = "y"
task = "regression"
epochs = 2
quiet = true
layers = [{type = "embedding", columns = [1], levels = [301], dimensions = [5]}, {type = "dense", units = 1}]
[columns]
zip = "embedding"
""")
    assert "network 2-6-1," in cli("train", towns, "--config", "net.toml")[1]
