"""`netkit list-plugins` and `netkit show`: what there is, and where it came from."""

from __future__ import annotations

import inspect
import json
from contextlib import suppress
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from netkit import spec
from netkit.cli.options import completed
from netkit.cli.terminal import say, table
from netkit.errors import DataError, PluginError, UnknownComponent, nearest
from netkit.kinds import KINDS, Component
from netkit.registry import Info, current
from netkit.registry.discovery import Plugin, normal
from netkit.registry.guard import printable
from netkit.registry.source import doc_of
from netkit.spec import hints

__all__ = ["list_plugins", "names", "show", "shown"]

SCHEMA = 1
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@click.command("list-plugins")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only components of this kind.")
@click.option("--plugin", metavar="DISTRIBUTION", help="Only this distribution.")
@click.option("--json", "as_json", is_flag=True, help="Every plugin with its components, as JSON.")
@click.option("--requirements", is_flag=True, help="Lines for pip: every distribution with its version.")
@click.option("--no-import", is_flag=True, help="Say what is installed without importing any plugin.")
def list_plugins(kind: str | None, plugin: str | None, as_json: bool, requirements: bool, no_import: bool) -> None:
    """List every component, what it is, and the distribution that it comes from."""
    plugins = [row for row in current().plugins(load=not (no_import or requirements)) if _is(plugin, row)]
    if plugin and not plugins:
        raise PluginError(f"list-plugins: no plugin of a distribution {plugin!r} is installed")
    if requirements:
        click.echo("\n".join(sorted({f"{row.distribution}=={row.version}" for row in plugins})))
        return
    infos = (
        []
        if no_import
        else [i for name in KINDS if kind in (None, name) for i in current().kinds[name].infos() if _is(plugin, i)]
    )
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "plugins": [_plugin_row(row, infos) for row in plugins]}, indent=2))
        return
    if infos:
        table([(i.kind, shown(i), _what(i), f"{i.distribution} {i.version}".strip()) for i in infos])
    for row in plugins:
        if no_import or row.reason:
            say(row.line)
    if not infos and not no_import:
        click.echo(f"no {KINDS[kind].plural if kind else 'components'} are registered", err=True)


def _is(distribution: str | None, row: Plugin | Info) -> bool:
    return distribution is None or normal(row.distribution) == normal(distribution)


def _plugin_row(plugin: Any, infos: list[Info]) -> dict[str, Any]:
    mine = [i for i in infos if (i.distribution, i.entry_point) == (plugin.distribution, plugin.entry_point)]
    components = [
        {"kind": i.kind, "name": i.name, "qualified": i.qualified, "summary": i.summary, "derived": i.derived}
        for i in mine
    ]
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.entry_point,
        "status": plugin.status,
        "reason": plugin.reason,
        "location": plugin.location,
        "components": components,
    }


def _what(info: Info) -> str:
    return f"(derived gradient) {info.summary}" if info.derived else info.summary


def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Every component's name, for completion."""
    return completed(ctx, incomplete, KINDS)


def shown(info: Info) -> str:
    """The name to call a component by: qualified where its bare name is in dispute."""
    lookup = current().kinds[info.kind]
    return info.name if info.name in lookup and lookup.info(info.name) == info else info.qualified


@click.command()
@click.argument("name", shell_complete=names)
@click.option("--json", "as_json", is_flag=True, help="A JSON list: where it comes from, its file, settings and rules.")
@click.option("--source", is_flag=True, help="Its source lines.")
def show(name: str, as_json: bool, source: bool) -> None:
    """Explain one component: its mathematics, settings with defaults, and where it comes from."""
    lookups, disputes = [], []
    for lookup in current().kinds.values():
        with suppress(UnknownComponent):
            try:
                lookup.info(name)
                lookups.append(lookup)
            except PluginError as error:
                disputes.append(error)
    if disputes and not lookups:
        raise disputes[0]
    if not lookups:
        every = [each for lookup in current().kinds.values() for each in lookup]
        raise UnknownComponent(f"no component is called {name!r}{nearest(name, every)}")
    if as_json:
        click.echo(json.dumps([_about(lookup.info(name), lookup[name]) for lookup in lookups], indent=2))
        return
    for number, lookup in enumerate(lookups):
        click.echo("\n" * bool(number), nl=False)
        (_show_source if source else _show)(lookup.info(name), lookup[name])


