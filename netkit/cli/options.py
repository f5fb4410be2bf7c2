"""Options and values of the command line, made of the settings of `netkit.train`."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from netkit.errors import DataError, PluginError, SettingError

if TYPE_CHECKING:
    from netkit.registry import Lookup

__all__ = ["Grouped", "Value", "chosen", "completed", "configured", "setting_options"]


class Grouped(click.Command):
    """A command whose help has the settings under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all options."""
        from netkit.tables.settings import options

        groups: dict[str, list[tuple[str, str]]] = {}
        settings, heading = options(), ""
        for param in self.get_params(ctx):
            own = settings.get(param.name or "")
            heading = (own.heading or heading) if own else "Options"
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                groups.setdefault(heading, []).append(record)
        for title, records in sorted(groups.items(), key=lambda group: group[0] == "Options"):
            with formatter.section(title):
                formatter.write_dl(records)


def setting_options(*names: str) -> Callable[[Any], Any]:
    """Add the options of these settings to a command, or those of all that are offered."""
    from netkit.tables.settings import options

    def add(command: Any) -> Any:
        for name in reversed(names or [name for name, option in options().items() if name != "plugins"]):
            command = _option(name)(command)
        return command

    return add


def _option(name: str) -> Any:
    from netkit.tables.settings import Settings, hints, options

    option, hint = options()[name], get_args(hints()[name])[0]
    [default] = [each.default for each in fields(Settings) if each.name == name]
    shown = "" if default in (None, (), False, MISSING, "") else _shown(default)
    value = Value(name)
    about = f"{option.help}  [netkit list-plugins --kind {value.kind}]" if value.kind else option.help
    return click.option(
        f"--{name}",
        type=None if hint is bool else value,
        is_flag=hint is bool,
        multiple=get_origin(hint) is tuple and option.metavar == "",
        metavar=None if hint is bool else option.metavar or value.metavar,
        help=f"{about}  [default: {shown}]" if shown else about,
        hidden=not option.offered,
        default=None,
    )


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def chosen(ctx: click.Context, *left_out: str) -> dict[str, Any]:
    """The settings that somebody gave on the command line, without the parameters that are none."""
    given = {name: value for name, value in ctx.params.items() if name not in left_out}
    return {name: value for name, value in given.items() if ctx.get_parameter_source(name) != ParameterSource.DEFAULT}


def configured(path: str | None) -> dict[str, Any]:
    """The settings in a TOML file. Raises `DataError`, and `SettingError` with every mistake at once."""
    from netkit.registry.requirements import following
    from netkit.tables.settings import read, rules_in

    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            config = tomllib.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except RecursionError:
        raise SettingError(f"{path}: not TOML: brackets are nested too deeply") from None
    except ValueError as error:  # also of text that is not UTF-8, and of numbers with more digits than Python reads
        raise SettingError(f"{path}: not TOML: {error}") from None
    try:
        with following(rules_in(config)):
            _, wrong = read(config)
    except PluginError as error:  # what is required is not there
        wrong = [error]
    if wrong:
        kind = type(wrong[0]) if len(wrong) == 1 else SettingError
        raise kind(f"{path}: {'; '.join(map(str, wrong))}")
    return config


class Value(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """The value of a setting as text; what is wrong with it, the setting itself says. Completion imports no component,
    but it does import the plugins that announce no names."""

    name = "text"

    def __init__(self, setting: str) -> None:
        from netkit.tables.settings import kind_of

        self.setting, self.kind = setting, kind_of(setting)

    @property
    def metavar(self) -> str:
        """What stands for the value in the help."""
        from netkit.tables.settings import hints, parts

        words = {int: "INTEGER", float: "NUMBER"}
        for each in parts(hints()[self.setting]):
            if get_origin(each) is Literal:
                return f"[{'|'.join(get_args(each))}]"
        plain = [words[each] for each in parts(hints()[self.setting]) if each in words]
        return self.kind.upper() if self.kind else plain[0] if plain else "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from netkit.tables.settings import from_text

        return from_text(self.setting, value) if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from netkit.tables.settings import hints

        before, word = "", incomplete
        if get_origin(get_args(hints()[self.setting])[0]) is dict:  # name=component
            before, word = incomplete[: incomplete.rfind("=") + 1], incomplete[incomplete.rfind("=") + 1 :]
        found = completed(ctx, word, [self.kind]) if self.kind else []
        return [CompletionItem(f"{before}{each.value}", help=each.help) for each in found]


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
