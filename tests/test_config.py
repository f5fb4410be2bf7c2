"""Configurations: what the schema says holds, and a filled one gives the same model."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

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
        assert {name.rpartition("/")[2] for name in tables} == set(lookup)
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
            assert f"no setting '{key}'" not in err and "line 2: there is no setting 'wrong_key'" in err


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


WRONG = {
    "epoch = 3": "line 2: there is no setting 'epoch'; did you mean epochs?",
    "[optimiser]\ntype = 'adam'": "line 2: there is no setting 'optimiser'; did you mean optimizer?",
    "epochs = -1": "line 2: epochs: -1 is not in the range x>=1",
    "epochs = 1.5": "line 2: epochs: expected `integer`, got 1.5",
    "batch = '8'": "line 2: batch: expected `integer`, got '8'",
    "batch = true": "line 2: batch: expected `integer`, got True",
    "alpha = 0": "line 2: alpha: 0.0 is not in the range x>0",
    "alpha = [1]": "line 2: alpha: expected `number`, got [1]",
    "validation = 1": "line 2: validation: 1.0 is not in the range 0<=x<1",
    "validation = true": "line 2: validation: a share of the rows or a file is needed, got True",
    "average = 1": "line 2: average: 1.0 is not in the range 0<=x<1",
    "schedule = 'warm_up:then=cosin'": "line 2: schedule: schedule 'cosin' is unknown; did you mean cosine?",
    "schedule = {type = 'step', every = 0}": "line 2: schedule: step: every: expected `float` > 0.0, got 0",
    "balanced = 1": "line 2: balanced: expected `boolean`, got 1",
    "seed = -1": "line 2: seed: -1 is not in the range 0<=x<=9223372036854775807",
    "quiet = 1": "line 2: quiet: expected `boolean`, got 1",
    "out = 3": "line 2: out: expected `string`, got 3",
    "task = 'binry'": "line 2: task: 'binry' is not one of 'binary', 'multiclass', 'regression'",
    "activation = 'rleu'": "line 2: activation: activation 'rleu' is unknown; did you mean relu, elu?",
    "activation = 3": "line 2: activation: a name or a table is needed, got 3",
    "activation = {slope = 3}": "line 2: activation: activation: a table needs a type, got {'slope': 3}",
    "activation = 'relu:slope=3'": "line 2: activation: relu: there is no setting 'slope'; it has none",
    "activation = 'leaky_relu:slope'": "line 2: activation: leaky_relu: settings read setting=value,..., got 'slope'",
    "optimizer = {type = 'sgd', momentun = 2, momentum = 3}": "line 2: optimizer: sgd: there is no setting 'momentun'; did you mean momentum?; sgd: momentum: expected `float` < 1.0, got 3",
    "# no\n[optimizer]\ntype = 'sgd'\nnesterov = 'a'": "line 5: optimizer: sgd: nesterov: expected `bool`, got 'a'",
    "optimizer.type = 'sgd'\noptimizer.momentum = nan": "line 2: optimizer: sgd: momentum: expected `float` >= 0.0, got nan",
    "loss = 'hubber'": "line 2: loss: loss 'hubber' is unknown; did you mean huber?",
    "metric = 'f1'": "line 2: metric: a list is needed, got 'f1'",
    "metric = ['f1', 'acuracy']": "line 2: metric[1]: metric 'acuracy' is unknown; did you mean accuracy?",
    "hidden = 0": "line 2: hidden: a layer has at least 1 unit, got 0",
    "hidden = '8,x'": "line 2: hidden: layer 'x' is unknown",
    "hidden = {type = 'dense'}": "line 2: hidden: layers read 64,32, got {'type': 'dense'}",
    "hidden = [\n  8, # [a comment\n  ['x'],\n]": "line 4: hidden[1]: a number of units or a layer is needed, got ['x']",
    "layers = [{type = 'dropout'}, # one, two\n  'dense', {type = 'dropout', rate = 1}]": "line 3: layers[2]: dropout: rate: expected `float` < 1.0, got 1",
    "[[layers]]\ntype = 'dropout'\nrate = 0.1\n[[layers]]\ntype = 'dropout'\nrate = 2": "line 7: layers[1]: dropout: rate: expected `float` < 1.0, got 2",
    "[plugins]\nrequire = ['a>>2']": "line 3: plugins: require: a requirement as pip writes it is needed, got 'a>>2'",
    "[plugins]\nrequire = 3": "line 3: plugins: require: a list of texts is needed, got 3",
    "[plugins]\nprefer = []\ndisable = [1]": "line 4: plugins: disable: a list of texts is needed, got [1]",
    "epochs = 0\n[plugins]\nrequires = []": "line 2: epochs: 0 is not in the range x>=1; line 4: plugins: there is no setting 'requires'; did you mean require?",
    "plugins = 3": "line 2: plugins: a table is needed, got 3",
    "[plugins]\nzzz = 3": "line 3: plugins: there is no setting 'zzz'; it has require, prefer, disable",
    "layers = [{type = 'dense', units = 3, activation = 'tahn'}]": "line 2: layers[0]: activation 'tahn' is unknown; did you mean tanh?",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_line_place_rule_and_value(cli, tmp_path, penguins, text):
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
    told = [WRONG[text].replace("line 2", f"line {line}") for line, text in enumerate(keys.values(), 2)]
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
