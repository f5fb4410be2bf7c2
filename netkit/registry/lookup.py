"""Names to components: where each came from, and what is broken, blocked or in dispute.

`registry.activations["relu"]` is a class, and `registry.activations.info("relu")` tells where it came from; likewise
for every kind. A component's qualified name is `distribution/name`. netkit's own components keep their bare names
whatever is installed; of two strangers with one name neither gets it. An alias, such as "short": "long_name" in a
table of contents, is understood where nobody has it as a name, by the same rules.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import pluggy

from netkit.errors import NetkitError, PluginError, UnknownComponent, nearest
from netkit.kinds import KINDS, Component
from netkit.registry.discovery import DISTRIBUTION, Plugin, Rules, excuses, find, import_plugin, normal
from netkit.registry.guard import guarded
from netkit.registry.hookspecs import hook_name, plugin_manager
from netkit.registry.info import RUN_TIME, Info, means, qualified, without_bad_names

__all__ = ["Lookup", "Registry", "current", "names_of", "own", "refresh", "using"]

FEW = 20
"""Names that a message about an unknown one lists at most."""
SLOW = 0.5
"""Seconds from which on the import of a plugin is remarked upon: everybody waits for it, whatever they use."""


class Lookup(Mapping[str, Any]):
    """The components of one kind by name. Listing and `in` import none; `[]` imports the one that it returns."""

    def __init__(self, registry: Registry, kind: str) -> None:
        self._registry = registry
        self._kind = kind
        self._infos: dict[str, Info] = {}  # by qualified name
        self._by_name: dict[str, list[Info]] = {}
        self._by_alias: dict[str, list[Info]] = {}
        self._resolved: dict[str, type[Component]] = {}
        self._twice: dict[str, Info] = {}  # what a distribution gave a name to before it gave the name again

    def __repr__(self) -> str:
        return f"<{KINDS[self._kind].plural}: {', '.join(self) or 'none'}>"

    def __getitem__(self, name: str) -> type[Any]:
        info = self.info(name)
        if info.qualified not in self._resolved:
            self._resolved[info.qualified] = info.load()
        return self._resolved[info.qualified]

    def __iter__(self) -> Iterator[str]:
        """Bare names, netkit's own first; qualified ones where the bare name is not theirs."""
        for info in self.infos():
            yield info.name if self._named(info.name) == [info] else info.qualified

    def __len__(self) -> int:
        return len(self.infos())

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and bool(self.info(name))
        except NetkitError:
            return False

    def infos(self) -> list[Info]:
        """Where each component came from, in a fixed order."""
        self._registry.load()
        order = self._registry.order()
        return sorted(
            self._infos.values(), key=lambda info: order.get((info.distribution, info.entry_point), len(order))
        )

    def info(self, name: str) -> Info:
        """Where one component came from. Raises `UnknownComponent`, or `PluginError` for a name in dispute."""
        distribution = name.rpartition("/")[0]
        self._registry.load(lambda row: _at_hand(row) or normal(row.distribution) == normal(distribution))
        if found := self._qualified(qualified(name)):
            return found[0]
        found = self._named(name)
        if not (found and found[0].distribution == DISTRIBUTION):
            self._registry.load()  # whether somebody else has the name, only all can tell
            found = self._named(name) or self._preferred(self._by_alias.get(name, []))
        if len(found) > 1:
            raise PluginError(
                f"{self._kind} {name!r} is in dispute: write {' or '.join(info.qualified for info in found)}"
            )
        if not found:
            raise UnknownComponent(self._unknown(name))
        return found[0]

    def disagreement(self, name: str) -> str:
        """Why a name that a distribution gives both ways, announced and by a hook, is not one component; or nothing."""
        info = self.info(name)
        before = self._twice.get(info.qualified)
        if before is None or before.load() is self[name]:
            return ""
        ways = " and ".join(f"{each.entry_point} gives {each.reference_text}" for each in (before, info))
        return f"{info.distribution} gives the name twice and they do not agree: {ways}"

    def info_of(self, component: Component | type[Component]) -> Info:
        """Where a class, or that of an instance, came from. Raises `UnknownComponent` when it was never registered."""
        wanted = component if isinstance(component, type) else type(component)
        for plugins in (_at_hand, lambda row: True):
            self._registry.load(plugins)
            for fits in (Info.names, Info.defines):
                for info in self._infos.values():
                    if self._resolved.get(info.qualified) is wanted or fits(info, wanted):
                        return info
        raise UnknownComponent(f"{self._kind} {wanted.__qualname__!r} is not registered")

    def is_own(self, component: type[Component]) -> bool:
        """Whether a class is one of netkit's own. Imports nothing of a stranger's."""
        self._registry.load(_at_hand)
        return any(info.names(component) for info in self._infos.values() if info.distribution == DISTRIBUTION)

    def first(self, fits: Callable[[type[Any]], bool] = lambda component: True) -> str:
        """The name of netkit's own first component that fits: the default where nobody chose."""
        self._registry.load(_at_hand)
        for info in self._infos.values():
            if info.distribution == DISTRIBUTION and fits(self[info.qualified]):
                return info.name
        raise UnknownComponent(f"{self._kind}: none is registered that could be a default")

    def register(self, name: str, component: Any = None) -> Any:
        """Add a component at run time: `register("swish", Swish)`, or `@register("swish")` above a class or a function.

        A function becomes a component with a derived gradient, a class of torch modules a layer (see `netkit.derived`).
        Raises `PluginError`.
        """
        if component is None:
            return lambda decorated: self.register(name, decorated)
        if callable(component) and not (isinstance(component, type) and issubclass(component, Component)):
            component = _derived(self._kind, component)
        info = Info(self._kind, name, RUN_TIME, "", "", component).checked()
        info.load()
        self._registry.load(_at_hand)
        if any(other.distribution == DISTRIBUTION for other in self._by_name.get(name, ())):
            raise PluginError(f"{self._kind} {name!r} is netkit's own and keeps its name; choose another")
        self.add(info)
        self._resolved.pop(info.qualified, None)
        return component

    def add(self, info: Info) -> None:
        before = self._infos.get(info.qualified)
        if before and info.distribution != RUN_TIME and (before.component != info.component):
            self._twice[info.qualified] = before
        self._infos[info.qualified] = info
        others = [each for each in self._by_name.get(info.name, ()) if each.qualified != info.qualified]
        self._by_name[info.name] = [*others, info]
        for alias in info.aliases:
            others = [each for each in self._by_alias.get(alias, ()) if each.qualified != info.qualified]
            self._by_alias[alias] = [*others, info]

    def _named(self, name: str) -> list[Info]:
        """All that may answer to a bare name: netkit's own alone where it has it, a preferred one, else everybody's."""
        return self._preferred(self._by_name.get(name, []))

    def _qualified(self, name: str) -> list[Info]:
        """What a name with its distribution is, or is an alias of."""
        distribution, _, alias = name.rpartition("/")
        others = [each for each in self._by_alias.get(alias, ()) if normal(each.distribution) == distribution]
        return [self._infos[name]] if name in self._infos else others

    def _preferred(self, found: list[Info]) -> list[Info]:
        """Those of the first distribution that goes before the others, else all."""
        for first in (DISTRIBUTION, *self._registry.preferred):
            if own := [info for info in found if normal(info.distribution) == first]:
                return own
        return found

    def _unknown(self, name: str) -> str:
        if not self._infos:
            return f"{self._kind} {name!r} is unknown: no {KINDS[self._kind].plural} are registered"
        close = nearest(name, self) or nearest(name, self._by_alias)
        there = f"; there are {', '.join(self)}" if len(self) <= FEW else ""
        return f"{self._kind} {name!r} is unknown{close or there}{excuses(self._registry.plugins(), name)}"


