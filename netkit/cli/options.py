"""Values that options take: component texts with completion, and lists of layers."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from netkit.registry import Lookup

__all__ = ["Columns", "ComponentText", "Hidden", "Number", "Validation", "completed", "csv_options", "refuse_inputs"]


def completed(ctx: click.Context, incomplete: str, kinds: Iterable[str]) -> list[CompletionItem]:
    """The names that a word may become, without those of the plugins that `--no-plugin` before it leaves out."""
    from netkit.registry import Registry, current, using

    blocked = ctx.find_root().params.get("no_plugin") or ()
    with warnings.catch_warnings(), using(Registry(blocked=blocked) if blocked else current()) as registry:
        warnings.simplefilter("ignore")  # this is no time to speak
        found = [pair for kind in kinds for pair in _offered(registry.kinds[kind], incomplete)]
    return [CompletionItem(name, help=summary) for name, summary in found]


def _offered(lookup: Lookup, incomplete: str) -> Iterator[tuple[str, str]]:
    """Qualified names where a bare one is in dispute, or where a distribution has been written."""
    for shown, info in zip(list(lookup), lookup.infos(), strict=True):
        name = info.qualified if "/" in incomplete else shown
        if name.startswith(incomplete) or (name != info.name and info.name.startswith(incomplete)):
            yield name, info.summary or info.kind


class ComponentText(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """A component as text, or as a table where it comes from TOML. Completion imports no component, but it does import
    the plugins that announce no names."""

    def __init__(self, kind: str) -> None:
        self.name = self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, (str, Mapping)):
            self.fail(f"a name or a table is needed, got {value!r}", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return completed(ctx, incomplete, [self.kind])


class Hidden(click.ParamType):  # type: ignore[type-arg]
    """Hidden layers: numbers of units and layer texts, `64,32` or `64;dropout:rate=0.2;32`; in TOML also a list."""

    name = "layers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(";" if ";" in value or ":" in value else ",") if part.strip()]
        if isinstance(value, int):
            value = [value]
        if not isinstance(value, (list, tuple)):
            self.fail(f"layers read 64,32, got {value!r}", param, ctx)
        return [self._layer(part, param, ctx) for part in value]

    def _layer(self, part: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = int(part) if isinstance(part, str) and part.lstrip("-").isdigit() else part
        if isinstance(number, bool) or not isinstance(number, (int, str, Mapping)):
            self.fail(f"a number of units or a layer is needed, got {part!r}", param, ctx)
        if isinstance(number, int) and number < 1:
            self.fail(f"a layer has at least 1 unit, got {number}", param, ctx)
        return number


class Number(click.FloatRange):
    """A number in a range. nan is in none, but compares as if it were in all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = super().convert(value, param, ctx)
        except OverflowError:
            self.fail(f"a number of 64 bits is needed, got one of {len(str(value))} digits", param, ctx)
        if math.isnan(number):
            self.fail(f"a number is needed, got {value!r}", param, ctx)
        return number


class Columns(click.ParamType):  # type: ignore[type-arg]
    """What columns are, `zip=text,id=skip`; in TOML a table. Which words there are is for the preparation to say."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        pairs: Any = value
        if isinstance(value, str):
            pairs = dict(part.strip().rpartition("=")[::2] for part in value.split(",") if part.strip())
        if not isinstance(pairs, Mapping) or not all(name and isinstance(kind, str) for name, kind in pairs.items()):
            self.fail(f"columns read name=type,..., got {value!r}", param, ctx)
        return dict(pairs)


class Validation(click.ParamType):  # type: ignore[type-arg]
    """A share of the rows from 0 to below 1, or a table of its own."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or not str(value).strip():
            self.fail(f"a share of the rows or a file is needed, got {value!r}", param, ctx)
        try:
            float(value)
        except ValueError:
            return str(value)
        number: float = Number(0, 1, max_open=True).convert(value, param, ctx)
        return number


def refuse_inputs(outputs: Mapping[str, str | None], *inputs: Any) -> None:
    """Raise `SettingError` where a file that is to be written, by its option, is one that is to be read."""
    from netkit.errors import SettingError

    for option, path in outputs.items():
        for each in inputs:
            if path and isinstance(each, str) and os.path.realpath(path) == os.path.realpath(each):
                raise SettingError(f"{option}: another file than one that is read is needed, got {path!r}")


def csv_options(command: Any) -> Any:
    """Add the options that say how a CSV file is written."""
    separator = click.option(
        "--separator", metavar="CHARACTER", help="Between the columns of a CSV file; by default a comma."
    )
    decimal = click.option(
        "--decimal", default=".", show_default=True, metavar="CHARACTER", help="The decimal point of a CSV file."
    )
    return separator(decimal(command))
