"""Values that options take: component texts with completion, lists of layers, and a TOML file with all of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem
from packaging.requirements import InvalidRequirement, Requirement

from netkit.errors import DataError, PluginError, SettingError, nearest
from netkit.registry import Registry, using

__all__ = ["Columns", "ComponentText", "Hidden", "Plugins", "check_keys", "csv_options", "loaded", "read_config"]


class ComponentText(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """A component as text, or as a table where it comes from TOML; its names are completed without importing any."""

    def __init__(self, kind: str) -> None:
        self.name = self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, (str, Mapping)):
            self.fail(f"a name or a table is needed, got {value!r}", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from netkit.registry import current

        infos = current().kinds[self.kind].infos()
        return [CompletionItem(i.name, help=i.summary) for i in infos if i.name.startswith(incomplete)]


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


def csv_options(command: Any) -> Any:
    """Add the options that say how a CSV file is written."""
    separator = click.option("--separator", metavar="CHARACTER", help="Between the columns of a CSV file; by default a comma.")
    decimal = click.option("--decimal", default=".", show_default=True, metavar="CHARACTER", help="The decimal point of a CSV file.")
    return separator(decimal(command))


class Plugins(msgspec.Struct, forbid_unknown_fields=True):
    """The table [plugins] of a configuration."""

    require: list[str] = []
    """Requirements as pip writes them; all must be met before anything else is read."""
    prefer: list[str] = []
    """Distributions that a name in dispute goes to."""
    disable: list[str] = []
    """Plugins to leave out, by distribution or entry point."""


def apply_plugins(ctx: click.Context, path: str, table: Any) -> None:
    """Check what a configuration requires, and use a registry that follows the rest. Raises `SettingError`, `PluginError`."""
    try:
        rules = msgspec.convert(table, Plugins)
        missing = [said for line in rules.require if (said := _unmet(Requirement(line)))]
    except (msgspec.ValidationError, InvalidRequirement) as error:
        raise SettingError(f"{path}: plugins: {' '.join(str(error).split())}") from None
    if missing:
        raise PluginError(f"{path}: plugins: {'; '.join(missing)}")
    if rules.prefer or rules.disable:
        root = ctx.find_root()
        blocked = [*rules.disable, *root.params.get("no_plugin", ())]
        root.with_resource(using(Registry(blocked=blocked, preferred=rules.prefer)))


def _unmet(needs: Requirement) -> str:
    try:
        installed = metadata.version(needs.name)
    except metadata.PackageNotFoundError:
        return f"{needs} is not installed: pip install '{needs}'"
    fine = needs.specifier.contains(installed, prereleases=True)
    return "" if fine else f"{needs} is needed, {installed} is installed: pip install '{needs}'"


def _line_of(path: str, key: str) -> int:
    """The first line of a TOML file that sets a key or opens its table."""
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=\].]""")
    with open(path, encoding="utf-8") as file:
        return next((number for number, line in enumerate(file, 1) if pattern.match(line)), 1)


def read_config(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
    """Make every key of a TOML file for `train` the default of the option of that name, so options given beside it win."""
    if path is None:
        return None
    config = loaded(path)
    apply_plugins(ctx, path, config.pop("plugins", {}))
    from netkit.cli.train import train

    known = [str(option.name) for option in train.params if isinstance(option, click.Option)]
    check_keys(path, config, [name for name in known if name not in ("config", "help")])
    ctx.default_map = {**(ctx.default_map or {}), **config}
    return path


def loaded(path: str) -> dict[str, Any]:
    """What a TOML file says. Raises `DataError`, `SettingError`."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingError(f"{path}: not TOML: {error}") from None


def check_keys(path: str, config: Mapping[str, Any], known: list[str]) -> None:
    """Raise `SettingError` with every key that is not known, and its line."""
    if wrong := [key for key in config if key not in known]:
        found = [f"line {_line_of(path, key)}: there is no setting {key!r}{nearest(key, [*known, 'plugins'])}" for key in wrong]
        raise SettingError(f"{path}: {'; '.join(found)}")