class Registry:
    """All components of one environment. Nothing is read before the first question, and no plugin can stop another."""

    def __init__(
        self,
        distributions: Iterable[metadata.Distribution] | None = None,
        *,
        plugins: str | None = None,
        blocked: Iterable[str] = (),
        preferred: Iterable[str] = (),
    ) -> None:
        self._distributions = distributions
        self._named, self._blocked = plugins, [*blocked]
        self.preferred = [normal(name) for name in preferred]
        """Distributions that a bare name in dispute goes to, the first that has it."""
        self._rules = Rules.parse(os.environ.get("NETKIT_PLUGINS", "") if plugins is None else plugins, self._blocked)
        self._plugins: list[Plugin] | None = None
        self._unread: set[int] = set()
        self._manager = plugin_manager()
        self.kinds = {kind: Lookup(self, kind) for kind in KINDS}

    def with_rules(self, disable: Iterable[str], prefer: Iterable[str]) -> Registry:
        """The components of the same environment, with more plugins left out, and who gets a name in dispute."""
        blocked = [*self._blocked, *disable]
        return Registry(self._distributions, plugins=self._named, blocked=blocked, preferred=prefer)

    def __getattr__(self, plural: str) -> Lookup:
        for name, kind in KINDS.items():
            if kind.plural == plural:
                return self.kinds[name]
        raise AttributeError(f"registry has no {plural!r}{nearest(plural, [k.plural for k in KINDS.values()])}")

    def plugins(self, load: bool = True) -> list[Plugin]:
        """Every plugin that is installed, with its status and the reason where it is not ok; without `load` unread."""
        if load:
            self.load()
        return list(self.find())

    def find(self) -> list[Plugin]:
        """The plugins as far as they are known; works once, and imports none."""
        if self._plugins is None:
            distributions = metadata.distributions() if self._distributions is None else self._distributions
            self._plugins = find(distributions, self._rules)
            self._unread = {number for number, row in enumerate(self._plugins) if row.status == "ok"}
            for warning in self._rules.unmet(self._plugins, self.preferred):
                warnings.warn(warning, stacklevel=1)
        return self._plugins

    def load(self, wanted: Callable[[Plugin], bool] = lambda plugin: True) -> None:
        """Ask the plugins that are wanted for their names, each once. Called by every lookup."""
        rows = self.find()
        for number in sorted(self._unread):
            if number in self._unread and wanted(rows[number]):  # another's import may have asked for it meanwhile
                self._unread.remove(number)
                rows[number] = self._loaded(rows[number])

    def order(self) -> dict[tuple[str, str], int]:
        """The place of every plugin in the list, by distribution and entry point."""
        return {(row.distribution, row.entry_point): number for number, row in enumerate(self.find())}

    def _loaded(self, plugin: Plugin) -> Plugin:
        start, torch = time.perf_counter(), "torch" in sys.modules
        plugin = without_bad_names(plugin)
        try:
            infos = names_of(plugin, self._manager)
        except PluginError as error:
            return plugin.marked("broken", str(error))
        seconds = time.perf_counter() - start
        for info in infos:  # all or none: a plugin that failed halfway has added nothing
            self.kinds[info.kind].add(info)
        if seconds < SLOW or ("torch" in sys.modules) != torch:  # whoever comes first imports torch for everybody
            return plugin
        return plugin.noted(
            f"its import took {seconds:.1f} s; one that announces its names is imported when they are used"
        )


