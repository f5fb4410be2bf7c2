"""`--memory`: how much of it a run may take, and whether its table is read whole."""

from __future__ import annotations

import re
from typing import Any

import click

__all__ = ["PATTERN", "Memory", "settled"]

PATTERN = r"^\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]\s*$"
"""A number and a unit; with an i the unit is a power of 1024."""
UNITS = ("", "K", "M", "G", "T")
SHARE = 0.75
"""Of the memory that is available, what a run takes that was given no number: it is not alone."""


class Memory(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """Bytes: `512MB`, `1.5GB`, `800MiB`."""

    name = "memory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int) and not isinstance(value, bool):  # a checkpoint has the bytes
            return value
        found = re.match(PATTERN, value) if isinstance(value, str) else None
        if not found:
            self.fail(f"a size such as 512MB, 2GB or 800MiB is needed, got {value!r}", param, ctx)
        return int(float(found[1]) * (1024 if found[3] else 1000) ** UNITS.index(found[2].upper()))


def settled(data: str, options: dict[str, Any]) -> int | None:
    """The bytes that a run may take: as given, or, for a table that does not fit into what is available, most of that;
    None where the table is to be read whole."""
    from netkit.tables.memory import available, needed, size_text
    from netkit.tables.sources import Files

    if options["memory"] is not None:
        return int(options["memory"])
    need, free = needed(Files(data, options["separator"], options["decimal"]).paths), available()
    if need <= free:
        return None
    chosen = int(free * SHARE) // 10**7 * 10**7
    click.echo(
        f"note: {data}: takes about {size_text(need)} in memory, {size_text(free)} are available: streamed, as by "
        f"--memory {size_text(chosen)}",
        err=True,
    )
    return chosen
