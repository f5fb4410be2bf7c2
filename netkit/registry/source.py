"""What a component is, read from its class; or, where only a reference is known, from its source, importing nothing."""

from __future__ import annotations

import ast
import inspect
import sys
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Definition", "doc_of", "home_of", "is_derived"]

DERIVED = "netkit.derived."
HOPS = 8
"""Names that are followed at most, from where one is given to where it is defined."""


class Definition(NamedTuple):
    """A definition in a source: the module that it stands in, its name there, and what stands behind the name."""

    module: str
    name: str
    node: Any


def doc_of(component: type | str) -> str:
    """A component's docstring as its author wrote it, or nothing."""
    if isinstance(component, str):
        return _doc(_definition(component))
    doc = component.__doc__
    return inspect.cleandoc(doc) if isinstance(doc, str) and not _made_by_dataclass(component, doc) else ""


def is_derived(component: type | str) -> bool:
    """Whether a component's gradient is derived by torch, as far as can be told without importing it."""
    if isinstance(component, str):
        return _derives(_definition(component))
    return bool(getattr(component, "derived", False))


def home_of(reference: str) -> str:
    """Where the component that "package.module:Name" refers to is defined, as a reference."""
    found = _definition(reference)
    return f"{found.module}:{found.name}" if found else reference


def _made_by_dataclass(component: type, doc: str) -> bool:
    """Whether nobody wrote the docstring: a dataclass without one gets its signature, `Name(setting: float = 1.0)`."""
    with suppress(Exception):
        return doc == component.__name__ + str(inspect.signature(component)).replace(" -> None", "")
    return False


def _doc(found: Definition | None) -> str:
    if found and isinstance(found.node, ast.Call):  # name = derived.activation(function)
        return _doc(_definition(f"{found.module}:{ast.unparse(found.node.args[0])}") if found.node.args else None)
    return (ast.get_docstring(found.node) or "") if found and not isinstance(found.node, ast.expr) else ""


def _derives(found: Definition | None, hops: int = HOPS) -> bool:
    """Whether a definition is made by `netkit.derived`: its decorator, the function that is called, or a base class."""
    if not found or not hops:
        return False
    bases = [ast.unparse(base) for base in getattr(found.node, "bases", ())]
    makers = [getattr(each, "func", each) for each in (*getattr(found.node, "decorator_list", ()), found.node)]
    for name in (*bases, *(ast.unparse(each) for each in makers if isinstance(each, (ast.Name, ast.Attribute)))):
        first, dot, rest = name.partition(".")
        if f"{_names(found.module).get(first)}{dot}{rest}".startswith(DERIVED):
            return True
    return any(_derives(_definition(f"{found.module}:{base}"), hops - 1) for base in bases)


def _definition(reference: str, hops: int = HOPS) -> Definition | None:
    """The definition of a name, through imports and `name = other`, down into classes."""
    module, _, name = reference.partition(":")
    first, *rest = name.split(".")
    node = _names(module).get(first)
    if isinstance(node, (str, ast.Name)):
        origin, _, original = node.rpartition(".") if isinstance(node, str) else (module, "", node.id)
        return _definition(f"{origin}:{'.'.join([original, *rest])}", hops - 1) if hops else None
    for part in rest:
        classes = (each for each in getattr(node, "body", ()) if isinstance(each, ast.ClassDef))
        node = next((each for each in classes if each.name == part), None)
    return Definition(module, name, node) if node else None


@cache
def _names(module: str) -> dict[str, Any]:
    """The names at the top of a module: what defines each, or, as text, where it is imported from."""
    names: dict[str, Any] = {}
    with suppress(Exception):  # whatever strangers' files hold
        path = _file(module)
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                names[node.name] = node
            elif isinstance(node, ast.Assign):
                names |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.ImportFrom):
                origin = resolve_name("." * node.level + (node.module or ""), package)
                names |= {each.asname or each.name: f"{origin}.{each.name}" for each in node.names}
            elif isinstance(node, ast.Import):
                tops = [each.name.partition(".")[0] for each in node.names]
                names |= {each.asname or top: each.name if each.asname else top for each, top in zip(node.names, tops)}
    return names


def _file(module: str) -> Path:
    """The source of a module. `importlib.util.find_spec` would import the packages around it."""
    top, *rest = module.split(".")
    for finder in sys.meta_path:
        with suppress(Exception):  # a plugin may have put one there that raises
            if spec := finder.find_spec(top, None):
                break
    folder = Path(str(spec and spec.origin)).parent.joinpath(*rest)
    file = folder.with_suffix(".py") if rest else Path(str(spec and spec.origin))
    return file if file.exists() else folder / "__init__.py"
