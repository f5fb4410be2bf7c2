"""Single columns: found by name, as numbers, as text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit.errors import DataError, nearest

__all__ = ["as_numbers", "as_text", "column", "is_number", "is_whole", "refuse_infinite", "rows_with"]


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """One column. Raises `DataError` with the nearest names."""
    if name not in table.column_names:
        hint = nearest(name, table.column_names) or f"; there are {', '.join(table.column_names[:20])}"
        raise DataError(f"there is no column {name!r}{hint}")
    return table[name]


def rows_with(table: pa.Table, name: str) -> tuple[pa.Table, list[str]]:
    """The rows in which a column is not missing, and a note when some were left out."""
    present = pc.invert(pc.is_null(column(table, name), nan_is_null=True))
    kept = table.filter(present)
    if not kept.num_rows:
        raise DataError(f"{name}: every value is missing")
    lost = table.num_rows - kept.num_rows
    return kept, [f"{name}: {lost} rows without a value are left out"] if lost else []


def refuse_infinite(table: pa.Table) -> None:
    """Raise `DataError` for the first infinite number. Looks at the whole file, so that the row is the file's."""
    for name, values in zip(table.column_names, table.columns):
        if pa.types.is_floating(values.type):
            as_numbers(name, values)


def is_number(values: pa.ChunkedArray) -> bool:
    """Whether the values count as numbers: also true and false, dates and times."""
    kind = values.type
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_temporal,
             pa.types.is_null)  # fmt: skip
    return any(test(kind) for test in tests)


def is_whole(values: pa.ChunkedArray) -> bool:
    """Whether the values are integers, or floats without a fraction."""
    if pa.types.is_integer(values.type):
        return True
    if not pa.types.is_floating(values.type):
        return False
    return bool(pc.all(pc.equal(values, pc.floor(values))).as_py())


def as_numbers(name: str, values: pa.ChunkedArray) -> np.ndarray:
    """Values as float64, nan where missing; true is 1, and times are seconds. Raises `DataError` for text and for inf."""
    if not is_number(values):
        return as_numbers(name, _parsed(name, values))
    kind = values.type
    if pa.types.is_temporal(kind):
        values = pc.cast(values, pa.timestamp("us")) if not pa.types.is_time(kind) else values
        scale = 1.0 if pa.types.is_time32(kind) and kind.unit == "s" else 1e-3 if pa.types.is_time32(kind) else 1e-6
        values = pc.cast(pc.cast(values, pa.int32() if pa.types.is_time32(kind) else pa.int64()), pa.float64())
        numbers = _floats(values) * scale
    else:
        numbers = _floats(pc.cast(pc.cast(values, pa.int8()) if pa.types.is_boolean(kind) else values, pa.float64()))
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(f"{name}: numbers must be finite, row {row + 1} holds {numbers[row]}")
    return numbers


def as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text, null where missing."""
    return pc.cast(pc.dictionary_decode(values) if pa.types.is_dictionary(values.type) else values, pa.string())


def _floats(values: pa.ChunkedArray) -> np.ndarray:
    return np.array(values.to_numpy(), dtype=np.float64)


def _parsed(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return pc.cast(as_text(values), pa.float64())
    except pa.ArrowInvalid:
        for row, value in enumerate(as_text(values).to_pylist(), start=1):
            try:
                float(value or 0)
            except ValueError:
                raise DataError(f"{name}: row {row}: {value!r} is not a number, as in training") from None
        raise DataError(f"{name}: numbers are needed, as in training, got {values.type}") from None
