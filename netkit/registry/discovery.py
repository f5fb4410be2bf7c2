"""Plugins as installed packages announce them: found, judged and imported one by one, so that none can hurt another."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from netkit.errors import PluginError, nearest
from netkit.kinds import KINDS
from netkit.registry.guard import cause, guarded, printable
from netkit.registry.hookspecs import hook_name, hookimpl

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = [
    "DISTRIBUTION",
    "GROUP",
    "Plugin",
    "Rules",
    "applies",
    "excuses",
    "find",
    "import_plugin",
    "normal",
    "resolve",
    "version",
]

DISTRIBUTION = "netkit-nn"
"""The distribution this package comes in; its own components keep their bare names."""
GROUP = "netkit"


@dataclass(frozen=True)
class Plugin:
    """One row of provenance: an entry point, or all the names a distribution announces, and how it fared."""

    distribution: str
    version: str
    entry_point: str
    value: str = ""
    announced: dict[str, dict[str, str]] = field(default_factory=dict, compare=False)
    status: str = "ok"
    """ok, blocked, incompatible, broken or unreadable."""
    reason: str = ""
    """Why it is not ok; or, though it is, what its author should know."""
    location: str = field(default="", compare=False)
    """The folder that it is installed in."""
    refused: dict[str, dict[str, str]] = field(default_factory=dict, compare=False)
    """The announced names that cannot be, by kind, and why."""

    @property
    def name(self) -> str:
        return f"{self.distribution}:{self.entry_point}"

    @property
    def line(self) -> str:
        """How it fared, on one line."""
        about = f"{self.distribution} {self.version} ({printable(self.entry_point)}): {self.status}"
        remedy = (
            f"; pip uninstall {self.distribution}"
            if self.status == "broken" and self.distribution != DISTRIBUTION
            else ""
        )
        return f"{about}: {self.reason}{remedy}" if self.reason else about

    def marked(self, status: str, reason: str) -> Plugin:
        return replace(self, status=status, reason=printable(reason))

    def noted(self, note: str) -> Plugin:
        """The same with something its author should know, though all is well."""
        return replace(self, reason=printable(f"{self.reason}; {note}" if self.reason else f"note: {note}"))


@dataclass(frozen=True)
class Rules:
    """Which plugins may load, by the name of the distribution or of the entry point."""

    blocked: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str, blocked: Iterable[str] = ()) -> Rules:
        """From `NETKIT_PLUGINS`: `-a,-b` blocks a and b; `a,b` keeps a and b alone beside netkit's own."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        off = {normal(word[1:]) for word in words if word.startswith("-")} | {normal(name) for name in blocked}
        on = {normal(word) for word in words if not word.startswith("-")}
        return cls(frozenset(off), frozenset(on) if on else None)

    def reason(self, plugin: Plugin) -> str:
        names = {normal(plugin.distribution), normal(plugin.entry_point)}
        if hit := names & self.blocked:
            return f"blocked by name: {min(hit)}"
        if self.allowed is not None and plugin.distribution != DISTRIBUTION and not names & self.allowed:
            return f"not among the plugins allowed: {', '.join(sorted(self.allowed))}"
        return ""

    def unmet(self, plugins: Iterable[Plugin], more: Iterable[str] = ()) -> list[str]:
        """A line for every name in the rules, and for those in `more`, that no plugin has."""
        names = {normal(name) for plugin in plugins for name in (plugin.distribution, plugin.entry_point)}
        wanted = {*self.blocked, *(self.allowed or ()), *more} - names
        return [f"plugins: none is called {name!r}{nearest(name, names)}" for name in sorted(wanted)]


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def excuses(plugins: Iterable[Plugin], name: str) -> str:
    """The end of a message about an unknown name: who would have it, and who might, had they loaded."""
    owner, _, bare = name.rpartition("/")
    absent = [row for row in plugins if row.status != "ok" and (not owner or normal(row.distribution) == normal(owner))]
    having = [row for row in absent if owner or any(bare in names for names in row.announced.values())]
    reasons = "".join(f"; {row.distribution} is {row.status}: {row.reason}" for row in having)
    might: dict[str, list[str]] = {}
    for row in absent:
        if row not in having and not row.announced:  # what it would have, nobody can tell
            might.setdefault(row.status, []).append(row.distribution)
    others = "".join(
        f"; {status} plugins that might have it: {', '.join(dict.fromkeys(names))}" for status, names in might.items()
    )
    return f"{reasons}{others} (netkit list-plugins says why)" if others else reasons


