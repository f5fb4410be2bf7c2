"""Configurations: what the schema says holds, and a filled one gives the same model."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata

import pytest
from test_nested import installed

from netkit import registry, spec
from netkit.kinds import KINDS

NET = """
target = "species"
epochs = 2
optimizer = {type = "sgd", momentum = 0.9}
schedule = {type = "warm_up", then = "cosine:floor=0.1"}
average = 0.99
balanced = true
validation = 0.2
hidden = [8, {type = "dropout", rate = 0.2}]

[plugins]
disable = ["nobody"]
"""


@pytest.fixture
def schema(cli):
    code, out, err = cli("schema")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_schema_knows_every_component_and_its_settings(schema):
    for kind in KINDS:
        lookup = registry.current().kinds[kind]
        tables = {table["properties"]["type"]["enum"][-1]: table for table in schema["$defs"][kind]["anyOf"][1:]}
        keep = {name for name, layer in registry.layers.items() if layer.keeps_shape} if kind == "activation" else set()
        assert {name.rpartition("/")[2] for name in tables} == {*lookup} | keep and ("prelu" in keep) == bool(keep)
        for name in lookup:
            for example in lookup[name].examples():
                given = spec.table(spec.make(kind, example))
                table = next(t for t in tables.values() if given["type"] in t["properties"]["type"]["enum"])
                assert set(given) == set(table["properties"]) and set(table["required"]) <= set(given)
                assert table["additionalProperties"] is False


def test_the_schema_carries_the_rules_of_settings(schema):
    [slope] = [
        t["properties"]["slope"] for t in schema["$defs"]["activation"]["anyOf"][1:] if "slope" in t["properties"]
    ]
    assert slope == {"type": "number", "minimum": 0}
    assert schema["properties"]["optimizer"]["$ref"] == "#/$defs/optimizer" and not schema["additionalProperties"]
    references = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert references <= set(schema["$defs"]) and {"layer", "activation", "initializer"} <= references


def test_the_schema_and_train_know_the_same_keys(schema, cli, penguins, tmp_path):
    for key in schema["properties"]:
        if key != "plugins":
            (tmp_path / "one.toml").write_text(f"{key} = []\nwrong_key = 1\n")
            _, _, err = cli("train", penguins, "--config", "one.toml")
            assert f"no setting '{key}'" not in err and "there is no setting 'wrong_key'" in err


def test_a_filled_configuration_is_the_same_model(cli, tmp_path, penguins):
    (tmp_path / "net.toml").write_text(NET)
    code, filled, _ = cli("config", "fill", "net.toml")
    told = tomllib.loads(filled)
    assert code == 0 and told["batch"] == 32 and told["plugins"] == {"disable": ["nobody"]}
    assert told["optimizer"] == {"type": "sgd", "momentum": 0.9}
    (tmp_path / "full.toml").write_text(filled)
    for name in ("net", "full"):
        assert cli("train", penguins, "--config", f"{name}.toml", "--quiet", "--out", f"{name}.netkit")[0] == 0
    assert (tmp_path / "net.netkit").read_bytes() == (tmp_path / "full.netkit").read_bytes()
    assert cli("config", "fill")[1].count("\n# ") > 10


def test_a_filled_configuration_has_what_training_takes_where_nobody_chose(cli, tmp_path):
    told = tomllib.loads(cli("config", "fill")[1])
    optimizer = spec.make("optimizer", told["optimizer"])
    assert told["alpha"] == optimizer.alpha and optimizer.adaptive
    assert told["activation"] == registry.activations.first() and not {"loss", "metric", "task"} & set(told)
    for name in registry.losses:
        loss = registry.losses[name]
        (tmp_path / "net.toml").write_text(f"loss = {name!r}")
        told = tomllib.loads(cli("config", "fill", "net.toml")[1])
        assert told["task"] == loss.task and told.get("metric", []) == ([loss.metric] if loss.metric else [])
    (tmp_path / "net.toml").write_text("task = 'regression'\nmetric = 'r2'\noptimizer = 'sgd'")
    told = tomllib.loads(cli("config", "fill", "net.toml")[1])
    assert spec.make("loss", told["loss"]).task == "regression" and told["metric"] == "r2"
    assert told["alpha"] == spec.make("optimizer", "sgd").alpha


DESCENT = """
from netkit import hookimpl, registry


