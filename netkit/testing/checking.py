"""Run every promise of a component's kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netkit import spec
from netkit.discovery import normal
from netkit.errors import NetkitError, PluginError, UnknownComponent
from netkit.kinds import KINDS, Component
from netkit.registry import current
from netkit.testing import bindings, gradients, others
from netkit.testing.comparing import BrokenPromise

__all__ = ["Report", "check", "examine", "promises_of"]

PROMISES: dict[str, list[Any]] = {
    "activation": [*gradients.ACTIVATION, bindings.activation],
    "layer": [*gradients.LAYER, bindings.layer],
    "loss": [*gradients.LOSS, bindings.loss],
    "metric": others.METRIC,
    "optimizer": [*others.OPTIMIZER, bindings.optimizer],
    "initializer": others.INITIALIZER,
}


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


def check(component: Any, kind: str | None = None) -> list[Report]:
    """Hold a component (a name, text, class or instance) to the promises of its kind, with all of its `examples()`.

    Returns a report for each kind that has the name. Raises `BrokenPromise`, an AssertionError, for the first one
    that is not kept.
    """
    reports = [examine(kind, given) for kind, given in _found(component, kind)]
    for report in reports:
        if report.broken:
            raise BrokenPromise(f"{report.kind} {report.name}: {report.broken}")
    return reports


def examine(kind: str, component: Any) -> Report:
    """The same, for one kind, without raising."""
    name, count, worst = component if isinstance(component, str) else getattr(component, "__name__", ""), 0, 0.0
    where, promises = "", [*others.EVERY, *PROMISES[kind]]
    try:
        if isinstance(component, str) and (why := current().kinds[kind].disagreement(spec.parse(component)[0])):
            return Report(kind, name, count, len(promises), worst, why)
        for example in _examples(kind, component):
            count += 1
            name, where = name or spec.name(example), repr(example)
            worst = max(worst, *(promise(example) for promise in promises))
    except BrokenPromise as error:
        return Report(kind, name, count, len(promises), worst, f"{where}: {error}")
    except Exception as error:
        return Report(kind, name, count, len(promises), worst, f"{where or 'it'} raises {type(error).__name__}: {error}")
    return Report(kind, name, count, len(promises), worst)


def promises_of(distribution: str) -> Any:
    """A pytest function with one test for each component of an installed distribution. Raises `PluginError`."""
    import pytest

    every = [info for lookup in current().kinds.values() for info in lookup.infos()]
    mine = [info for info in every if normal(info.distribution) == normal(distribution)]
    rows = [row for row in current().plugins() if normal(row.distribution) == normal(distribution)]
    if hurt := [row for row in rows if row.status != "ok"]:
        raise PluginError(f"{distribution}: {hurt[0].status}: {hurt[0].reason}")
    if not mine:
        raise PluginError(f"{distribution}: no component of it is installed")

    @pytest.mark.parametrize("component", mine, ids=[f"{info.kind}-{info.name}" for info in mine])
    def test_component(component: Any) -> None:
        check(component.qualified, component.kind)

    return test_component


def _examples(kind: str, component: Any) -> Iterator[Component]:
    """Every example of a name or a class; an instance, or text with settings, alone."""
    if isinstance(component, str) and ":" not in component:
        component = current().kinds[kind][component]
    found = component.examples() if isinstance(component, type) else [component]  # type: ignore[attr-defined]
    yield from (spec.make(kind, example) for example in found)


def _found(component: Any, kind: str | None) -> list[tuple[str, Any]]:
    if not isinstance(component, str):
        if not hasattr(component, "kind"):
            raise NetkitError(f"check: a component or its name is needed, got {component!r}")
        return [(component.kind, component)]
    name = spec.parse(component)[0]
    kinds = [each for each in KINDS if name in current().kinds[each] and kind in (None, each)]
    if not kinds:
        raise UnknownComponent(f"check: no {kind or 'component'} is called {name!r}")
    return [(each, component) for each in kinds]