@cache
def version() -> str:
    """The installed version of netkit itself."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0"


def find(distributions: Iterable[metadata.Distribution], rules: Rules) -> list[Plugin]:
    """Every plugin in a fixed order, netkit's own first, none of them imported."""
    rows: list[Plugin] = []
    seen: set[str] = set()
    for distribution in distributions:
        plugins = list(_plugins_of(distribution))
        key = normal(plugins[0].distribution) if plugins else ""
        if key and key not in seen:  # the first on sys.path is the one that would be imported
            seen.add(key)
            rows += [_judged(plugin, distribution, rules) if plugin.status == "ok" else plugin for plugin in plugins]
    return sorted(rows, key=lambda row: (row.distribution != DISTRIBUTION, normal(row.distribution), row.entry_point))


def _plugins_of(distribution: metadata.Distribution) -> Iterator[Plugin]:
    """The plugins in one distribution. Any package of the environment comes by here, so nothing it does may raise."""
    try:
        points = [point for point in distribution.entry_points if point.group.split(".")[0] == GROUP]
        name = printable(distribution.metadata["Name"]) if points else ""
        number = printable(distribution.version) if points else ""
    except Exception as error:
        place = Path(str(getattr(distribution, "_path", "?"))).name
        yield Plugin(place, "?", "?").marked("unreadable", f"its metadata cannot be read: {cause(error)}")
        return
    announced: dict[str, dict[str, str]] = {}
    where = printable(str(distribution.locate_file("")), limit=4096)
    for point in points:
        if point.group == GROUP:
            yield Plugin(name, number, point.name, point.value, location=where)
        else:
            announced.setdefault(point.group.partition(".")[2], {})[point.name] = point.value
    if announced:
        yield Plugin(name, number, "announced", announced=announced, location=where)


def _judged(plugin: Plugin, distribution: metadata.Distribution, rules: Rules) -> Plugin:
    if reason := rules.reason(plugin):
        return plugin.marked("blocked", reason)
    if plugin.distribution != DISTRIBUTION and (reason := _incompatible(distribution)):
        return plugin.marked("incompatible", reason)
    if plugin.distribution != DISTRIBUTION and not any(
        normal(needs.name) == DISTRIBUTION for needs in _requirements(distribution)
    ):
        return plugin.noted(f"declares no dependency on {DISTRIBUTION}")
    return plugin


def _incompatible(distribution: metadata.Distribution) -> str:
    """Why the distribution's own requirements rule out this netkit, or nothing. Read before anything is imported."""
    for needs in _requirements(distribution):
        if normal(needs.name) == GROUP:
            return f"requires {needs.name}, an unrelated package; it must be {DISTRIBUTION}"
        if normal(needs.name) == DISTRIBUTION and not needs.specifier.contains(version(), prereleases=True):
            return f"needs {needs.name}{needs.specifier}, this is {version()}"
    return ""


def _requirements(distribution: metadata.Distribution) -> Iterator[Requirement]:
    """What the distribution needs here, its extras left out. Lines that nobody can read need nothing."""
    from packaging.requirements import Requirement

    for line in distribution.requires or ():
        needs = None
        with contextlib.suppress(Exception):
            needs = Requirement(line)
        if needs and applies(needs):
            yield needs


def applies(needs: Requirement) -> bool:
    """Whether a requirement counts in this environment, without any extra."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        return needs.marker is None or needs.marker.evaluate({"extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


def import_plugin(plugin: Plugin) -> Any:
    """The plugin's module, or an object whose hooks return the names it announced. Raises `PluginError`."""
    if not plugin.announced:
        return _imported(plugin.value)
    kinds = {kind.plural: kind for kind in KINDS.values()}
    if unknown := sorted(set(plugin.announced) - set(kinds)):
        close = nearest(unknown[0], kinds)
        raise PluginError(f"announces in the group {GROUP}.{unknown[0]}, and there is no such kind{close}")
    return SimpleNamespace(
        **{
            hook_name(kinds[plural]): _hook_for(dict(sorted(names.items())))
            for plural, names in plugin.announced.items()
        }
    )


def _hook_for(names: dict[str, str]) -> Any:
    def announced() -> dict[str, str]:
        return names

    return hookimpl(announced)


def resolve(reference: str) -> Any:
    """The object that "package.module:Name" refers to. Raises `PluginError`."""
    module, _, attribute = reference.partition(":")
    value = _imported(module)
    for part in attribute.split("."):
        value = getattr(value, part, None)
    if value is None:
        raise PluginError(f"{reference}: the module has no such name")
    return value


def _imported(reference: str) -> Any:
    name, _, attribute = reference.partition(":")
    with guarded(f"import of {reference} failed: ", name), contextlib.redirect_stdout(sys.stderr):
        module = importlib.import_module(name)
        return getattr(module, attribute) if attribute else module
