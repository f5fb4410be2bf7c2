"""What type checkers see of netkit, from a wheel and from a clone: real types, and every typo."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from environments import Environment

from netkit.kinds import KINDS
from netkit.registry.scaffold import write
from netkit.registry.stub import PATH, REGISTRY_PATH, registry_stub, stub

CODE = """
from netkit import Accuracy, Activation, Dense, Model, Relu, TableModel, registry, spec
from netkit.here import HERE
import netkit

model = Model([Dense(units=3, activation=Relu())], "mean_squared_error")
reveal_type(HERE)
reveal_type(Dense(units=3).units)
reveal_type(model.predict([[1.0]]))
reveal_type(model.fit([[1.0]], [[1.0]], epochs=1)[-1].loss)
reveal_type(Accuracy([1], [1]))
reveal_type(registry.activations)
reveal_type(netkit.DataError.exit_code)

class Twice(Activation): ...

Dense(unit=3)
model.fit([[1.0]], [[1.0]], epoch=2)
registry.activaitons
netkit.Desne
TableModel.laod
"""
TYPES = ["str", "int | None", "torch._tensor.Tensor", "float", "float", "netkit.registry.lookup.Lookup", "int"]
MISTAKES = ["[call-arg]", "[call-arg]", "[attr-defined]", "[attr-defined]", "[attr-defined]"]


@pytest.fixture
def clone(tmp_path):
    """What setuptools needs of the repository, with a module of its own, so that no other netkit can stand in for it."""
    folder = tmp_path / "clone"
    for name in ("netkit", "plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "netkit_plugins").symlink_to("plugins")
    (folder / "netkit" / "here.py").write_text("HERE: str = 'here'\n")
    return folder


@pytest.mark.parametrize("options", [[], ["--editable"]], ids=["wheel", "clone"])
def test_a_type_checker_sees_types_and_mistakes(tmp_path, clone, options):
    environment = Environment(tmp_path)
    environment.install(clone, *options)
    place = "import netkit, netkit_plugins.layers as it; print(netkit.__file__, it.__file__, netkit.Dense().units)"
    found = subprocess.run([environment.python, "-c", place], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.count(str(clone if options else environment.folder / "venv")) == 2
    (tmp_path / "code.py").write_text(CODE)
    command = [environment.python, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "code.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = checked.stdout.splitlines()
    assert [line.partition('type is "')[2][:-1] for line in lines if "note: Rev" in line] == TYPES, checked.stdout
    assert [line.rpartition(" ")[2] for line in lines if "error:" in line] == MISTAKES, checked.stdout


def test_the_stubs_are_what_there_is():
    assert stub() == PATH.read_text(), "write it again: python -m netkit.registry.stub"
    assert registry_stub() == REGISTRY_PATH.read_text(), "write it again: python -m netkit.registry.stub"


def test_the_face_shows_every_name_and_loads_torch_for_none():
    code = """
import sys, netkit
from netkit.registry.stub import FACE
names = dir(netkit)
assert "torch" not in sys.modules
assert {"Dense", "Relu", "Accuracy", "F1", "WarmUp", "Model", "like", "registry"} < set(names)
netkit.__all__
assert set(FACE["_HOME"]) < set(vars(netkit))
assert [name for name in names if name[0] != "_" and getattr(netkit, name) is None] == []
assert netkit.__all__ == sorted(FACE["_HOME"])
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_what_new_plugin_writes_passes_strict_checkers(tmp_path):
    """With the settings that the package itself has for them."""
    for kind in KINDS:
        write(f"netkit-my-{kind}", kind, tmp_path / kind)
    modules = [tmp_path / kind / f"netkit_my_{kind}.py" for kind in KINDS]
    first = tmp_path / next(iter(KINDS))
    test, config = first / "tests" / "test_components.py", first / "pyproject.toml"
    assert "strict = true" in config.read_text()
    for command in (
        ["mypy", "--config-file", config, "--cache-dir", tmp_path / "cache", test, *modules],
        ["ruff", "check", "--no-cache", "--select", "E,W,F,I,UP,B,C4,RET,SIM", tmp_path],
        ["ruff", "format", "--no-cache", "--check", tmp_path],
    ):
        checked = subprocess.run(
            [sys.executable, "-m", *map(str, command)], cwd=tmp_path, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_new_plugin_writes_says_how_to_go_on(cli):
    code, out, _ = cli("new-plugin", "netkit-sharpsign")
    for command in ("pip install -e '.[test]'", "netkit show sharpsign", "netkit check sharpsign", "pytest"):
        assert f"\n    {command}\n" in out
    assert code == 0 and out.endswith("\n    netkit list-plugins --kind activation\n")
