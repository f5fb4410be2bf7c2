"""Where promises are tried: possible kinks, other settings, and what float32 can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.errors import ShapeError
from netkit.kinds import Activation, Component

__all__ = ["LARGE", "LARGEST", "OUTPUTS", "TASKS", "fits", "other_settings", "places", "representable"]

OUTPUTS, TASKS = ("real", "unit", "simplex"), ("binary", "multiclass", "regression")
"""The words of `Activation.outputs` and `Loss.task`."""
LARGEST = torch.finfo(torch.float32).max
LARGE = LARGEST / 1000
"""From here on a sum or product on the way may be too large for float32."""


def fits(component: Activation, shape: tuple[int, ...]) -> bool:
    """Whether the activation accepts rows of this shape."""
    try:
        component.check(shape)
    except ShapeError:
        return False
    return True


def places(component: Any) -> list[float]:
    """Where a function may have a kink: whole and half numbers, and every number among its settings."""
    values = [getattr(component, field.name) for field in fields(component)]
    own = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return [each / 2 for each in range(-14, 15)] + [s * each for each in own for s in (1, -1)]


def other_settings(component: Component) -> Iterator[Any]:
    """The component with each of its numbers changed in turn, where its own rules accept that."""
    for field in fields(component):
        value = getattr(component, field.name)
        if field.init and isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                yield spec.make(component.kind, replace(component, **{field.name: round(0.7 * value + 0.1, 6)}))
            except Exception:  # its rules, or its own __post_init__
                continue


def representable(got: Tensor, wanted: Tensor) -> Tensor:
    """What is wanted of float32: infinite beyond its largest number, and allowed to be so shortly before it."""
    endless = wanted.sign() * torch.inf
    return torch.where((wanted.abs() > LARGEST) | (got == endless) & (wanted.abs() > LARGE), endless, wanted)
