"""`netkit new-plugin`: a package to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from netkit.kinds import KINDS

__all__ = ["new_plugin"]


@click.command("new-plugin")
@click.argument("name")
@click.argument("folder", required=False)
@click.option("--kind", type=click.Choice(list(KINDS)), default="activation", show_default=True)
def new_plugin(name: str, folder: str | None, kind: str) -> None:
    """Write a package called NAME, such as netkit-swish, into FOLDER: ready to install, check and publish."""
    from netkit.registry.scaffold import write

    target = Path(folder or name)
    component = write(name, kind, target)
    click.echo(
        f"wrote {target}: the {kind} {component}\n\n    cd {target}\n    pip install -e '.[test]'\n"
        f"    netkit show {component}\n    netkit check {component}\n    pytest\n    netkit list-plugins --kind {kind}"
    )
