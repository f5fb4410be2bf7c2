"""Whose fault it is: what a component raises, in one line that names it and the distribution that it came in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netkit.errors import DataError, PluginError, UnknownComponent
from netkit.kinds import Component
from netkit.registry.guard import guarded, printable
from netkit.registry.lookup import current

__all__ = ["blaming", "in_full"]


@contextmanager
def blaming(component: Component, where: str) -> Iterator[None]:
    """What a component raises is a `PluginError` that says where, such as in which column, and whose it is. A
    `DataError` blames the data at that place; memory that runs out is nobody's fault."""
    try:
        with guarded():
            yield
    except PluginError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from None
        about = "" if isinstance(error.__cause__, DataError) else f"{component.kind} {in_full(component)}: "
        said = error.__cause__ if isinstance(error.__cause__, DataError) else error
        raise (PluginError if about else DataError)(printable(f"{where}: {about}{said}")) from error


def in_full(component: Component) -> str:
    """Its qualified name and its distribution with the version; its class where it was never registered."""
    try:
        info = current().kinds[component.kind].info_of(component)
    except UnknownComponent:
        return type(component).__name__
    return f"{info.qualified} ({info.distribution} {info.version})".replace(" )", ")")
