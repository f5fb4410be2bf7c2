"""Which distributions the parts of a model come from, and what to do when one of them is not here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from netkit import spec
from netkit.kinds import Component, Layer
from netkit.registry import current
from netkit.registry.discovery import Plugin, normal
from netkit.registry.info import NAME, RUN_TIME, Info

__all__ = ["DIST", "Source", "absent", "changes", "refuse_odd", "sources", "types"]

DIST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
"""What a distribution's name matches; people paste it into a shell."""


class Source(msgspec.Struct, frozen=True):
    """Where a component came from when the model was saved."""

    kind: str
    distribution: str
    version: str


def sources(component: Component) -> Iterator[tuple[str, Source]]:
    """The qualified names of a component and of those in its settings, however deep, with where they come from."""
    kinds = current().kinds
    yield _source(kinds[component.kind].info_of(component))
    values: list[Any] = [*vars(component).values()]
    if isinstance(component, Layer) and component.activation is not None:  # it may be text, of any annotation
        values.append(spec.make("activation", component.activation))
    while values:
        value = values.pop()
        if isinstance(value, Component):
            yield from sources(value)
        elif isinstance(value, Mapping):
            values += value.values()
            made = str(value.get("type"))  # a table where any value may stand, as it comes from a file
            yield from (_source(each.info(made)) for each in kinds.values() if "/" in made and made in each)
        elif isinstance(value, (tuple, list)):
            values += value


def _source(info: Info) -> tuple[str, Source]:
    return info.qualified, Source(info.kind, info.distribution, info.version)


def refuse_odd(components: Mapping[str, Source]) -> None:
    """Raise `ValueError` for names and versions that no package has: they would be printed, and pasted into a shell."""
    rules = {
        "component": rf"{DIST}/{NAME}",
        "kind": NAME,
        "distribution": DIST,
        "version": r"(?:[A-Za-z0-9][A-Za-z0-9.!+_-]*)?",
    }
    for name, source in components.items():
        for what, value in {"component": name, **msgspec.structs.asdict(source)}.items():
            if not re.fullmatch(rules[what], value) or (not value and source.distribution != RUN_TIME):
                raise ValueError(f"components: {what}: a name or a version of a package is needed, got {value[:99]!r}")


def absent(components: Mapping[str, Source], tables: Sequence[Any]) -> str:
    """The first component that is not here, with what to install; empty when all are. tables: the components of a file
    as it describes them."""
    for name, source in components.items():
        lookup: Mapping[str, Any] = current().kinds.get(source.kind, {})
        if name not in lookup:
            return f"{source.kind} {name} is not available: {_remedy(name, source)}"
    for name in types([*tables]):  # somebody may have emptied the list of components
        if re.fullmatch(rf"{DIST}/{NAME}", name) and not any(name in lookup for lookup in current().kinds.values()):
            return (
                f"component {name} is not available: {_remedy(name, Source('component', name.partition('/')[0], ''))}"
            )
    return ""


def types(values: list[Any]) -> Iterator[str]:
    """The names of components in tables, however deep."""
    while values:
        value = values.pop()
        if isinstance(value, Mapping):
            values += value.values()
            yield from [value["type"]] if isinstance(value.get("type"), str) else []
        elif isinstance(value, list):
            values += value


def changes(components: Mapping[str, Source], what: str = "the model was saved") -> list[tuple[str, str, str]]:
    """Every distribution that is here in another version than what was saved or begun with: (name, saved version,
    words)."""
    found = {}
    for name, source in components.items():
        lookup = current().kinds.get(source.kind)
        now = source.version if lookup is None or name not in lookup else lookup.info(name).version
        if now != source.version:
            said = f"{source.distribution} {now} is installed, {what} with {source.version}"
            found[source.distribution] = (source.distribution, source.version, said)
    return list(found.values())


def _remedy(name: str, source: Source) -> str:
    if source.distribution == RUN_TIME:
        return "it was registered by hand in the program that saved the model; register it again"
    command = f"pip install '{source.distribution}{f'=={source.version}' if source.version else ''}'"
    rows = [row for row in current().plugins() if normal(row.distribution) == normal(source.distribution)]
    hurt: list[Plugin] = [row for row in rows if row.status != "ok"]
    if hurt:
        remedy = "" if hurt[0].status == "blocked" else f"; {command}"
        return f"{source.distribution} {hurt[0].version} is {hurt[0].status}: {hurt[0].reason}{remedy}"
    if rows:
        saved = (
            f"the model was saved with {source.distribution} {source.version}, "
            if source.version
            else f"{source.distribution} "
        )
        return f"{saved}{rows[0].version} has no such name: {command}"
    return command
