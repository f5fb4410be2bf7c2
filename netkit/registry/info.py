"""One component under its name: where it came from, whether it is what it should be, and how to get at its class."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from netkit.errors import PluginError
from netkit.kinds import KINDS, Component
from netkit.registry import discovery, source
from netkit.registry.discovery import DISTRIBUTION, Plugin, normal

__all__ = [
    "NAME",
    "RUN_TIME",
    "Info",
    "checked",
    "component_of",
    "excuses",
    "is_defined_as",
    "is_named_by",
    "made",
    "missing_methods",
    "qualified",
    "refuse_own",
    "sifted",
    "written",
]

RUN_TIME = "run-time"
"""Stands where the distribution would, for components that were registered by hand."""
NAME = r"[a-z][a-z0-9_]{0,63}"
"""What a component's name matches."""


@dataclass(frozen=True)
class Info:
    """Where one component came from."""

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: str
    component: type[Component] | str

    @property
    def qualified(self) -> str:
        return f"{normal(self.distribution)}/{self.name}"

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        return source.summary_of(self.component)

    @property
    def derived(self) -> bool:
        """Whether torch works out its gradient."""
        return source.is_derived(self.component)


def checked(info: Info) -> Info:
    """The same, after a look at its name and at what stands behind it. Raises `PluginError`."""
    if not isinstance(info.name, str) or not re.fullmatch(NAME, info.name):
        raise PluginError(f"{info.kind}: a name is snake_case (letters, digits, _; at most 64), got {info.name!r}")
    if isinstance(info.component, str):
        if ":" not in info.component:
            raise PluginError(f"{info.kind} {info.name}: a reference reads package.module:Name, got {info.component!r}")
    else:
        _must_be(info, info.component)
    return info


def sifted(plugin: Plugin) -> Plugin:
    """The plugin without the announced names that break the rules, each of them a note. Where none is left, all stay."""
    kinds = {kind.plural: name for name, kind in KINDS.items()}
    good: dict[str, dict[str, str]] = {}
    notes = []
    for plural, names in plugin.announced.items():
        for name, value in names.items():
            try:
                checked(
                    Info(
                        kinds.get(plural, plural), name, plugin.distribution, plugin.version, plugin.entry_point, value
                    )
                )
                good.setdefault(plural, {})[name] = value
            except PluginError as error:
                notes.append(str(error))
    if good:
        plugin = replace(plugin, announced=good)
        for note in notes:
            plugin = plugin.noted(note)
    return plugin


def _must_be(info: Info, component: Any) -> type[Component]:
    base = KINDS[info.kind]
    if not (isinstance(component, type) and issubclass(component, base)):
        raise PluginError(
            f"{info.qualified}: {info.kind} must be a class derived from {base.__name__}, got {component!r}"
        )
    return component


def component_of(info: Info) -> type[Component]:
    """The class itself, imported if need be. Raises `PluginError` with the distribution to look at."""
    try:
        found = _must_be(info, discovery.resolve(info.component)) if isinstance(info.component, str) else info.component
        if missing := missing_methods(found):
            raise PluginError(missing)
    except PluginError as error:
        raise PluginError(
            f"{info.kind} {info.name!r} of {f'{info.distribution} {info.version}'.rstrip()}: {error}"
        ) from error
    return found


def missing_methods(component: type[Component]) -> str:
    """What its class would have to define before there can be an instance; or nothing."""
    if not inspect.isabstract(component):
        return ""
    return f"{component.__qualname__} does not define {', '.join(sorted(component.__abstractmethods__))}"


def is_named_by(component: type[Component] | str, wanted: type[Component]) -> bool:
    """Whether a component, or a reference to one, is this class. Looks at what is imported already, and at no source."""
    if not isinstance(component, str):
        return component is wanted
    module, _, name = component.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    return found is wanted


def is_defined_as(component: type[Component] | str, wanted: type[Component]) -> bool:
    """Whether a reference leads to this class through the imports in the source, or those that its module makes when asked."""
    if not isinstance(component, str):
        return False
    if (home := source.home_of(component)) != component and is_named_by(home, wanted):
        return True
    module, _, name = component.partition(":")
    with suppress(Exception):
        return name == wanted.__qualname__ and getattr(sys.modules.get(module), name, None) is wanted
    return False


def written(component: type[Component] | str) -> str:
    """A component as a reference."""
    return component if isinstance(component, str) else f"{component.__module__}:{component.__qualname__}"


def qualified(name: str) -> str:
    """A name as it was written, with the distribution in the form that package indexes compare."""
    distribution, slash, bare = name.rpartition("/")
    return f"{normal(distribution)}/{bare}" if slash else name


def excuses(plugins: Iterable[Plugin], name: str) -> str:
    """The end of a message about an unknown name: who would have it, and who might, had they loaded."""
    owner, _, bare = name.rpartition("/")
    absent = [row for row in plugins if row.status != "ok" and (not owner or normal(row.distribution) == normal(owner))]
    having = [row for row in absent if owner or any(bare in names for names in row.announced.values())]
    told = "".join(f"; {row.distribution} is {row.status}: {row.reason}" for row in having)
    might: dict[str, list[str]] = {}
    for row in absent:
        if row not in having and not row.announced:  # what it would have, nobody can tell
            might.setdefault(row.status, []).append(row.distribution)
    others = "".join(
        f"; {status} plugins that might have it: {', '.join(dict.fromkeys(names))}" for status, names in might.items()
    )
    return f"{told}{others} (netkit list-plugins says why)" if others else told


def refuse_own(kind: str, name: str, others: list[Info]) -> None:
    """Raise `PluginError` where netkit itself has the name: what is registered under it would never be found."""
    if any(info.distribution == DISTRIBUTION for info in others):
        raise PluginError(f"{kind} {name!r} is netkit's own and keeps its name; choose another")


def made(kind: str, given: Any) -> Any:
    """A component with a derived gradient from a function, or a layer from a class of modules. Raises `PluginError`."""
    from torch.nn import Module

    from netkit.derived import MAKERS

    module = isinstance(given, type) and issubclass(given, Module)
    if isinstance(given, type) and not (module and kind in MAKERS and kind == "layer"):
        return given
    if kind not in MAKERS:
        raise PluginError(
            f"{kind}: a class derived from {KINDS[kind].__name__} is needed, a function cannot become one"
        )
    return MAKERS[kind](given)
