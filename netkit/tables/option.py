"""What people write for a setting of training, and what a setting is to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from netkit import spec
from netkit.errors import SettingError
from netkit.kinds import Component, Layer

__all__ = [
    "INTERVAL",
    "Option",
    "columns",
    "every",
    "hidden",
    "memory",
    "path",
    "schedules",
    "several",
    "test",
    "validation",
]

SIZE = r"^\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kKmMgGtT]?)(i?)[bB]\s*$"
"""Bytes: a number and a unit; with an i the unit is a power of 1024."""
INTERVAL = r"^\s*([1-9]\d{0,8})\s*(s|min|h|)\s*$"
"""So many seconds, minutes or hours; without a unit, epochs."""

Units = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1)]
Hidden = tuple[Units | Layer, ...]
Bytes = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=SIZE)]
Interval = Units | Annotated[str, Meta(pattern=INTERVAL)]


@dataclass(frozen=True)
class Option:
    """What a setting is to people: its help, what stands for its value, and how else it may be written."""

    help: str
    metavar: str = ""
    reader: Callable[[Any], Any] | None = None
    """Makes the value of what people write. Raises `SettingError` with the rule."""
    accepts: Any = None
    """The type of what they write, where it is another than the value's."""
    free: bool = False
    """Whether it may differ when a run is resumed; all else would make it another run."""
    model: bool = False
    """Whether it says what the model is: one that is trained on keeps it."""
    path: bool = False
    """Whether it may name a file or a folder."""
    heading: str = ""
    """What it stands under in the help, and those after it."""
    offered: bool = True
    """Whether the command has an option for it that its help shows."""


def hidden(value: Any) -> Any:
    """Numbers of units and layers, from text such as `64,32` or `64;dropout:rate=0.2`. Raises `SettingError`."""
    if isinstance(value, str):
        if ":" in value and ";" not in value and re.match(r"\s*\d+\s*,|\w+\s*,", value):
            raise SettingError(f"layers with settings are separated by ;, as in 64;dropout:rate=0.2, got {value!r}")
        parts = [part.strip() for part in value.split(";" if ";" in value or ":" in value else ",")]
        if any(re.match(r"\d+\s*[^\d\s/;,]|\d+\s+\d", part) and "/" not in part for part in parts):
            raise SettingError(f"units separated by commas, such as 64,32, are needed, got {value!r}")
        value = [int(part) if re.fullmatch("-?[0-9]{1,99}", part) else part for part in parts if part]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise SettingError(f"layers read 64,32, got {value!r}")
    for number, part in enumerate(value):
        if isinstance(part, bool) or not isinstance(part, (Integral, str, Mapping, Layer)):
            raise SettingError(f"[{number}]: a number of units or a layer is needed, got {part!r}")
        if isinstance(part, Integral) and int(part) < 1:
            raise SettingError(f"[{number}]: a layer has at least 1 unit, got {part}")
    return tuple(value)


def path(value: Any) -> Any:
    """A path as text."""
    return str(value) if isinstance(value, Path) else value


def columns(value: Any) -> Any:
    """By the name of a column its encoder, or that it is left out. Raises `SettingError`."""
    from netkit.tables.encoders import column_types  # it needs pyarrow, and the help of a command does not

    return column_types(value)


def _held_out(name: str, value: Any) -> Any:
    """A share of the rows, or a table. Raises `SettingError`."""
    if isinstance(value, bool) or (isinstance(value, str) and not value.strip()):
        raise SettingError(f"a share of the rows or a table is needed, got {value!r}")
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return value  # a path
    return spec.setting(name, Share, number) if isinstance(number, Real) else path(value)


validation, test = partial(_held_out, "validation"), partial(_held_out, "test")


def memory(value: Any) -> Any:
    """Bytes, from text such as 2GB. Raises `SettingError`."""
    found = re.match(SIZE, value) if isinstance(value, str) else None
    if found:
        return int(float(found[1]) * (1024 if found[3] else 1000) ** "_KMGT".index(found[2].upper() or "_"))
    if isinstance(value, int) and not isinstance(value, bool):  # a checkpoint has the bytes
        return value
    raise SettingError(f"a size such as 512MB, 2GB or 800MiB is needed, got {value!r}")


def every(value: Any) -> Any:
    """An interval as text. Raises `SettingError`."""
    text = "" if isinstance(value, bool) else str(value).strip()
    if not re.match(INTERVAL, text):
        raise SettingError(f"30s, 5min, 2h or a number of epochs is needed, got {value!r}")
    return text


def several(value: Any) -> Any:
    """One or several, as a list."""
    return [value] if isinstance(value, (str, Mapping, Component)) else value


def schedules(value: Any) -> Any:
    """By the name of a number its schedule, from text such as `weight_decay=cosine;1.rate=step`. Raises
    `SettingError`."""
    if isinstance(value, str):
        pairs = [part.strip().partition("=") for part in value.split(";") if part.strip()]
        if not all(name and schedule for name, _, schedule in pairs):
            raise SettingError(f"name=schedule;... is needed, got {value!r}")
        value = {name.strip(): schedule for name, _, schedule in pairs}
    return value
