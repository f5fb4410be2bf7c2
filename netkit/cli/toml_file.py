"""A TOML file with the options of `train`: read, and checked whole, so that every mistake is told at once with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from netkit.cli.options import ComponentText, Hidden
from netkit.errors import DataError, NetkitError, PluginError, SettingError, nearest
from netkit.registry import Registry, using
from netkit.registry.discovery import applies

__all__ = ["PLAIN", "Plugins", "apply_plugins", "check", "loaded", "options_of", "problems", "read_config"]

PLAIN: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "integer": ("integer", int),
    "float": ("number", (int, float)),
    "boolean": ("boolean", bool),
    "text": ("string", str),
    "choice": ("string", str),
}
"""For the first word of each plain option type: what JSON Schema calls it, and what TOML reads it as."""


class Plugins(msgspec.Struct, forbid_unknown_fields=True):
    """The table [plugins] of a configuration."""

    require: list[str] = []
    """Requirements as pip writes them; all must be met before anything else is read."""
    prefer: list[str] = []
    """Distributions that a name in dispute goes to."""
    disable: list[str] = []
    """Plugins to leave out, by distribution or entry point."""


def read_config(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
    """Make every key of a TOML file for `train` the default of the option of that name, so options given beside it win."""
    if path is None:
        return None
    config = loaded(path)
    plugins = config.get("plugins", {})
    bad = {key for key, _ in _plugin_problems(plugins)}
    if "" not in bad:
        apply_plugins(ctx, path, {key: value for key, value in plugins.items() if key not in bad})
    from netkit.cli.train import train

    check(path, config, options_of(train))
    config.pop("plugins", None)
    ctx.default_map = {**(ctx.default_map or {}), **config}
    return path


def loaded(path: str) -> dict[str, Any]:
    """What a TOML file says. Raises `DataError`, `SettingError`."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except RecursionError:
        raise SettingError(f"{path}: not TOML: brackets are nested too deeply") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not TOML: {error}") from None


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options that a configuration may set, by name."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    return {str(option.name): option for option in options if option.name not in ("config", "resume", "help")}


def check(path: str, config: Mapping[str, Any], options: Mapping[str, click.Option]) -> None:
    """Raise `SettingError` with every mistake in a configuration: its line, where it stands, the rule and the value."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    wrong = []
    for key, value in config.items():
        if key == "plugins":
            wrong += [
                f"line {_line(lines, key, None, word)}: plugins: {said}" for word, said in _plugin_problems(value)
            ]
        elif key not in options:
            wrong.append(f"line {_line(lines, key)}: there is no setting {key!r}{nearest(key, [*options, 'plugins'])}")
        else:
            for number, said in problems(options[key], value):
                where = key if number is None else f"{key}[{number}]"
                wrong.append(f"line {_line(lines, key, number, said)}: {where}: {said}")
    if wrong:
        raise SettingError(f"{path}: {'; '.join(wrong)}")


def _plugin_problems(table: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with the table [plugins]: the key it is in, and the rule that it breaks."""
    if not isinstance(table, Mapping):
        yield "", f"a table is needed, got {table!r}"
        return
    known = Plugins.__struct_fields__
    for key, value in table.items():
        if key not in known:
            yield key, f"there is no setting {key!r}{nearest(key, known) or '; it has ' + ', '.join(known)}"
        elif not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            yield key, f"{key}: a list of texts is needed, got {value!r}"
        elif key == "require":
            for each in value:
                try:
                    Requirement(each)
                except InvalidRequirement:
                    yield key, f"{key}: a requirement as pip writes it is needed, got {each!r}"


def problems(option: click.Option, value: Any) -> Iterator[tuple[int | None, str]]:
    """What is wrong with a value: the number of the item it is in, if it is a list, and the rule that it breaks."""
    if option.multiple and not isinstance(value, list):
        yield None, f"a list is needed, got {value!r}"
    elif option.multiple or (isinstance(option.type, Hidden) and isinstance(value, list)):
        for number, item in enumerate(value):
            if said := _broken(option, [item] if isinstance(option.type, Hidden) else item):
                yield number, said
    elif said := _broken(option, value):
        yield None, said


def _broken(option: click.Option, value: Any) -> str:
    """The rule that one value breaks, or nothing."""
    from netkit import spec

    wanted = PLAIN.get(option.type.name.split()[0])
    if wanted and (not isinstance(value, wanted[1]) or isinstance(value, bool) != (wanted[1] is bool)):
        return f"expected `{wanted[0]}`, got {value!r}"
    try:
        made = option.type.convert(value, None, None)
        if isinstance(option.type, ComponentText):
            spec.make(option.type.kind, made)
        elif isinstance(option.type, Hidden):
            [spec.make("layer", part) for part in made if not isinstance(part, int)]
    except click.BadParameter as error:
        return error.message.rstrip(".")
    except NetkitError as error:
        return str(error)
    return ""


def _line(lines: list[str], key: str, number: int | None = None, said: str = "") -> int:
    """The line of a key, or of the item of that number behind it; in a table of several lines, that of the setting
    which a message speaks of. TOML's own reader keeps no lines."""
    opening = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=\].]""")
    starts = [place for place, line in enumerate(lines) if opening.match(line)] or [0]
    number = number or 0
    start = (
        starts[number] if number < len(starts) else _item(lines, starts[0], number)
    )  # [[key]] stands before each item
    words = re.findall(r"\w+", said)
    table = range(start + 1, len(lines)) if lines[start].lstrip().startswith("[") else ()
    for place in table:
        setting = re.match(r"\s*(\w+)\s*=", lines[place])
        if setting and setting[1] in words:
            return place + 1
        if lines[place].lstrip().startswith("["):
            break
    return start + 1


def _item(lines: list[str], start: int, number: int) -> int:
    """The line on which the item of that number begins, in the list that opens on the line `start`."""
    depth = items = 0
    fresh = False
    for place in range(start, len(lines)):
        text = lines[place].partition("=")[2] if place == start else lines[place]
        for token in re.findall(r"""#.*|"(?:\\.|[^"\\])*"|'[^']*'|[\[\]{},]|[^\s\[\]{},#"']+""", text):
            if token.startswith("#"):
                continue
            if fresh and items == number:
                return place
            items, fresh = items + fresh, False
            depth += (token in "[{") - (token in "]}")
            fresh = depth == 1 and token in "[,"
    return start


def apply_plugins(ctx: click.Context, path: str, table: Any) -> None:
    """Check what a configuration requires, and use a registry that follows the rest. Raises `PluginError`."""
    rules = msgspec.convert(table, Plugins)
    ctx.find_root().meta["netkit.plugins"] = dict(table)
    needed = [needs for line in rules.require if applies(needs := Requirement(line))]
    if missing := [said for needs in needed if (said := _unmet(needs))]:
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