@hookimpl
def netkit_optimizers():
    return {"descent": registry.optimizers["netkit-nn/sgd"]}
"""


def test_a_configuration_is_filled_by_its_own_rules_for_plugins(cli, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    labs = [installed(tmp_path, f"lab-{letter}", DESCENT) for letter in "ab"]
    (tmp_path / "net.toml").write_text("optimizer = 'descent'\n[plugins]\nprefer = ['lab-b']")
    with registry.using(registry.Registry([metadata.distribution("netkit-nn"), *labs])):
        code, out, err = cli("config", "fill", "net.toml")
        assert (code, err) == (0, "") and tomllib.loads(out)["optimizer"] == "descent"
        (tmp_path / "net.toml").write_text("optimizer = 'descent'")
        line = "optimizer: optimizer 'descent' is in dispute: write lab-a/descent or lab-b/descent"
        assert cli("config", "fill", "net.toml") == (1, "", f"netkit: net.toml: {line}\n")


WRONG = {
    "epoch = 3": "there is no setting 'epoch'; did you mean epochs?",
    "[optimiser]\ntype = 'adam'": "there is no setting 'optimiser'; did you mean optimizer?",
    "epochs = -1": "epochs: expected `int` >= 1, got -1",
    "epochs = 1.5": "epochs: expected `int`, got 1.5",
    "batch = '8'": "batch: expected `int`, got '8'",
    "batch = true": "batch: expected `int`, got True",
    "alpha = 0": "alpha: expected `float` > 0.0, got 0",
    "alpha = [1]": "alpha: expected `float`, got [1]",
    "validation = 1": "validation: expected `float` < 1.0, got 1",
    f"validation = 1{'0' * 400}": f"validation: number out of range, got 1{'0' * 400}",
    "validation = true": "validation: a share of the rows or a table is needed, got True",
    "average = 1": "average: expected `float` < 1.0, got 1",
    "schedule = 'warm_up:then=cosin'": "schedule: schedule 'cosin' is unknown; did you mean cosine?",
    "schedule = {type = 'step', every = 0}": "schedule: step: every: expected `float` > 0.0, got 0",
    "balanced = 1": "balanced: expected `bool`, got 1",
    "seed = -1": "seed: expected `int` >= 0, got -1",
    "quiet = 1": "quiet: expected `bool`, got 1",
    "out = 3": "out: expected `str`, got 3",
    "task = 'binry'": "task: binary or multiclass or regression is needed, got 'binry'",
    "activation = 'rleu'": "activation: activation 'rleu' is unknown; did you mean relu, relu6, elu?",
    "activation = 3": "activation: a name, a table or an instance of Activation is needed, got 3",
    "activation = {slope = 3}": "activation: a table needs a type, got {'slope': 3}",
    "activation = 'relu:slope=3'": "activation: relu: there is no setting 'slope'; it has none",
    "hidden = '16,dropout:rate=0.2'": "hidden: layers with settings are separated by ;, as in 64;dropout:rate=0.2, got '16,dropout:rate=0.2'",
    "schedules = 'x='": "schedules: name=schedule;... is needed, got 'x='",
    "activation = 'leaky_relu:slope'": "activation: leaky_relu: settings read setting=value,..., got 'slope'",
    "optimizer = {type = 'sgd', momentun = 2, momentum = 3}": "optimizer: sgd: there is no setting 'momentun'; did you mean momentum?; sgd: momentum: expected `float` < 1.0, got 3",
    "# no\n[optimizer]\ntype = 'sgd'\nnesterov = 'a'": "optimizer: sgd: nesterov: expected `bool`, got 'a'",
    "optimizer.type = 'sgd'\noptimizer.momentum = nan": "optimizer: sgd: momentum: expected `float` >= 0.0, got nan",
    "loss = 'hubber'": "loss: loss 'hubber' is unknown; did you mean huber?",
    "metric = 'f2'": f"metric[0]: metric 'f2' is unknown; there are {', '.join(registry.metrics)}",
    "metric = 3": "metric: a list is needed, got 3",
    "precision = 'half'": "precision: float32 or bfloat16 is needed, got 'half'",
    "metric = ['f1', 'acuracy']": "metric[1]: metric 'acuracy' is unknown; did you mean accuracy, balanced_accuracy?",
    "hidden = 0": "hidden[0]: a layer has at least 1 unit, got 0",
    "hidden = '8,x'": f"hidden[1]: layer 'x' is unknown; there are {', '.join(registry.layers)}",
    "hidden = {type = 'dense'}": "hidden: layers read 64,32, got {'type': 'dense'}",
    "hidden = [\n  8, # [a comment\n  ['x'],\n]": "hidden[1]: a number of units or a layer is needed, got ['x']",
    "layers = [{type = 'dropout'}, # one, two\n  'dense', {type = 'dropout', rate = 1}]": "layers[2]: dropout: rate: expected `float` < 1.0, got 1",
    "[[layers]]\ntype = 'dropout'\nrate = 0.1\n[[layers]]\ntype = 'dropout'\nrate = 2": "layers[1]: dropout: rate: expected `float` < 1.0, got 2",
    "[plugins]\nrequire = ['a>>2']": "plugins: require: a requirement as pip writes it is needed, got 'a>>2'",
    "[plugins]\nrequire = 3": "plugins: require: a list of texts is needed, got 3",
    "[plugins]\nprefer = []\ndisable = [1]": "plugins: disable: a list of texts is needed, got [1]",
    "epochs = 0\n[plugins]\nrequires = []": "epochs: expected `int` >= 1, got 0; plugins: there is no setting 'requires'; did you mean require?",
    "plugins = 3": "plugins: a table is needed, got 3",
    "[plugins]\nzzz = 3": "plugins: there is no setting 'zzz'; it has require, prefer, disable",
    "layers = [{type = 'dense', units = 3, activation = 'tahn'}]": "layers[0]: activation 'tahn' is unknown; did you mean tanh?",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_place_rule_and_value(cli, tmp_path, penguins, text):
    (tmp_path / "bad.toml").write_text(f"target = 'species'\n{text}\n")
    for arguments in (["train", penguins, "--config", "bad.toml"], ["config", "fill", "bad.toml"]):
        assert cli(*arguments) == (2, "", f"netkit: bad.toml: {WRONG[text]}\n")


def test_all_mistakes_are_told_at_once(cli, tmp_path, penguins):
    some = [
        text
        for text in WRONG
        if "[" not in text and "." not in text.partition("=")[0] and "\n" not in text and "plugins" not in text
    ]
    keys = {text.partition(" =")[0]: text for text in some}
    (tmp_path / "bad.toml").write_text("target = 'species'\n" + "\n".join(keys.values()))
    code, _, err = cli("train", penguins, "--config", "bad.toml")
    told = [WRONG[text] for text in keys.values()]
    assert code == 2 and len(told) > 10 and err == f"netkit: bad.toml: {'; '.join(told)}\n"


def test_the_schema_refuses_what_train_refuses_and_knows_the_limits(schema):
    assert schema["properties"]["epochs"]["minimum"] == 1 and schema["properties"]["epochs"]["type"] == "integer"
    assert schema["properties"]["alpha"]["exclusiveMinimum"] == 0 and schema["properties"]["alpha"]["type"] == "number"
    share, file = schema["properties"]["validation"]["anyOf"]
    assert share == {"type": "number", "minimum": 0, "exclusiveMaximum": 1} and file == {"type": "string"}
    assert (
        schema["properties"]["schedule"]["$ref"] == "#/$defs/schedule"
        and schema["properties"]["balanced"]["type"] == "boolean"
    )
