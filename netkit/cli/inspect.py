"""`netkit inspect`: what is in a table, and what `netkit train` would do with it."""

from __future__ import annotations

import json
import shutil
from typing import Any

import click

from netkit.cli.options import Columns, csv_options
from netkit.cli.toml_file import read_config
from netkit.registry.guard import printable

__all__ = ["inspect"]

WIDEST = 36
"""Characters of a cell in a table for people; the last column gets what is left of the terminal."""


@click.command()
@click.argument("data")
@click.option(
    "--config", callback=read_config, is_eager=True, expose_value=False, metavar="FILE", help="TOML for `train`."
)
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option("--task", type=click.Choice(["binary", "multiclass", "regression"]), help="Else read off the target.")
@click.option(
    "--columns", type=Columns(), metavar="NAME=TYPE,...", help="What columns are: number, text, date, embedding, skip."
)
@csv_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def inspect(data: str, target: str | None, task: str | None, columns: Any, as_json: bool, **written: Any) -> None:
    """Show the columns of DATA: type, missing values, levels, and what becomes of each; with --target the task too.

    Types and ranges are those of all rows; training fits the same on the rows that it does not hold out.
    """
    about, notes = _about(data, target, task, columns or {}, written)
    if as_json:
        click.echo(json.dumps(about, indent=2, default=str))
        return
    said = f"; target {target}" if target else ""
    click.echo(f"{data}: {about['rows']} rows, {len(about['columns'])} columns and {about['inputs']} inputs{said}\n")
    _table([_row(each) for each in about["columns"]])
    for line in [*_target(about["target"]), *(f"note: {note}" for note in notes)]:
        click.echo(line)


def _about(data: str, name: str | None, task: str | None, types: dict[str, str], written: dict[str, Any]) -> Any:
    """All that there is to say, as plain data, and notes."""
    from netkit import spec
    from netkit.cli.job import loss_for
    from netkit.tables.columns import column, refuse_infinite, rows_with
    from netkit.tables.describe import about_columns, about_target
    from netkit.tables.features import Features, text_among
    from netkit.tables.read import read
    from netkit.tables.target import Target

    table = read(data, text=text_among(types), **written)
    refuse_infinite(table)
    target, dropped = None, list[str]()
    if name is not None:
        table, dropped = rows_with(table, name)
        fitted = Target.fit(name, column(table, name), task)
        target = {**about_target(table, fitted), "loss": spec.name(loss_for(fitted.task))}
    features = Features.fit(table, exclude=() if name is None else (name,), types=types)
    about = {
        "rows": table.num_rows,
        "inputs": features.width,
        "columns": about_columns(table, features),
        "target": target,
    }
    return about, dropped


def _row(column: dict[str, Any]) -> dict[str, str]:
    """One line of the table."""
    if "range" in column:
        values = " to ".join(_short(end) for end in column["range"])
    else:
        values = ", ".join(f"{value} {count}" for value, count in column.get("top", []))
    distinct = "" if column["distinct"] is None else str(column["distinct"])
    return {
        "column": column["name"],
        "type": column["type"],
        "missing": str(column["missing"]),
        "distinct": distinct,
        "becomes": column["becomes"],
        "values": values,
    }


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(rows: list[dict[str, str]]) -> None:
    """Aligned columns, numbers to the right, cut to the width of the terminal."""
    rows = [{key: key for key in rows[0]}, *rows]
    wide = {key: min(WIDEST, max(len(row[key]) for row in rows)) for key in rows[0]}
    *_, last = wide
    wide[last] = max(8, shutil.get_terminal_size().columns - sum(wide.values()) + wide[last] - 2 * len(wide) + 2)
    for row in rows:
        click.echo("  ".join(_cell(row[key], wide[key], key in ("missing", "distinct")) for key in wide).rstrip())


def _cell(text: str, width: int, right: bool = False) -> str:
    text = printable(text, None, keep_spaces=True)
    text = text if len(text) <= width else text[: width - 3] + "..."
    return text.rjust(width) if right else text.ljust(width)


def _target(target: dict[str, Any] | None) -> list[str]:
    if target is None:
        return []
    about = f"\ntarget {target['name']}: {target['task']}, loss {target['loss']}"
    if "classes" not in target:
        return [f"{about}, from {' to '.join(_short(end) for end in target['range'])}"]
    total, shown = sum(target["classes"].values()), list(target["classes"].items())[:10]
    shares = ", ".join(f"{label} {count / total:.1%}" for label, count in shown)
    more = len(target["classes"]) - len(shown)
    return [about, f"classes: {shares}" + (f", and {more} more" if more else "")]
