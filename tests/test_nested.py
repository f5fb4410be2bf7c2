"""Components within the settings of others, however deep: saved, named in the file, missed when they are gone."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest
import torch

import netkit
from netkit import Model, ModelFileError, registry
from netkit.files.header import read_header

SOFT = """
from dataclasses import dataclass
from netkit import Activation, hookimpl


@dataclass(frozen=True)
class Soft(Activation):
    '''z / (1 + |z|).'''

    def forward(self, z):
        return z / (1 + z.abs())

    def backward(self, grad, z, a):
        return grad / (1 + z.abs()) ** 2


@hookimpl
def netkit_activations():
    return {"soft": Soft}
"""
KEEPER = """
from dataclasses import dataclass, field
from typing import Any
from netkit import Activation, Layer, hookimpl


@dataclass(frozen=True)
class Keeper(Layer):
    '''x as it is, whatever its settings hold.'''

    one: Activation | None = None
    some: tuple[Activation, ...] = ()
    listed: list[Activation] = field(default_factory=list)
    named: dict[str, Activation] = field(default_factory=dict)
    free: Any = None
    activation: Any = None

    def build(self, in_shape, rng):
        return {}, in_shape

    def forward(self, params, x, rng=None):
        return x, None

    def backward(self, params, saved, grad):
        return grad, {}


@hookimpl
def netkit_layers():
    return {"keeper": Keeper}
"""
WAYS = {
    "text": {"one": "soft"},
    "a tuple": {"some": ["relu", "soft"]},
    "a list": {"listed": [{"type": "soft"}]},
    "a dictionary": {"named": {"a": "tanh", "b": "soft"}},
    "text for any": {"activation": "soft"},
    "a table for any": {"activation": {"type": "lab-soft/soft"}},
    "a component for any": {"free": {"deep": [({"er": "soft"},)]}},
}


def installed(folder, name, source):
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\nRequires-Dist: netkit-nn\n")
    (info / "entry_points.txt").write_text(f"[netkit]\n{module} = {module}\n")
    return metadata.PathDistribution(info)


@pytest.fixture
def labs(tmp_path, monkeypatch):
    """Registries with the keeper and the activation that it keeps, and with the keeper alone."""
    monkeypatch.syspath_prepend(str(tmp_path))
    own = metadata.distribution("netkit-nn")
    keeper, soft = installed(tmp_path, "lab-keeper", KEEPER), installed(tmp_path, "lab-soft", SOFT)
    yield registry.Registry([own, keeper, soft]), registry.Registry([own, keeper])
    for name in ("lab_keeper", "lab_soft"):
        sys.modules.pop(name, None)


def layer(settings):
    """The table of a keeper; what is free takes a component alone."""
    if "free" in settings:
        settings = {"free": {"deep": [({"er": registry.activations["soft"]()},)]}}
    return {"type": "keeper", **settings}


@pytest.mark.parametrize("way", WAYS)
def test_a_component_in_a_setting_is_in_the_file_and_missed_when_it_is_gone(labs, tmp_path, cli, way):
    both, alone = labs
    path = tmp_path / "m.netkit"
    with registry.using(both):
        model = Model([layer(WAYS[way]), {"type": "dense", "inputdim": 3, "units": 1}], "mean_squared_error")
        model.build((3,))
        model.save(path)
        again = netkit.load(path)
        x = torch.randn(5, 3)
        assert torch.equal(again.forward(x), model.forward(x))
        again.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == path.read_bytes() or way.endswith("for any")
        assert read_header(tmp_path / "again").components == read_header(path).components
    source = read_header(path).components["lab-soft/soft"]
    assert (source.kind, source.distribution, source.version) == ("activation", "lab-soft", "2.1")
    with registry.using(alone):
        line = "m.netkit: activation lab-soft/soft is not available: pip install 'lab-soft==2.1'$"
        with pytest.raises(ModelFileError, match=line):
            netkit.load(path)
        assert netkit.load(path, missing="keep").header.components["lab-soft/soft"] == source
    assert "  activation lab-soft/soft (lab-soft 2.1)\n" in cli("describe", path)[1]


def test_training_says_that_a_nested_component_is_from_elsewhere(labs, cli, penguins, tmp_path):
    with registry.using(labs[0]):
        (tmp_path / "net.toml").write_text(
            'target = "species"\nepochs = 1\nquiet = true\nhidden = [4, {type = "keeper", named = {a = "soft"}}]\n'
        )
        code, out, err = cli("train", penguins, "--config", "net.toml")
    assert code == 0 and "using activation lab-soft/soft (lab-soft 2.1)\n" in out, err


def test_a_component_within_layers_within_layers_is_missed_by_name(labs, tmp_path):
    both, alone = labs
    deep = {"type": "residual", "layers": ['rates:layers=["dense:units=3,activation=soft"],learning_rate=0.5']}
    with registry.using(both):
        model = Model([{"type": "residual", "layers": [deep, "batch_norm"]}], "mean_squared_error")
        model.build((3,))
        model.save(tmp_path / "m.netkit")
        assert torch.equal(netkit.load(tmp_path / "m.netkit").network.params, model.network.params)
    with (
        registry.using(alone),
        pytest.raises(ModelFileError, match="activation lab-soft/soft is not available: pip install 'lab-soft==2.1'$"),
    ):
        netkit.load(tmp_path / "m.netkit")
