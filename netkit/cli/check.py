"""`netkit check`: the promises of installed components."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import chain
from typing import Any

import click

from netkit.cli.plugins import names, shown
from netkit.cli.terminal import say
from netkit.errors import PluginError, UnknownComponent, nearest
from netkit.kinds import KINDS
from netkit.registry import Info, current
from netkit.registry.discovery import normal
from netkit.registry.guard import printable

__all__ = ["check"]


@click.command()
@click.argument("name", nargs=-1, shell_complete=names)
@click.option("--plugin", metavar="DISTRIBUTION", help="Only what this distribution brings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list of results.")
def check(name: tuple[str, ...], plugin: str | None, as_json: bool) -> None:
    """Hold components to the promises of their kind, all of them or those with a NAME. Exit code 1 on a broken one.

    Times are microseconds of one forward and backward on 128 rows of 64, beside the gradient that torch would derive.
    """
    results = []
    refused = _refused(name, plugin)
    for row in chain(map(_result, _chosen(name, plugin, refused)), refused):
        results.append(row)
        if not as_json:
            say(_line(row), indent=16)
    if as_json:
        click.echo(json.dumps(results, indent=2))
    broken = [row for row in results if row["broken"]] + _broken_plugins(plugin)
    click.get_current_context().exit(1 if broken else 0)


def _refused(wanted: tuple[str, ...], plugin: str | None) -> list[dict[str, Any]]:
    """A row for every announced name that cannot be one."""
    from netkit.testing import Report

    rows = [row for row in current().plugins() if not plugin or normal(row.distribution) == normal(plugin)]
    return [
        _row(Report(kind, printable(name), 0, 0, 0.0, why), row.distribution, row.version)
        for row in rows
        for kind, names in row.refused.items()
        for name, why in names.items()
        if not wanted or name in wanted
    ]


def _chosen(wanted: tuple[str, ...], plugin: str | None, refused: list[dict[str, Any]]) -> list[Info]:
    every = [info for lookup in current().kinds.values() for info in lookup.infos()]
    if plugin and not any(normal(info.distribution) == normal(plugin) for info in every):
        raise PluginError(f"check: {_absence(plugin)}")
    for name in wanted:
        if not any(name in _called(info) for info in every) and name not in {r["name"] for r in refused}:
            raise UnknownComponent(f"check: no component is called {name!r}{nearest(name, [i.name for i in every])}")
    return [
        info
        for info in every
        if (not wanted or not _called(info).isdisjoint(wanted))
        and (not plugin or normal(info.distribution) == normal(plugin))
    ]


def _absence(plugin: str) -> str:
    """Why a distribution has no components here."""
    rows = [row for row in current().plugins() if normal(row.distribution) == normal(plugin)]
    hurt = [row.line for row in rows if row.status != "ok"]
    if not rows:
        return f"no plugin of a distribution {plugin!r} is installed"
    return hurt[0] if hurt else f"{plugin} brings no component"


def _called(info: Info) -> set[str]:
    """By what names people ask for a component."""
    return {info.name, info.qualified, *info.aliases}


def _result(info: Info) -> dict[str, Any]:
    from netkit.testing import examine
    from netkit.testing.timing import timed

    report = examine(info.kind, info.qualified)
    examples = [] if report.broken else current().kinds[info.kind][info.qualified].examples()
    times = next((timed(example) for example in examples), None)
    gradient = "none" if info.kind not in GRADIENT else "derived" if info.derived else "hand-written"
    return {**_row(report, info.distribution, info.version, times), "name": shown(info), "gradient": gradient}


def _row(report: Any, distribution: str, version: str, times: tuple[float, float] | None = None) -> dict[str, Any]:
    about = {"distribution": distribution, "version": version, "gradient": "none"}
    return {**asdict(report), **about, "microseconds": times and times[0], "derived_microseconds": times and times[1]}


GRADIENT = [name for name, kind in KINDS.items() if hasattr(kind, "backward") or hasattr(kind, "fused")]


def _line(row: dict[str, Any]) -> str:
    start = f"{row['kind']:<11}  {row['name']:<25}"
    if row["broken"]:
        return f"{start}  BROKEN  {row['broken']}"
    parts = [f"{row['promises']} promises"]
    if row["gradient"] != "none":
        parts += [f"worst error {row['worst']:.0e}", f"{row['gradient']} gradient"]
    if row["microseconds"] is not None:
        parts.append(
            f"{row['microseconds']:.0f} us, {row['microseconds'] / row['derived_microseconds']:.2f} of derived"
        )
    return "; ".join([f"{start}  ok      {', '.join(parts)}", *(f"remark: {each}" for each in row["remarks"])])


def _broken_plugins(plugin: str | None) -> list[Any]:
    """The plugins that did not load, or not with all their names, said on stderr."""
    rows = [row for row in current().plugins() if row.status in ("broken", "incompatible", "unreadable") or row.reason]
    rows = [row for row in rows if not plugin or normal(row.distribution) == normal(plugin)]
    for row in rows:
        say(row.line, err=True)
    return [row for row in rows if row.status != "ok"] if plugin else []
