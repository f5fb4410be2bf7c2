"""The plugin author's guide: its commands run, its examples keep their promises, and it says what there is."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from string import Template

import pytest
from conftest import ROOT, template
from environments import Environment

from netkit import registry
from netkit.kinds import KINDS, Component
from netkit.registry.attributes import snake_case
from netkit.testing import check

GUIDE = (ROOT / "plugins" / "README.md").read_text()
SECTIONS = dict(re.findall(r"^##+ (.*?)\n(.*?)(?=^##+ |\Z)", GUIDE, re.S | re.M))
SAYS = SECTIONS["What `netkit check` says"]


def blocks(text, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


DEFINED = re.compile(r"^(?:class|def) (\w+)", re.M)
EXAMPLES = {
    f"{title}: {DEFINED.search(block)[1]}": block
    for title, text in SECTIONS.items()
    for block in blocks(text)
    if text is not SAYS
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """written(block): the components that an example defines, from a file, as an author's are."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def components(block):
        (tmp_path / "guide_example.py").write_text(block)
        importlib.invalidate_caches()
        found = vars(importlib.import_module("guide_example")).values()
        return [each for each in found if isinstance(each, type) and each.__module__ == "guide_example"]

    with registry.using(registry.Registry()):
        yield components
    sys.modules.pop("guide_example", None)


def registered(component):
    assert issubclass(component, Component)
    name = snake_case(component.__name__)
    registry.current().kinds[component.kind].register(name, component)
    return name


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_example_of_a_kind_is_the_scaffolds(kind):
    first = blocks(SECTIONS[KINDS[kind].__name__])[0]
    [name] = re.findall(r"^class (\w+)\(", first, re.M)
    assert first == Template(template(kind).read_text()).substitute(Class=name)


@pytest.mark.parametrize("block", EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_keeps_its_promises(block, written):
    components = written(block)
    assert components
    for component in components:
        check(registered(component), component.kind)


def rounded(text):
    """Last digits are the machine's."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.4f}", text)


def test_the_example_of_a_broken_promise_is_told_as_the_guide_says(written, cli):
    wrong, checking = blocks(SAYS)
    [name] = map(registered, written(wrong))
    code, out, _ = cli("check", name)
    assert code == 1 and rounded(out) == rounded(blocks(SAYS, "text")[0])
    exec(checking, {})


def test_the_messages_in_the_guide_are_what_check_says():
    core = [*(ROOT / "netkit" / "testing").glob("*.py"), *(ROOT / "netkit" / "registry").glob("*.py")]
    said = "".join(path.read_text() for path in core)
    messages = re.findall(r"^\| `([^|]+?)` \| ", SAYS, re.M)
    missing = [each for each in messages if each not in said and not each.startswith("must give (y, saved)")]
    assert len(messages) > 10 and not missing
    row = {*re.findall(r"`(\w+)`", SAYS[SAYS.index("With `--json`") :].partition("\n\n")[0])}
    assert row == {
        *("kind name settings promises worst broken remarks distribution version gradient microseconds".split()),
        "derived_microseconds",
    }


def test_the_guide_lists_every_kind_and_its_group():
    assert re.findall(r"^\| (\w+) \| `netkit\.(\w+)` \|", GUIDE, re.M) == [
        (n, kind.plural) for n, kind in KINDS.items()
    ]
    for block in blocks(GUIDE, "toml"):
        groups = tomllib.loads(block)["project"]["entry-points"]
        assert {group.removeprefix("netkit.") for group in groups} <= {kind.plural for kind in KINDS.values()}
    order = [name for name in SECTIONS if name in {kind.__name__ for kind in KINDS.values()}]
    assert order == [kind.__name__ for kind in KINDS.values() if kind.__name__ in order]


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
