"""One component under its name: where it came from, whether it is what it should be, and how to get at its class."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from netkit.errors import PluginError
from netkit.kinds import KINDS, Component
from netkit.registry.discovery import Plugin, normal, resolve
from netkit.registry.guard import printable
from netkit.registry.source import doc_of, home_of, is_derived

__all__ = ["NAME", "RUN_TIME", "Info", "means", "missing_methods", "qualified", "without_bad_names"]

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
    """The class, or a reference to it."""
    aliases: tuple[str, ...] = ()
    """Other names that people may write for it; names come before them, and no file records them."""

    @property
    def qualified(self) -> str:
        return f"{normal(self.distribution)}/{self.name}"

    @property
    def summary(self) -> str:
        """What it is: the first line of its docstring."""
        return printable(doc_of(self.component).strip().partition("\n")[0])

    @property
    def derived(self) -> bool:
        """Whether torch works out its gradient."""
        return is_derived(self.component)

    @property
    def reference_text(self) -> str:
        """The component as a reference."""
        found = self.component
        return found if isinstance(found, str) else f"{found.__module__}:{found.__qualname__}"

    def checked(self) -> Info:
        """The same, after a look at its name and at what stands behind it. Raises `PluginError`."""
        for name in (self.name, *self.aliases):
            if not isinstance(name, str) or not re.fullmatch(NAME, name):
                raise PluginError(f"{self.kind}: a name is snake_case (letters, digits, _; at most 64), got {name!r}")
        if not isinstance(self.component, str):
            self._class(self.component)
        elif ":" not in self.component:
            raise PluginError(f"{self.kind} {self.name}: a reference reads package.module:Name, got {self.component!r}")
        return self

    def load(self) -> type[Component]:
        """The class itself, imported if need be. Raises `PluginError` with the distribution to look at."""
        try:
            found = self._class(resolve(self.component) if isinstance(self.component, str) else self.component)
            if missing := missing_methods(found):
                raise PluginError(missing)
        except PluginError as error:
            owner = f"{self.distribution} {self.version}".rstrip()
            raise PluginError(f"{self.kind} {self.name!r} of {owner}: {error}") from error
        return found

    def names(self, wanted: type[Component]) -> bool:
        """Whether this is the class, or a reference to it. Looks at what is imported already, and at no source."""
        return _leads_to(self.component, wanted) if isinstance(self.component, str) else self.component is wanted

    def defines(self, wanted: type[Component]) -> bool:
        """Whether a reference leads to the class through the imports in the source, or those that its module makes when
        asked."""
        if not isinstance(self.component, str):
            return False
        if (home := home_of(self.component)) != self.component and _leads_to(home, wanted):
            return True
        module, _, name = self.component.partition(":")
        with suppress(Exception):
            return name == wanted.__qualname__ and getattr(sys.modules.get(module), name, None) is wanted
        return False

    def _class(self, found: Any) -> type[Component]:
        base = KINDS[self.kind]
        if not (isinstance(found, type) and issubclass(found, base)):
            raise PluginError(
                f"{self.qualified}: {self.kind} must be a class derived from {base.__name__}, got {found!r}"
            )
        return found


def _leads_to(reference: str, wanted: type[Component]) -> bool:
    """Whether a reference is this class, as far as its module is imported already."""
    module, _, name = reference.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    return found is wanted


def means(names: Mapping[Any, Any], name: Any) -> Any:
    """The name in a table of contents that one of its entries is an alias of, or its own."""
    other = names[name]
    return other if isinstance(other, str) and other in names else name


def without_bad_names(plugin: Plugin) -> Plugin:
    """The plugin without the announced names that break the rules, each a note. Where none is left, all stay."""
    kinds = {kind.plural: name for name, kind in KINDS.items()}
    about = (plugin.distribution, plugin.version, plugin.entry_point)
    good: dict[str, dict[str, str]] = {}
    bad: dict[str, dict[str, str]] = {}
    for plural, names in plugin.announced.items():
        for name, reference in names.items():
            try:
                meant = means(names, name)
                Info(kinds.get(plural, plural), meant, *about, names[meant], (name,)).checked()
                good.setdefault(plural, {})[name] = reference
            except PluginError as error:
                bad.setdefault(kinds.get(plural, plural), {})[name] = str(error)
    if not good:
        return plugin
    plugin = replace(plugin, announced=good, refused=bad)
    for note in (why for names in bad.values() for why in names.values()):
        plugin = plugin.noted(note)
    return plugin


def missing_methods(component: type[Component]) -> str:
    """What its class would have to define before there can be an instance; or nothing."""
    if not inspect.isabstract(component):
        return ""
    return f"{component.__qualname__} does not define {', '.join(sorted(component.__abstractmethods__))}"


def qualified(name: str) -> str:
    """A name as somebody wrote it, with the distribution in the form that package indexes compare."""
    distribution, slash, bare = name.rpartition("/")
    return f"{normal(distribution)}/{bare}" if slash else name
