"""The plugin author's guide: its commands run, and its examples keep their promises."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import types
from string import Template

import pytest
from conftest import ROOT
from environments import Environment

from netkit import registry
from netkit.kinds import KINDS
from netkit.testing import check

GUIDE = (ROOT / "plugins" / "README.md").read_text()
*EVERY, BOUND = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
BLOCKS = {re.search(r"class (\w+)\((\w+)\)", block)[2].lower(): block for block in EVERY}


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_the_scaffolds_and_keeps_its_promises(kind, monkeypatch):
    [name] = re.findall(r"class (\w+)\(", BLOCKS[kind])
    template = (ROOT / "netkit" / "registry" / "templates" / "kinds" / f"{kind}.py.txt").read_text()
    assert BLOCKS[kind] == Template(template).substitute(Class=name)
    check_block(BLOCKS[kind], kind, name, monkeypatch)


def check_block(block, kind, name, monkeypatch):
    module = types.ModuleType("guide_example")
    monkeypatch.setitem(sys.modules, "guide_example", module)
    exec(block.replace("@dataclass", "__name__ = 'guide_example'\n\n\n@dataclass"), vars(module))
    with registry.using(registry.Registry()) as mine:
        mine.kinds[kind].register("example", getattr(module, name))
        check("example", kind)


def test_the_bound_example_keeps_its_promises(monkeypatch):
    assert "bind_backward" in BOUND
    check_block(BOUND, "activation", "Square", monkeypatch)


def test_a_newcomer_follows_the_commands(tmp_path):
    environment = Environment(tmp_path)
    commands = re.findall(r"^\$ (.*)$", GUIDE, re.M)
    assert 5 < len(commands) < 10
    folder = tmp_path
    for command in commands:
        words = shlex.split(command)
        if words[0] == "cd":
            folder = folder / words[1]
            continue
        if words[0] == "pip":  # the network is not there: pytest and torch are
            environment.pip("install", "--no-deps", "--no-build-isolation", "-e", folder)
            continue
        done = subprocess.run([environment.python, "-m", *words], cwd=folder, text=True, capture_output=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert re.search(r"sharpsign +z / \(1 \+ sharpness \|z\|\), .*netkit-sharpsign 0\.1\.0", done.stdout)


def test_the_json_of_list_plugins_is_what_the_guide_says(cli):
    _, out, _ = cli("list-plugins", "--json")
    told = json.loads(out)
    assert set(told) == {"schema", "plugins"} and told["schema"] == 1
    words = GUIDE[GUIDE.index("`netkit list-plugins --json` is") :]
    for plugin in told["plugins"]:
        assert set(plugin) == {"distribution", "version", "entry_point", "status", "reason", "location", "components"}
        for component in plugin["components"]:
            assert set(component) == {"kind", "name", "qualified", "summary", "derived"}
            assert all(f"`{field}`" in words for field in (*plugin, *component))
