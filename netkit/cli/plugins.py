"""`netkit list-plugins` and `netkit show`: what there is, and where it came from."""

from __future__ import annotations

import inspect
import json
from dataclasses import MISSING, fields
from typing import Any

import click
from click.shell_completion import CompletionItem

from netkit.errors import UnknownComponent, nearest
from netkit.kinds import KINDS, Component
from netkit.registry import Info, current

__all__ = ["list_plugins", "show"]

SCHEMA = 1


@click.command("list-plugins")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only components of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Every plugin with its components, as JSON.")
@click.option("--no-import", is_flag=True, help="Say what is installed without importing any plugin.")
def list_plugins(kind: str | None, as_json: bool, no_import: bool) -> None:
    """List every component, what it is, and the distribution that it comes from."""
    infos = [] if no_import else [i for name in KINDS if kind in (None, name) for i in current().kinds[name].infos()]
    rows = [_plugin_row(plugin, infos) for plugin in current().plugins(load=not no_import)]
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "plugins": rows}, indent=2))
        return
    _table([(i.kind, _shown(i), i.summary, f"{i.distribution} {i.version}".strip()) for i in infos])
    for row in rows:
        if no_import or row["status"] != "ok":
            line = f"{row['distribution']} {row['version']} ({row['entry_point']}): {row['status']}"
            click.echo(f"{line}: {row['reason']}" if row["reason"] else line)
    if not infos and not no_import:
        click.echo(f"no {KINDS[kind].plural if kind else 'components'} are registered", err=True)


def _plugin_row(plugin: Any, infos: list[Info]) -> dict[str, Any]:
    mine = [i for i in infos if (i.distribution, i.entry_point) == (plugin.distribution, plugin.entry_point)]
    components = [{"kind": i.kind, "name": i.name, "qualified": i.qualified, "summary": i.summary} for i in mine]
    return {
        "distribution": plugin.distribution, "version": plugin.version, "entry_point": plugin.entry_point,
        "status": plugin.status, "reason": plugin.reason, "components": components,
    }  # fmt: skip


def _shown(info: Info) -> str:
    lookup = current().kinds[info.kind]
    return info.name if info.name in lookup and lookup.info(info.name) == info else info.qualified


def _table(rows: list[tuple[str, ...]]) -> None:
    width = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for row in rows:
        cells = [row[0].ljust(width[0]), row[1].ljust(width[1]), row[2].ljust(width[2]), row[3]]
        click.echo("  ".join(cells).rstrip())


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    infos = [info for lookup in current().kinds.values() for info in lookup.infos()]
    return [CompletionItem(i.name, help=i.kind) for i in infos if i.name.startswith(incomplete)]


@click.command()
@click.argument("name", shell_complete=_names)
def show(name: str) -> None:
    """Explain one component: its mathematics, settings with defaults, and where it comes from."""
    lookups = [lookup for lookup in current().kinds.values() if name in lookup]
    if not lookups:
        every = [each for lookup in current().kinds.values() for each in lookup]
        raise UnknownComponent(f"no component is called {name!r}{nearest(name, every)}")
    for number, lookup in enumerate(lookups):
        click.echo("\n" * bool(number), nl=False)
        _show(lookup.info(name), lookup[name])


def _show(info: Info, component: type[Component]) -> None:
    click.echo(f"{info.kind} {info.name}, from {info.distribution} {info.version}".rstrip())
    click.echo(f"\n{inspect.cleandoc(component.__doc__ or 'No description.')}\n")
    for field in fields(component):
        default = "required" if field.default is MISSING else repr(field.default)
        click.echo(f"  {field.name}: {_annotation(field.type)} = {default}")
    if not fields(component):
        click.echo("  no settings")
    if info.kind == "activation":
        _curve(next(iter(component.examples())))


def _annotation(given: Any) -> str:
    return given if isinstance(given, str) else getattr(given, "__name__", str(given))


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
