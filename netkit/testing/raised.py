"""What a component raises while it is checked, told so that its author sees where and on what."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

from torch import Tensor

from netkit.registry.guard import cause

__all__ = ["told"]

KEEPS = "a component keeps nothing: backward is given all it needs, a layer hands it on as `saved`"


def told(error: BaseException, component: Any) -> str:
    """The exception, the method that raised it with its line, and the shapes of the tensors that it was given."""
    owners = getattr(component, "__mro__", type(component).__mro__)
    homes = {each.__module__ for each in owners if each.__module__.partition(".")[0] != "netkit"}
    frames = (each for each in walk_tb(error.__traceback__) if each[0].f_globals.get("__name__") in homes)
    place = next((_place(frame, line) for frame, line in frames if frame.f_code.co_filename[0] != "<"), "")
    return f"{cause(error)}{f': {KEEPS}' if isinstance(error, FrozenInstanceError) else ''}{place}"


def _place(frame: FrameType, line: int) -> str:
    code = frame.f_code
    given = {name: frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]}
    shapes = {name: tuple(each.shape) for name, each in given.items() if isinstance(each, Tensor)}
    of = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    none = ": netkit tries 0 rows as well" if any(shape[:1] == (0,) for shape in shapes.values()) else ""
    return f" ({code.co_name}, line {line} of {Path(code.co_filename).name}{f', given {of}' if of else ''}{none})"
