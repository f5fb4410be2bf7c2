"""The house rules: who may import whom, how large things are, what is public, and that the documentation runs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "netkit").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
LESSON = [
    *("kinds/component.py", "kinds/network.py", "kinds/training.py"),
    *("engine/links.py", "engine/network.py", "engine/training.py", "engine/rows.py", "engine/scoring.py"),
]
WINGS = {"kinds": 490, "registry": 2800, "engine": 3560, "tables": 4480, "files": 2800, "testing": 2800, "cli": 2800}
"""Lines of each folder at most. Evaluation made the engine larger than 2,700, and the rows that test the tables."""


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def lines(*paths):
    return sum(len(path.read_text().splitlines()) for path in paths)


def test_the_lesson_is_short_and_each_wing_has_its_size():
    core = ROOT / "netkit"
    assert lines(*(core / each for each in LESSON)) <= 900
    for wing, most in WINGS.items():
        assert lines(*(core / wing).rglob("*.py")) <= most, wing
    assert {path.name for path in core.iterdir() if path.is_dir() and path.name != "__pycache__"} == {*WINGS}


@pytest.mark.parametrize("wing", sorted(WINGS))
def test_no_module_imports_the_init_of_its_own_package(wing):
    """Where that imports modules of the package as well, it is a circle, which import-linter does not see."""
    init, *modules = sorted((ROOT / "netkit" / wing).glob("*.py"))
    if any(name.startswith(f"netkit.{wing}.") for name in imports(init)):
        assert [path.name for path in modules if f"netkit.{wing}" in imports(path)] == []


@pytest.mark.parametrize("path", [*PLUGINS, *(ROOT / "examples").rglob("netkit_*.py")], ids=lambda path: path.stem)
def test_plugins_import_netkits_public_names_and_never_each_other(path):
    import netkit

    public = {"netkit", *(f"netkit.{name}" for name in netkit.__all__)}
    names = {name for name in imports(path) if name.partition(".")[0] in ("netkit", "netkit_plugins", "plugins")}
    assert names <= public


def test_the_core_names_no_component():
    from netkit import registry
    from netkit.tables.encoders import READ

    kinds = ("activations", "losses", "metrics", "optimizers", "readers")
    names = {name for kind in kinds for name in getattr(registry, kind)}
    names |= {*registry.layers, *registry.encoders} - {"torch", *READ}
    assert len(names) > 20
    for path in CORE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names:
                pytest.fail(f"{name_of(path)}:{node.lineno} names {node.value}")


def listed(tree):
    """What each list, tuple, set or dictionary names in text, and each class or module annotates; not `__all__`."""
    public = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    for node in ast.walk(tree):
        if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)) and node not in public:
            parts = node.keys if isinstance(node, ast.Dict) else node.elts
            yield {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
        elif isinstance(node, (ast.ClassDef, ast.Module)):
            yield {ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign)}


@pytest.mark.parametrize("path", [path for path in CORE if path.parent.name != "kinds"], ids=name_of)
def test_the_kinds_are_listed_in_one_place(path):
    from netkit.kinds import KINDS

    names = {name: kind.plural for name, kind in KINDS.items()}
    classes = {kind.__name__ for kind in KINDS.values()}
    for words in listed(ast.parse(path.read_text())):
        assert len(words & {*names.values()}) < 3 and len(words & classes) < 3, words
        assert len(words & {*names}) < 3 or len(words - {*names}) > 3, words  # settings may have the name of a kind


def test_a_list_of_kinds_would_be_found():
    found = listed(
        ast.parse('__all__ = ["a", "b"]\nx = {"loss": 1, "layer": 2}\nlosses: int\nclass C:\n    layers: str')
    )
    assert [*found] == [{"losses"}, {"layers"}, {"loss", "layer"}]


@pytest.mark.parametrize("path", CORE + PLUGINS, ids=name_of)
def test_files_and_functions_stay_small_and_say_what_is_public(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1:2] if ast.get_docstring(node) else node.body[:1]
            assert not first or node.end_lineno - first[0].lineno < 40, f"{node.name} is long"
    if text and path.name not in ("__main__.py",):
        assert ast.get_docstring(tree), "no docstring"
    public = [
        n.name for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and not n.name.startswith("_")
    ]
    if public and path.name != "__init__.py":
        exported = importlib.import_module(name_of(path).replace("plugins.", "netkit_plugins.", 1)).__all__
        assert set(exported) >= {
            n.name for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")
        }
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def blocks(language):
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


def test_the_readmes_python_runs(tmp_path):
    found = blocks("python")
    assert found
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for number, code in enumerate(found):
        script = tmp_path / f"block{number}.py"
        script.write_text(code)
        subprocess.run(
            [sys.executable, "-W", "error", script], check=True, cwd=tmp_path, capture_output=True, timeout=120
        )


def test_the_readmes_shell_session_runs(tmp_path):
    [session] = [block for block in blocks("console") if "netkit train" in block]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in session.splitlines():
        if line.startswith("$ "):
            command = line[2:].replace("netkit ", f"{sys.executable} -m netkit ", 1)
            subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True, timeout=120)


def test_nothing_tells_anyone_to_install_the_wrong_distribution():
    for path in [ROOT / "README.md", *CORE, *PLUGINS]:
        assert not re.search(r"pip install ['\"]?netkit(?!-)", path.read_text()), path


def test_the_readmes_commands_run_as_they_stand(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    [toml] = blocks("toml")[:1]
    (tmp_path / "net.toml").write_text(toml)
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    commands = [
        *re.findall(r"^    (netkit .*)$", text, flags=re.M),
        *re.findall(r"`(netkit train [^`]* net.toml)`", text),
    ]
    assert len(commands) >= 6
    for line in commands:
        command = line.replace("netkit ", f"{sys.executable} -m netkit ", 1)
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (line, done.stderr)
