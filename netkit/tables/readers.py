"""Which reader a file or a URI gets: by its suffix or scheme, netkit's own first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from netkit import spec
from netkit.errors import DataError, PluginError, UnknownComponent, nearest
from netkit.files.places import scheme, suffix
from netkit.kinds import Reader
from netkit.registry import current
from netkit.registry.discovery import normal
from netkit.registry.guard import guarded
from netkit.registry.info import Info
from netkit.registry.owner import is_stranger, owner_of
from netkit.tables.readable import Readable

__all__ = ["Readers"]


class Readers:
    """The readers that there are. No stranger is imported for what one of netkit's own has.

    given: one that is asked first, and that takes what nobody has. settings: for the readers that have settings of
    these names; None is none.
    """

    def __init__(self, given: Reader | None = None, settings: Mapping[str, Any] | None = None) -> None:
        self._given = given
        self._settings = {name: value for name, value in (settings or {}).items() if value is not None}
        self._found: dict[str, Readable] = {}  # by suffix or scheme

    def of(self, where: str) -> Readable:
        """A path or a URI with its reader; netkit's first takes a suffix that nobody has. Raises `DataError` for a
        scheme that nobody has, and `PluginError` where two have it."""
        name = scheme(where)
        mark = f"{name}://" if name else suffix(where)
        if mark not in self._found:
            self._found[mark] = self._readable(where, mark)
        return replace(self._found[mark], where=where)

    @property
    def suffixes(self) -> list[str]:
        """Of all readers."""
        return [each for each in _all_marks() if not each.endswith("://")]

    def _readable(self, where: str, mark: str) -> Readable:
        known = self._having(mark)
        reader, hint = known or self._given, ""
        if reader is None:
            hint = _nobody(mark) if mark else ""
            if mark.endswith("://"):
                raise DataError(f"{where}: cannot be read: {hint}")
            reader = spec.make("reader", current().readers.first())
        stranger = owner_of(type(reader)) if is_stranger(type(reader)) else ""
        return Readable(where, self._set(reader), stranger, known is not None, hint)

    def _having(self, mark: str) -> Reader | None:
        has = _has(mark)
        if self._given is not None and has(type(self._given)):
            return self._given
        if not mark:
            return None
        with suppress(UnknownComponent):
            own: Reader = spec.make("reader", current().readers.first(has))
            return own
        found = [info for info, reader in _every() if isinstance(reader, type) and has(reader)]
        for distribution in current().preferred:
            found = [info for info in found if normal(info.distribution) == distribution] or found
        if len(found) > 1:
            raise PluginError(f"reader: {mark} is in dispute: choose {' or '.join(info.qualified for info in found)}")
        return spec.make("reader", found[0].qualified) if found else None

    def _set(self, reader: Reader) -> Reader:
        known = {field.name for field in fields(reader)}
        values = {name: value for name, value in self._settings.items() if name in known}
        made: Reader = spec.make("reader", replace(reader, **values)) if values else reader
        return made


def _has(mark: str) -> Callable[[type[Reader]], bool]:
    """Whether a reader has this suffix or scheme."""
    return lambda reader: mark in _marks(reader)


def _marks(reader: type[Reader]) -> list[str]:
    """The suffixes and schemes of a reader; a stranger's may be anything."""
    with suppress(PluginError), guarded():
        return [*reader.suffixes, *(f"{each}://" for each in reader.schemes)]
    return []


def _every() -> Iterator[tuple[Info, type[Reader] | PluginError]]:
    """All readers, those of strangers imported, or why they cannot be."""
    for info in current().readers.infos():
        try:
            yield info, current().readers[info.qualified]
        except PluginError as error:
            yield info, error


def _all_marks() -> list[str]:
    """The suffixes and schemes of all readers that can be imported."""
    return list(dict.fromkeys(each for _, reader in _every() if isinstance(reader, type) for each in _marks(reader)))


def _nobody(mark: str) -> str:
    """That no reader has a suffix or scheme, which there are, and who might have it."""
    alike = [each for each in _all_marks() if each.endswith("://") == mark.endswith("://")]
    there = f"; there are {', '.join(alike)}" if alike else "; there is none for a URI"
    close = nearest(mark.rstrip(":/"), [each.rstrip(":/") for each in alike])
    plugins = [row for row in current().plugins() if not row.announced or "readers" in row.announced]
    absent = [f"{row.distribution} is {row.status}: {row.reason}" for row in plugins if row.status != "ok"]
    absent += [str(reader) for _, reader in _every() if isinstance(reader, PluginError)]
    return "; ".join([f"no reader has {mark}{close or there}", *absent])
