"""What a component is, read from its class; or, where only a reference is known, from its source, importing nothing."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from netkit.registry.discovery import printable

__all__ = ["doc_of", "home_of", "is_derived", "summary_of"]

DERIVED = "netkit.derived."
HOPS = 8
"""Imports that are followed at most, from where a name is given to where it is defined."""


class _Source(NamedTuple):
    """The names at the top of a module."""

    name: str
    nodes: dict[str, ast.AST]
    """Classes, functions, and the values of assignments."""
    imported: dict[str, str]
    """Where each imported name comes from, as package.module.name."""


class _Found(NamedTuple):
    """A definition, the module that it stands in, and its name there."""

    source: _Source
    node: ast.AST
    name: str


def summary_of(component: type | str) -> str:
    """The first line of a component's docstring."""
    return printable(doc_of(component).strip().partition("\n")[0])


def doc_of(component: type | str) -> str:
    """A component's docstring as its author wrote it, or nothing."""
    if isinstance(component, str):
        found = _found(component)
        return _written_doc(found) if found else ""
    doc = component.__doc__
    return inspect.cleandoc(doc) if isinstance(doc, str) and not _made_by_dataclass(component, doc) else ""


def is_derived(component: type | str) -> bool:
    """Whether a component's gradient is derived by torch, as far as can be told without importing it."""
    if not isinstance(component, str):
        return bool(getattr(component, "derived", False))
    found = _found(component)
    return found is not None and _derives(found)


def home_of(reference: str) -> str:
    """Where the component that "package.module:Name" refers to is defined, written in the same way."""
    found = _found(reference)
    return f"{found.source.name}:{found.name}" if found else reference


def _made_by_dataclass(component: type, doc: str) -> bool:
    """Whether nobody wrote the docstring: a dataclass without one gets its signature, `Name(setting: float = 1.0)`."""
    with suppress(Exception):
        return doc == component.__name__ + str(inspect.signature(component)).replace(" -> None", "")
    return False


def _written_doc(found: _Found) -> str:
    node = found.node
    if isinstance(node, ast.Call):  # name = derived.activation(function)
        given = node.args[0] if node.args else None
        inner = _at(found.source, given.id) if isinstance(given, ast.Name) else None
        return _written_doc(inner) if inner else ""
    return (ast.get_docstring(node) or "") if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else ""


def _derives(found: _Found, hops: int = HOPS) -> bool:
    for each in _makers(found.node):
        name = ast.unparse(each)
        first, dot, rest = name.partition(".")
        if (found.source.imported.get(first, first) + dot + rest).startswith(DERIVED):
            return True
        base = _at(found.source, name) if isinstance(found.node, ast.ClassDef) and hops else None
        if base and base.node is not found.node and _derives(base, hops - 1):
            return True
    return False


def _makers(node: ast.AST) -> Iterator[ast.AST]:
    """What a definition is made from: the bases of a class, the decorators of a function, the function that is called."""
    if isinstance(node, ast.ClassDef):
        yield from node.bases
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield from (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
    elif isinstance(node, ast.Call):
        yield node.func


def _found(reference: str) -> _Found | None:
    module, _, name = reference.partition(":")
    with suppress(Exception):  # whatever strangers' files and import hooks do
        return _at(_source(module), name)
    return None


def _at(source: _Source, name: str, hops: int = HOPS) -> _Found | None:
    """The definition of a name, through imports and `name = other`, down into classes."""
    first, *rest = name.split(".")
    node = source.nodes.get(first)
    if hops and node is None and first in source.imported:
        module, _, original = source.imported[first].rpartition(".")
        return _at(_source(module), ".".join([original, *rest]), hops - 1)
    if hops and isinstance(node, ast.Name):
        return _at(source, ".".join([node.id, *rest]), hops - 1)
    for part in rest:
        inner = [each for each in getattr(node, "body", ()) if isinstance(each, ast.ClassDef) and each.name == part]
        node = inner[0] if inner else None
    return _Found(source, node, name) if node else None


@cache
def _source(module: str) -> _Source:
    source = _Source(module, {}, {})
    with suppress(Exception):
        if origin := _origin(module):
            package = module if Path(origin).stem == "__init__" else module.rpartition(".")[0]
            for node in ast.parse(Path(origin).read_text(encoding="utf-8")).body:
                _note(node, package, source)
    return source


def _note(node: ast.stmt, package: str, source: _Source) -> None:
    """Remember the names that one statement gives."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        source.nodes[node.name] = node
    elif isinstance(node, ast.Assign):
        source.nodes.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
    elif isinstance(node, ast.ImportFrom):
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        source.imported.update({each.asname or each.name: f"{module}.{each.name}" for each in node.names})
    elif isinstance(node, ast.Import):
        for each in node.names:
            name = each.name if each.asname else each.name.partition(".")[0]
            source.imported[each.asname or name] = name


def _origin(module: str) -> str | None:
    """The source file of a module. `importlib.util.find_spec` would import the packages around it."""
    path: list[str] | None = None
    spec = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        spec = next((found for finder in sys.meta_path if (found := _asked(finder, name, path)) is not None), None)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec.origin if spec and spec.has_location else None


def _asked(finder: Any, name: str, path: list[str] | None) -> Any:
    """What one finder says; a plugin may have put one there that raises."""
    with suppress(Exception):
        return finder.find_spec(name, path)
    return None
