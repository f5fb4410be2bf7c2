"""`netkit inspect`: what is in a table, and what `netkit train` would do with it."""

from __future__ import annotations

import json
from typing import Any

import click

from netkit.cli.options import chosen, configured, setting_options
from netkit.errors import SettingError

__all__ = ["inspect"]

SETTINGS = ("target", "task", "columns", "separator", "decimal", "reader")


@click.command()
@click.argument("data")
@click.option("--config", metavar="FILE", help="TOML for `train`.")
@setting_options(*SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def inspect(ctx: click.Context, /, data: str, config: str | None, as_json: bool, **settings: Any) -> None:
    """Show the columns of DATA: type, missing values, levels, and what becomes of each; with --target the task too.

    Types and ranges are those of all rows; training fits the same on the rows that it does not hold out.
    """
    from netkit.cli.terminal import listening, say, table
    from netkit.tables.describe import about_table
    from netkit.tables.settings import read

    ctx.with_resource(listening())
    given = {**configured(config), **chosen(ctx, "data", "config", "as_json")}
    values, wrong = read({name: value for name, value in given.items() if name in SETTINGS})
    if wrong:
        raise SettingError("; ".join(map(str, wrong)))
    about = about_table(data, **values)
    if as_json:
        click.echo(json.dumps(about, indent=2, default=str))
        return
    target = values.get("target")
    said = f"; target {target}" if target else ""
    inputs = f"{len(about['columns'])} columns and {about['inputs']} inputs (fitted on all rows)"
    say(f"{data}: {about['rows']} rows, {inputs}{said}\n")
    rows = [_row(each) for each in about["columns"]]
    table([[*rows[0]], *([*row.values()] for row in rows)], right=(2, 3))
    for line in _target(about["target"]):
        say(line)


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
