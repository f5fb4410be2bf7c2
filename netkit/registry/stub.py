"""The types of `netkit` and `netkit.registry`, which hand out their names only when asked: `python -m
netkit.registry.stub` writes the stubs.

The one names every built-in component, so that `Dense(unit=3)` is a mistake that an editor underlines; the other the
kinds. Strangers' components are not in it: import them from their own package, or take them from the registry.
"""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import netkit
from netkit.kinds import KINDS
from netkit.registry.attributes import class_name
from netkit.registry.info import Info
from netkit.registry.lookup import own

__all__ = ["registry_stub", "stub"]

FACE = vars(netkit)
PATH = Path(netkit.__file__).with_name("__init__.pyi")
REGISTRY_PATH = Path(__file__).with_name("__init__.pyi")
START = '''"""The types of `netkit`. Written by `python -m netkit.registry.stub`; a test holds it to what there is."""

from typing import Any

'''


def stub() -> str:
    """The text of `netkit/__init__.pyi`."""
    lines = [f"from . import {name} as {name}" for name in FACE["_MODULES"]]
    lines += [
        f"from {home} import {name} as {name}" for home, names in FACE["_HOMES"].items() for name in sorted(names)
    ]
    components = {class_name(info.name): info for lookup in reversed(own().kinds.values()) for info in lookup.infos()}
    lines += sorted(_line(name, info) for name, info in components.items() if info.kind != "metric")
    functions = sorted(_function(name, info) for name, info in components.items() if info.kind == "metric")
    names = "".join(f'    "{name}",\n' for name in sorted(FACE["_HOME"]))
    imports = "\n".join(lines)
    return f"{START}{imports}\n\n__version__: str\n__all__ = [\n{names}]\n\n{''.join(functions)}"


def registry_stub() -> str:
    """The text of `netkit/registry/__init__.pyi`."""
    nodes = ast.parse(REGISTRY_PATH.with_suffix(".py").read_text("utf-8")).body
    [public] = [ast.literal_eval(node.value) for node in nodes if isinstance(node, ast.Assign)]
    homes = {node.module: node.names for node in nodes if isinstance(node, ast.ImportFrom)}
    every = [(home, each.name) for home, names in homes.items() for each in names]
    lines = [f"from {home} import {name} as {name}" for home, name in every if name in public]
    kinds = "".join(f"{kind.plural}: Lookup\n" for kind in KINDS.values())
    start = START.partition("\n\n")[0].replace("`netkit`", "`netkit.registry`")
    return "\n".join([start, "", *lines, "", kinds])


def _line(name: str, info: Info) -> str:
    module, _, attribute = info.reference_text.partition(":")
    return f"from {module} import {attribute} as {name}"


def _function(name: str, info: Info) -> str:
    settings = ", **settings: Any" if fields(info.load()) else ""
    return f'def {name}(y: Any, yhat: Any{settings}) -> float:\n    """{info.summary}"""\n'


if __name__ == "__main__":
    PATH.write_text(stub(), encoding="utf-8")
    REGISTRY_PATH.write_text(registry_stub(), encoding="utf-8")
