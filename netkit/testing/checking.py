"""Run every promise of a component's kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from netkit import spec
from netkit.errors import NetkitError, PluginError, UnknownComponent
from netkit.kinds import KINDS, Component
from netkit.registry import current
from netkit.registry.discovery import normal
from netkit.registry.guard import printable
from netkit.registry.surroundings import one_thread
from netkit.testing.answers import ANSWERS, arguments
from netkit.testing.batches import BATCHES
from netkit.testing.bindings import BOUND
from netkit.testing.comparing import BrokenPromise, need
from netkit.testing.raised import told
from netkit.testing.sampling import other_settings
from netkit.testing.settings import EVERY
from netkit.testing.surroundings import unchanged

__all__ = ["Report", "check", "examine", "promises_of"]


@dataclass(frozen=True)
class Report:
    """What came of the checks of one component: how many it passed, with how many settings, and what is broken."""

    kind: str
    name: str
    settings: int
    promises: int
    worst: float
    """The largest difference that was found and allowed, relative to 1 + the size of the right value."""
    broken: str = ""
    """The first broken promise, with an input that breaks it; empty when all are kept."""
    remarks: tuple[str, ...] = ()
    """What its author may want to know, though no promise forbids it."""


def check(component: Any, kind: str | None = None) -> list[Report]:
    """Hold a component (a name, text, class or instance) to the promises of its kind, with all of its `examples()`.

    Returns a report for each kind that has the name. Raises `BrokenPromise`, an AssertionError, for the first one
    that is not kept.
    """
    reports = [examine(kind, given) for kind, given in _kinds_of(component, kind)]
    for report in reports:
        if report.broken:
            raise BrokenPromise(f"{report.kind} {report.name}: {report.broken}")
    return reports


def examine(kind: str, component: Any) -> Report:
    """The same, for one kind, without raising, whatever the component raises or changes."""
    run = _Run(kind, component if isinstance(component, str) else getattr(component, "__name__", ""))
    broken = ""
    try:
        broken = run.disagreement(component) if isinstance(component, str) else ""
        with one_thread():
            unchanged(lambda: run.all(component))
    except BrokenPromise as error:
        broken = broken or _lines(f"{run.where}: {error}" if run.where else str(error))
    except (Exception, SystemExit) as error:
        broken = broken or printable(f"{run.where or 'it'} raises {told(error, run.owner or component)}", 600)
    name, remarks = run.name or type(component).__name__, () if broken else (*dict.fromkeys(run.remarks),)
    return Report(kind, name, run.count, len(run.promises), run.worst, broken, remarks)


class _Run:
    """The checks of one component: how far they came, and with which settings."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name, self.count, self.worst, self.where = kind, name, 0, 0.0, ""
        self.owner: type[Component] | None = None
        self.remarks: list[str] = []
        module = import_module(f"netkit.testing.{KINDS[kind].plural}")  # each kind has one, with its promises
        more = [each.get(KINDS[kind], []) for each in (ANSWERS, BATCHES, BOUND)]
        self.promises = [*EVERY, arguments, *more[0], *module.PROMISES, *more[1], *more[2]]
        self._remarks = getattr(module, "REMARKS", [])
        self._at_any_setting = getattr(module, "AT_ANY_SETTING", [])
        """Those that are also tried with settings that nobody gave as an example."""

    def disagreement(self, component: str) -> str:
        return current().kinds[self.kind].disagreement(spec.parse(component)[0])

    def all(self, component: Any) -> float:
        """Every promise with every example, then some with settings around those of the first."""
        first = None
        for example in _examples(self.kind, component):
            self.count, first = self.count + 1, first or example
            self.one(example, self.promises)
            self.remarks += [f"{self.where}: {text}" for remark in self._remarks if (text := remark(example))]
        need(first, "examples() yields nothing")
        for other in other_settings(first) if self._at_any_setting and first else ():
            self.one(other, self._at_any_setting)
        return self.worst

    def one(self, example: Component, promises: list[Any]) -> None:
        self.name, self.where = self.name or spec.name(example), printable(repr(example))
        self.owner = type(example)
        for promise in promises:
            self.worst = max(self.worst, unchanged(partial(promise, example)))


def _lines(message: str) -> str:
    """The rule and the inputs below it, a line each, without characters that steer a terminal."""
    rule, *inputs = message.split("\n    ")
    return "\n    ".join([printable(rule, 2000), *(printable(each, 10**7) for each in inputs)])


def promises_of(distribution: str) -> Any:
    """A pytest function with one test for each component of an installed distribution. Raises `PluginError`."""
    import pytest

    every = [info for lookup in current().kinds.values() for info in lookup.infos()]
    own = [info for info in every if normal(info.distribution) == normal(distribution)]
    rows = [row for row in current().plugins() if normal(row.distribution) == normal(distribution)]
    if hurt := [row for row in rows if row.status != "ok"]:
        raise PluginError(f"{distribution}: {hurt[0].status}: {hurt[0].reason}")
    if not own:
        raise PluginError(f"{distribution}: no component of it is installed")

    @pytest.mark.parametrize("component", own, ids=[f"{info.kind}-{info.name}" for info in own])
    def test_component(component: Any) -> None:
        check(component.qualified, component.kind)

    return test_component


def _examples(kind: str, component: Any) -> Iterator[Component]:
    """Every example of a name or a class; an instance, or text with settings, alone."""
    if isinstance(component, str) and ":" not in component:
        component = current().kinds[kind][component]
    owner = next((each for each in getattr(component, "__mro__", ()) if "examples" in vars(each)), Component)
    # of a class without examples of its own `make` says which settings it requires
    examples = [component] if owner is Component else component.examples()
    yield from (spec.make(kind, example) for example in examples)


def _kinds_of(component: Any, kind: str | None) -> list[tuple[str, Any]]:
    if not isinstance(component, str):
        if not hasattr(component, "kind"):
            raise NetkitError(f"check: a component or its name is needed, got {component!r}")
        return [(component.kind, component)]
    name = spec.parse(component)[0]
    kinds = [each for each in KINDS if name in current().kinds[each] and kind in (None, each)]
    if not kinds:
        raise UnknownComponent(f"check: no {kind or 'component'} is called {name!r}")
    return [(each, component) for each in kinds]
