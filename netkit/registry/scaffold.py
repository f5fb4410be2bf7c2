"""A plugin package to begin with: ready to install, check and publish."""

from __future__ import annotations

import keyword
import re
import sys
from contextlib import suppress
from datetime import date
from importlib import metadata
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from netkit.errors import DataError, SettingError
from netkit.kinds import KINDS
from netkit.registry.attributes import class_name
from netkit.registry.discovery import DISTRIBUTION, normal, version
from netkit.registry.info import NAME
from netkit.registry.lookup import own

__all__ = ["write"]

FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "LICENSE": "LICENSE.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/test.yml": "test.yml.txt",
    "{module}.py": "kinds/{kind}.py.txt",
    "tests/test_components.py": "test_components.py.txt",
}


def write(distribution: str, kind: str, folder: Path) -> str:
    """Write a package with one component of this kind into an empty or new folder; returns the component's name.

    Raises `SettingError` for a name that cannot be used, `DataError` for a folder that is not empty or not writable.
    """
    words = _words(distribution, kind)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder}: an empty or a new folder is needed")
        for path, source in FILES.items():
            target = folder / path.format(**words)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = files("netkit.registry").joinpath("templates", source.format(**words)).read_text(encoding="utf-8")
            target.write_text(Template(text).substitute(words), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return words["name"]


def _words(distribution: str, kind: str) -> dict[str, str]:
    """What the templates call $name."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", distribution):
        raise SettingError(f"new-plugin: a distribution's name has letters, digits, -, _ and ., got {distribution!r}")
    module = normal(distribution).replace("-", "_")
    name = module.removeprefix("netkit_")
    if normal(distribution) in ("netkit", DISTRIBUTION) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SettingError(
            f"new-plugin: the name must leave one for the {kind}, as netkit-swish does, got {distribution!r}"
        )
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise SettingError(f"new-plugin: {module!r} is a word or a module of Python; try netkit-{normal(distribution)}")
    if not re.fullmatch(NAME, name):
        raise SettingError(
            f"new-plugin: a component's name has at most 64 letters, digits and _, got {len(name)}: {name!r}"
        )
    if taken := _taken(module):
        raise SettingError(
            f"new-plugin: the module {module!r} would hide {taken}; choose another name, got {distribution!r}"
        )
    if name in own().kinds[kind]:
        raise SettingError(f"new-plugin: the {kind} {name!r} is netkit's own, and keeps its name; choose another")
    return {
        "distribution": distribution,
        "module": module,
        "name": name,
        "kind": kind,
        "plural": KINDS[kind].plural,
        "Class": class_name(name),
        "version": version(),
        "year": str(date.today().year),
    }


def _taken(module: str) -> str:
    """What a module of this name would hide: one that can be imported already, or one that netkit needs; or nothing."""
    with suppress(Exception):  # metadata of unrelated packages may be damaged
        if owners := metadata.packages_distributions().get(module):
            return f"that of {owners[0]}"
    with suppress(Exception):
        if any(
            normal(re.split(r"[^\w.-]", line)[0]) == normal(module) for line in metadata.requires(DISTRIBUTION) or ()
        ):
            return f"a package that {DISTRIBUTION} needs"
    with suppress(ImportError, ValueError):
        found = find_spec(module)
        if found and found.origin:  # a folder of that name alone is nothing that can be imported
            return str(found.origin)
    return ""
