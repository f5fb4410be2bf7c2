"""Whose a component is, as messages name it."""

from __future__ import annotations

from netkit.errors import UnknownComponent
from netkit.kinds import Component
from netkit.registry.info import RUN_TIME, Info
from netkit.registry.lookup import current

__all__ = ["is_stranger", "owner_of", "remedy"]


def is_stranger(component: type[Component]) -> bool:
    """Whether a class is not one of netkit's own components. Imports nothing."""
    return not current().kinds[component.kind].is_own(component)


def owner_of(component: type[Component]) -> str:
    """A class of components and the distribution that it is of, as a message names them."""
    info = _info(component)
    if info is None:
        return f"{component.kind} {component.__qualname__} (of {component.__module__})"
    where = "registered by hand" if info.distribution == RUN_TIME else f"{info.distribution} {info.version}"
    return f"{component.kind} {info.qualified} ({where})"


def remedy(component: type[Component]) -> str:
    """Where to look for more."""
    info = _info(component)
    if info is None:
        return f"netkit.testing.check({component.__qualname__}) tells more"
    by_hand = f"netkit.testing.check({info.name!r}) tells more"
    return by_hand if info.distribution == RUN_TIME else f"netkit check {info.qualified} tells more"


def _info(component: type[Component]) -> Info | None:
    try:
        return current().kinds[component.kind].info_of(component)
    except UnknownComponent:
        return None