def _show_source(info: Info, component: type[Component]) -> None:
    """The lines as they stand in the file: what may be copied is not wrapped."""
    try:
        lines, first = inspect.getsourcelines(component)
    except (OSError, TypeError):
        raise DataError(f"show: {info.qualified} was written in a session, there is no source of it") from None
    click.echo(f"# {printable(str(inspect.getsourcefile(component)), None)}:{first}")
    for line in lines:
        click.echo(printable(line.rstrip("\n").expandtabs(4), None, keep_spaces=True))


def _about(info: Info, component: type[Component]) -> dict[str, Any]:
    settings = {
        field.name: {
            "rule": _rule(hints(component)[field.name]),
            "required": _default(field) is MISSING,
            "default": None if _default(field) is MISSING else str(_default(field)),
        }
        for field in fields(component)
    }
    place: dict[str, Any] = {"file": None, "line": None}
    with suppress(OSError, TypeError):  # written in a session: there is no file
        place = {"file": inspect.getsourcefile(component), "line": inspect.getsourcelines(component)[1]}
    return {
        "kind": info.kind,
        "name": info.name,
        "qualified": info.qualified,
        "aliases": list(info.aliases),
        "distribution": info.distribution,
        "version": info.version,
        "doc": doc_of(component),
        "derived": info.derived,
        **place,
        "says": _says(info.kind, component),
        "settings": settings,
    }


def _says(kind: str, component: type[Component]) -> dict[str, Any]:
    """What a class says of itself in the words of its kind, such as its task, its learning rate or the files that it
    reads; without the no that any class of the kind would say."""
    base, own = KINDS[kind], {field.name for field in fields(component)}
    names = [
        name for name, hint in inspect.get_annotations(base).items() if "ClassVar" in str(hint) and name not in own
    ]
    said = {name: getattr(component, name) for name in names}
    return {n: each for n, each in said.items() if (each or each != getattr(base, n)) and not callable(each)}


def _show(info: Info, component: type[Component]) -> None:
    say(f"{info.kind} {info.name}, from {info.distribution} {info.version}".rstrip())
    about = _about(info, component)
    if info.aliases:
        say(f"also called {', '.join(info.aliases)}")
    if about["file"]:
        say(f"{about['file']}:{about['line']}")
    say(f"\n{doc_of(component) or 'No description.'}\n", indent=0)
    for name, value in about["says"].items():
        say(f"  {name}: {', '.join(map(str, value)) if isinstance(value, tuple) else value}")
    for field in fields(component):
        default = "(required)" if _default(field) is MISSING else f"= {_written(_default(field))}"
        say(f"  {field.name} {default}: {_rule(hints(component)[field.name])}")
    if not fields(component):
        click.echo("  no settings")
    if info.kind == "activation":
        _curve(next(iter(component.examples())))


def _written(default: Any) -> str:
    """A default as people write it."""
    return spec.text(default) if isinstance(default, Component) else repr(default)


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _rule(hint: Any) -> str:
    """What a setting may be, in words: `float, >= 0`."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_rule(each) for each in get_args(hint))
    if get_origin(hint) in (tuple, list):
        return f"list of ({_rule(get_args(hint)[0])})"
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) is not Annotated:
        return "None" if hint is NoneType else hint.__name__ if isinstance(hint, type) else str(hint)
    base, *metas = get_args(hint)
    limits = [
        f"{word} {getattr(meta, name)}"
        for meta in metas
        for name, word in LIMITS.items()
        if getattr(meta, name, None) is not None
    ]
    return ", ".join([_rule(base), *limits])


def _curve(activation: Any) -> None:
    """z, f(z), f'(z) for one value at a time; for functions of a whole row, each value beside a 0."""
    import torch

    row = activation.outputs == "simplex"
    click.echo(f"\n      z      f(z)     f'(z){'   (of the first of the two values z, 0)' if row else ''}")
    for value in (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0):
        z = torch.tensor([[value, 0.0] if row else [value]])
        grad = torch.tensor([[1.0, 0.0] if row else [1.0]])
        a = activation.forward(z)
        slope = activation.backward(grad, z, a)
        click.echo(f"{value:7.2f}  {float(a[0, 0]):8.4f}  {float(slope[0, 0]):8.4f}")