def _derived(kind: str, given: Any) -> Any:
    """A component with a derived gradient from a function, or a layer from a class of modules. Raises `PluginError`."""
    from torch.nn import Module

    from netkit.derived import MAKERS

    module = isinstance(given, type) and issubclass(given, Module)
    if isinstance(given, type) and not (module and kind == "layer"):
        return given
    if kind not in MAKERS:
        raise PluginError(
            f"{kind}: a class derived from {KINDS[kind].__name__} is needed, a function cannot become one"
        )
    return MAKERS[kind](given)


def _at_hand(plugin: Plugin) -> bool:
    """Whether asking a plugin for its names imports nothing of a stranger's."""
    return plugin.distribution == DISTRIBUTION or bool(plugin.announced)


def names_of(plugin: Plugin, manager: pluggy.PluginManager | None = None) -> list[Info]:
    """What a plugin's hooks return. Raises `PluginError`, whatever the plugin does."""
    manager = manager or plugin_manager()
    module = import_plugin(plugin)
    try:
        with guarded():
            manager.register(module, plugin.name)
            callers = manager.get_hookcallers(module) or []
            if not callers:
                raise PluginError("it has no function marked with @hookimpl")
            for caller in callers:
                if not caller.has_spec():
                    raise PluginError(f"there is no hook {caller.name}{nearest(caller.name, _hooks())}")
            return [info for caller in callers for info in _returned(plugin, caller)]
    except PluginError:
        if manager.has_plugin(plugin.name):
            manager.unregister(name=plugin.name)
        raise


def _returned(plugin: Plugin, caller: pluggy.HookCaller) -> Iterator[Info]:
    """What one hook of one plugin returns. Called by itself, not through pluggy: the first exception would lose all."""
    kind = next(name for name, kind in KINDS.items() if hook_name(kind) == caller.name)
    [hook] = [hook for hook in caller.get_hookimpls() if hook.plugin_name == plugin.name]
    names = hook.function()
    if not isinstance(names, Mapping):
        raise PluginError(f"{caller.name} must return a dictionary of names, got {names!r}")
    about = (plugin.distribution, plugin.version, plugin.entry_point)
    for name, component in names.items():
        if means(names, name) == name:
            aliases = tuple(each for each in names if each != name and means(names, each) == name)
            yield Info(kind, name, *about, component, aliases).checked()
        elif means(names, component) != component:
            raise PluginError(f"{kind} {name}: an alias of a component is needed, got {component!r}, an alias itself")


def _hooks() -> list[str]:
    return [*map(hook_name, KINDS.values())]


_current: Registry | None = None


def current() -> Registry:
    """The registry in use: that of the environment, unless `using` has put another in its place."""
    global _current
    if _current is None:
        _current = Registry()
    return _current


def own() -> Registry:
    """A registry of netkit's own components alone: no stranger is imported for it."""
    return Registry(metadata.distributions(name=DISTRIBUTION), plugins="")


@contextmanager
def using(registry: Registry) -> Iterator[Registry]:
    """Another registry for a while: for tests, and for a command that blocks plugins."""
    global _current
    before, _current = _current, registry
    try:
        yield registry
    finally:
        _current = before


def refresh() -> None:
    """Look again for installed plugins: after pip ran in a session. What was registered at run time is kept."""
    global _current
    importlib.invalidate_caches()
    by_hand = [info for lookup in current().kinds.values() for info in lookup.infos() if info.distribution == RUN_TIME]
    _current = Registry()
    for info in by_hand:
        _current.kinds[info.kind].add(info)
