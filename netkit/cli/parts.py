"""Which rows of a table a run learns from, which judge it, and what each of them counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from netkit.engine.rows import Rows
    from netkit.tables.model import TableModel
    from netkit.tables.target import Target
    from netkit.tables.weights import Weighing

__all__ = ["aside", "check_balanced", "check_columns", "parts", "weighed"]


def aside(target: str, options: dict[str, Any]) -> dict[str, str]:
    """The columns that say something about rows and are no inputs, by the option that names them. Raises `SettingError`
    for the target, and where there is nothing to hold out."""
    from netkit.errors import SettingError

    chosen = {role: options[role] for role in ("weights", "group") if options[role] is not None}
    for role, name in chosen.items():
        if name == target:
            raise SettingError(f"{role}: another column than the target is needed, got {name!r}")
    if "group" in chosen and not (isinstance(options["validation"], float) and options["validation"]):
        raise SettingError(f"group: groups are held out by a share of the rows, validation is {options['validation']}")
    return chosen


def check_columns(table: pa.Table, chosen: dict[str, str]) -> None:
    """Raise `DataError` for a row without a weight or a group, on the whole table, so that a row is the file's."""
    from netkit.tables.columns import column
    from netkit.tables.first_pass import ASIDE

    for role, name in chosen.items():
        ASIDE[role](name, column(table, name))


def check_balanced(target: Target, options: dict[str, Any]) -> None:
    """Raise `SettingError` where classes are to be balanced and there are none."""
    from netkit.errors import SettingError

    if options["balanced"] and not target.classes:
        raise SettingError(f"balanced: a target with classes is needed, {target.name} is for {target.task}")


def parts(table: pa.Table, target: Target, options: dict[str, Any]) -> tuple[pa.Table, pa.Table | None, list[str]]:
    """The rows to learn from, those held out by a share, and what there is to note. Raises `DataError`, `SettingError`."""
    from netkit.tables.columns import column
    from netkit.tables.features import split
    from netkit.tables.groups import groups, split_groups

    check_balanced(target, options)
    share, name = options["validation"], options["group"]
    if isinstance(share, str) or share == 0:
        return table, None, []
    notes = []
    if name is not None:
        group = groups(column(table, name))
        kept, out = split_groups(name, group, share, options["seed"])
        notes = [
            f"{name}: held out are {len(group[out].unique())} of {len(group.unique())} groups, {len(out)} of {len(group)} rows"
        ]
    else:
        strata = target.encode(column(table, target.name)) if target.classes else None
        kept, out = split(table.num_rows, share, options["seed"], strata)
    return table.take(kept.numpy()), table.take(out.numpy()), notes


def weighed(
    model: TableModel, training: pa.Table, judging: pa.Table | None, options: dict[str, Any]
) -> tuple[Rows, Rows | None, list[str]]:
    """Prepared rows to learn from and to judge by, with what each counts, and what there is to note. Classes are balanced
    by the rows to learn from."""
    from netkit.tables.weights import Weighing, balance

    rows = model.rows(training)
    weighing = Weighing(options["weights"], balance(rows.target) if options["balanced"] else None)
    rows = weighing.rows(rows, training, "training")
    if isinstance(options["validation"], str):
        return rows, *_from_file(model, weighing, options)
    return rows, None if judging is None else weighing.rows(model.rows(judging), judging, "validation"), []


def _from_file(model: TableModel, weighing: Weighing, options: dict[str, Any]) -> tuple[Rows, list[str]]:
    """The rows of the table that judges. What is wrong with them names the file."""
    from netkit.errors import DataError
    from netkit.tables.columns import column, refuse_infinite, rows_with
    from netkit.tables.weights import check_weights

    path = options["validation"]
    table = model.read(path, separator=options["separator"], decimal=options["decimal"])
    try:
        refuse_infinite(table)
        if weighing.column is not None:
            check_weights(weighing.column, column(table, weighing.column))
        table, dropped = rows_with(table, model.target.name)
        rows = weighing.rows(model.rows(table), table, "validation")
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return rows, [f"{path}: {each}" for each in [*dropped, *model.features.notes]]
