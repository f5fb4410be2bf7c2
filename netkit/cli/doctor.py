"""`netkit doctor`: every plugin, imported under observation."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from netkit.cli.terminal import say
from netkit.registry import current
from netkit.registry.discovery import DISTRIBUTION
from netkit.registry.guard import printable

if TYPE_CHECKING:
    from netkit.registry.doctor import Diagnosis

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Seconds for each plugin, of which torch takes a few.",
)
def doctor(as_json: bool, timeout: float) -> None:
    """Import each plugin in a process of its own: how long it takes, how it fails, what it changes for everybody else.

    Exit code 1 when one of them raises, exits, crashes or hangs.
    """
    from netkit.registry.doctor import examine

    plugins = [plugin for plugin in current().plugins(load=False) if plugin.distribution != DISTRIBUTION]
    found = []
    for plugin in plugins:
        found.append(examine(plugin, timeout))
        if not as_json:
            say(_line(found[-1]))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif not plugins:
        click.echo("no plugins beside netkit's own are installed")
    click.get_current_context().exit(any(each.status in ("raises", "exits", "crashes", "hangs") for each in found))


def _line(each: Diagnosis) -> str:
    what = f"changes {', '.join(each.changes)}" if each.changes else each.status
    seconds = "" if each.seconds is None else f", {each.seconds:.2f} s to import"
    line = f"{each.distribution} {each.version} ({printable(each.entry_point)}): {what}{seconds}"
    return f"{line}: {each.reason}" if each.reason else line
