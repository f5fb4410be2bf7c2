"""What is promised of every component: its settings, and a docstring."""

from __future__ import annotations

from inspect import get_annotations
from typing import Any

from netkit import spec
from netkit.errors import UnknownComponent
from netkit.kinds import KINDS, Component
from netkit.registry.source import doc_of
from netkit.testing.comparing import need

__all__ = ["EVERY"]

BASES = (Component, *KINDS.values())


def settings(component: Component) -> float:
    """what a class annotates is a setting; settings survive text and tables, and make an equal component again"""
    _decorated(component)
    for form in _forms(component):
        again = spec.make(component.kind, form)
        need(again == component and _hash(again) == _hash(component), f"{form} makes {again!r}, not {component!r}")
    return 0.0


def _hash(component: Component) -> int:
    """Its hash; 0 where a setting is a list or a dictionary, which have none."""
    try:
        return hash(component)
    except TypeError:
        return 0


def _forms(component: Component) -> list[Any]:
    """What `spec.make` should turn into an equal component; itself where it, or a part, has no name yet."""
    try:
        return [spec.text(component), spec.table(component)]
    except UnknownComponent:
        return [component]


def explained(component: Component) -> float:
    """it has a docstring of its own"""
    need(doc_of(type(component)).strip(), "a docstring is needed: one line of mathematics")
    return 0.0


def _decorated(component: Component) -> None:
    for owner in type(component).__mro__:
        if owner not in BASES and issubclass(owner, Component) and "__dataclass_fields__" not in vars(owner):
            names = [name for name, hint in get_annotations(owner).items() if "ClassVar" not in str(hint)]
            need(
                not names,
                f"{', '.join(names)}: no setting, since @dataclass(frozen=True) is missing above {owner.__name__}",
            )


EVERY = [settings, explained]
