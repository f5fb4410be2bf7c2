"""What is in a table, and what training would do with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netkit import spec
from netkit.tables.columns import column, is_text, numbers, text, type_of
from netkit.tables.encoders import ColumnType
from netkit.tables.features import Features, text_among
from netkit.tables.first_pass import first_pass
from netkit.tables.read import source_of
from netkit.tables.settings import own_loss
from netkit.tables.store import MemoryStore
from netkit.tables.target import Target

__all__ = ["about_columns", "about_table", "about_target"]

logger = logging.getLogger("netkit")

TOP = 5
"""Values that are shown of a column of text."""


def about_table(
    data: Any,
    target: str | None = None,
    task: str | None = None,
    columns: Mapping[str, ColumnType] | None = None,
    **dialect: Any,
) -> dict[str, Any]:
    """Rows, inputs, columns and the target of a table, as plain data. Raises `DataError`, `SettingError`."""
    types, spelled = dict(columns or {}), [target] if target else []
    source = source_of(data, text_among(types), spelled, **dialect)
    found = first_pass(source, target, types, {}, {}, MemoryStore)
    [table] = found.training.tables()
    about, notes = None, found.notes
    if target is not None:
        fitted = Target.of(target, found.labels, task, found.spelled)
        notes = [*notes, *fitted.notes(found.labels, task)]
        about = {**about_target(table, fitted), "loss": spec.name(own_loss(fitted.task))}
    features = Features.of(found.summary)
    for note in notes:
        logger.warning(note)
    rows = about_columns(table, features)
    return {"rows": table.num_rows, "inputs": features.width, "columns": rows, "target": about}


def about_columns(table: pa.Table, features: Features) -> list[dict[str, Any]]:
    """For each column but the target: name, type (its encoder's name), what the file stores, missing and distinct
    values, `range` or `top` (the most frequent values with their counts), and what becomes of it."""
    fitted = {each.name: each for each in features.columns}
    rows = []
    for name in table.column_names:
        if name in fitted or name in features.left_out:
            made = fitted.get(name)
            becomes = made.treatment if made else f"left out: {features.left_out[name]}"
            kind = spec.name(made.encoder) if made else type_of(table[name]) or "other"
            rows.append(
                {
                    "name": name,
                    "type": kind,
                    "stored": str(table[name].type),
                    **_values(table[name]),
                    "inputs": len(made.inputs) if made else 0,
                    "becomes": becomes,
                }
            )
    return rows


def about_target(table: pa.Table, target: Target) -> dict[str, Any]:
    """Name, task, and the range of its values or how many rows each class has, the most frequent first."""
    values = column(table, target.name)
    about = {"name": target.name, "task": target.task}
    if not target.classes:
        return about | {key: value for key, value in _values(values).items() if key == "range"}
    return about | {"classes": {str(each["values"]): each["counts"] for each in _counted(values)}}


def _values(values: pa.ChunkedArray) -> dict[str, Any]:
    missing = pc.sum(pc.is_null(values, nan_is_null=True)).as_py()
    about: dict[str, Any] = {"missing": missing, "distinct": None}
    if not type_of(values) or missing == len(values):
        return about
    known = values.filter(pc.is_valid(values)) if values.null_count else values
    about["distinct"] = pc.count_distinct(text(known) if is_text(known) else known).as_py()
    if is_text(values) or pa.types.is_boolean(values.type):
        return about | {"top": [[str(each["values"]), each["counts"]] for each in _counted(known)[:TOP]]}
    ends = pc.min_max(_shown(known)).as_py()
    return about | {"range": [ends["min"], ends["max"]]}


def _shown(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values that Python has a type for: durations as seconds, times without nanoseconds."""
    kind = values.type
    if pa.types.is_duration(kind):
        return numbers("duration", values)
    if pa.types.is_timestamp(kind):
        return pc.cast(values, pa.timestamp("us", kind.tz), safe=False)
    return pc.cast(values, pa.time64("us"), safe=False) if pa.types.is_time64(kind) else values


def _counted(values: pa.ChunkedArray) -> list[dict[str, Any]]:
    counts: list[dict[str, Any]] = pc.value_counts(text(values) if is_text(values) else _shown(values)).to_pylist()
    return sorted(counts, key=lambda each: (-each["counts"], str(each["values"])))
