"""`netkit train`: a table to a trained, scored and saved model."""

from __future__ import annotations

from pathlib import Path

import click

from netkit.cli.options import Grouped, chosen, configured, setting_options
from netkit.errors import SettingError

__all__ = ["train"]


@click.command(cls=Grouped)
@click.argument("data", required=False)
@click.option("--config", metavar="FILE", help="TOML with these options as keys.")
@setting_options()
@click.option("--resume", metavar="FOLDER", help="Go on with the run saved there, to the same bits.")
@click.pass_context
def train(ctx: click.Context, /, data: str | None, config: str | None, resume: str | None, **settings: object) -> None:
    """Train a model on the table DATA and save it: CSV, Parquet, Arrow or JSON lines, one file or a folder of them.

    It is saved as DATA's name with .netkit, here, unless --out says otherwise.
    """
    from netkit.cli.terminal import listening
    from netkit.tables.interruption import Interrupted
    from netkit.tables.training import train as run

    ctx.with_resource(listening())
    if resume and config:
        raise SettingError("config: a resumed run goes on as it was begun, and takes no configuration")
    given = {**configured(config), **chosen(ctx, "data", "config", "resume")}
    if not resume:
        if data is None:
            raise SettingError("data: a table is needed, such as netkit train table.csv --target y")
        given.setdefault("out", f"{Path(data).stem}.netkit")
    try:
        run(data, resume=resume, **given)
    except Interrupted as stopped:  # and has told what is kept
        ctx.exit(stopped.exit_code)
