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
hidden = [8, {type = "dropout", rate = 0.2}]

[plugins]
disable = ["nobody"]
"""


@pytest.fixture
def schema(cli):
    code, out, err = cli("schema")
    assert code == 0 and not err
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
    [slope] = [t["properties"]["slope"] for t in schema["$defs"]["activation"]["anyOf"][1:] if "slope" in t["properties"]]
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


def test_every_wrong_key_is_named_with_its_line(cli, tmp_path, penguins):
    (tmp_path / "bad.toml").write_text('target = "species"\nepoch = 3\n\n[optimiser]\ntype = "adam"\n')
    for arguments in (["train", penguins, "--config", "bad.toml"], ["config", "fill", "bad.toml"]):
        code, _, err = cli(*arguments)
        assert code == 2 and err == ("netkit: bad.toml: line 2: there is no setting 'epoch'; did you mean epochs?; "
                                     "line 4: there is no setting 'optimiser'; did you mean optimizer?\n")  # fmt: skip
