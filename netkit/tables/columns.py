"""Single columns: found by name, as numbers, as text, as dates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit.errors import DataError, nearest

__all__ = [
    "SECONDS",
    "UNNAMED",
    "RowError",
    "all_missing",
    "column",
    "dates",
    "is_date",
    "is_number",
    "is_text",
    "is_whole",
    "iso_text",
    "labels",
    "lost_rows",
    "numbers",
    "place",
    "plain",
    "plain_table",
    "refuse_infinite",
    "rows_among",
    "rows_from",
    "text",
    "type_of",
    "with_value",
    "writable",
]

UNNAMED = "column 1"
"""What the first column of a CSV file is called that has no name, as pandas and R write the names of rows."""
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class RowError(DataError):
    """A value that cannot be used; the message tells which row, from 0 on, at its `{row}`."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message.replace("{row}", str(row + 1), 1))
        self.message, self.row = message, row


@contextmanager
def rows_from(first: int) -> Iterator[None]:
    """Count the rows that errors tell from here on: a piece of a table does not begin at its first row."""
    try:
        yield
    except RowError as error:
        raise RowError(error.message, first + error.row) from None


def place(schema: pa.Schema, name: str) -> int:
    """Where a column is; -1 without one of that name alone, such as where UTF-8 cannot write it."""
    return schema.get_field_index(name) if writable(name) else -1


def writable(name: str) -> bool:
    """Whether UTF-8 can write it: arguments of a command may hold half of a surrogate pair, names of columns cannot."""
    return name.encode(errors="ignore").decode() == name


@contextmanager
def rows_among(numbers: np.ndarray) -> Iterator[None]:
    """Let errors tell the rows of a table of which some were left out by their numbers in the whole one."""
    try:
        yield
    except RowError as error:
        raise RowError(error.message, int(numbers[error.row])) from None


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """One column. Raises `DataError` with the nearest names."""
    if place(table.schema, name) < 0:  # a list of names for each of n columns would take n^2 steps
        hint = nearest(name, table.column_names) or f"; there are {', '.join(table.column_names[:20])}"
        raise DataError(f"there is no column {name!r}{hint}")
    return table[name]


def labels(values: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """For each value its place in a list of labels, and that list. What is the same in columns of different types is
    the same label for Python, to the last digit: 1 and 1.0, but not 2**53 and 2**53 + 1; dates and times are ISO
    text."""
    values = pc.cast(values, pa.string()) if pa.types.is_null(values.type) else plain(values)
    encoded = pc.dictionary_encode(values).combine_chunks()
    return encoded.indices.to_numpy(), _labels(pa.chunked_array([encoded.dictionary]))


def iso_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates and times as ISO text with all digits of their type, dates in UTC."""
    zone = getattr(values.type, "tz", None)
    return text(pc.cast(values, pa.timestamp(values.type.unit)) if zone else values)


def plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values in a type that all of pyarrow's functions take: dictionaries and runs written out, no views, and
    no half floats."""
    if pa.types.is_dictionary(values.type):
        return plain(pc.dictionary_decode(values))
    if pa.types.is_run_end_encoded(values.type):
        return plain(pc.run_end_decode(values))
    simpler = {pa.float16(): pa.float32(), pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return pc.cast(values, simpler[values.type]) if values.type in simpler else values


def plain_table(table: pa.Table) -> pa.Table:
    """The same table with plain columns."""
    return pa.table([plain(values) for values in table.columns], table.column_names)


def with_value(table: pa.Table, name: str) -> tuple[pa.Table, np.ndarray]:
    """The rows in which a column is not missing, and their numbers."""
    present = pc.invert(pc.is_null(column(table, name), nan_is_null=True))
    rows = np.flatnonzero(present.to_numpy())
    return (table.filter(present) if len(rows) < len(table) else table), rows


def all_missing(name: str) -> DataError:
    """What to raise for a column without a value."""
    return DataError(f"{name}: every value is missing")


def lost_rows(name: str, lost: int) -> list[str]:
    """A note when rows without a value were left out."""
    return [f"{name}: {lost} rows without a value are left out"] if lost else []


def refuse_infinite(table: pa.Table) -> None:
    """Raise `DataError` for the first infinite number. Looks at the whole file, so that the row is the file's."""
    for name, values in zip(table.column_names, table.columns):
        if pa.types.is_floating(values.type):
            numbers(name, values)


def is_number(values: pa.ChunkedArray) -> bool:
    """Whether the values count as numbers: also true and false, times of day and durations."""
    kind = values.type
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_time,
        pa.types.is_duration,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def is_date(values: pa.ChunkedArray) -> bool:
    """Whether the values are dates, with or without a time of day."""
    return bool(pa.types.is_date(values.type) or pa.types.is_timestamp(values.type))


def is_text(values: pa.ChunkedArray) -> bool:
    """Whether the values are text, also as a dictionary."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def type_of(values: pa.ChunkedArray) -> str:
    """What a column of such values is where nobody sets it: number, date or text; empty for what is none of them."""
    tests = {"number": is_number, "date": is_date, "text": is_text}
    return next((name for name, test in tests.items() if test(values)), "")


def is_whole(values: pa.ChunkedArray) -> bool:
    """Whether the values are integers, or other numbers without a fraction."""
    if pa.types.is_integer(values.type) or (pa.types.is_decimal(values.type) and values.type.scale <= 0):
        return True
    if not pa.types.is_floating(values.type):
        return False
    return bool(pc.all(pc.equal(values, pc.floor(values))).as_py())


def numbers(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as float64, null where missing; true is 1; dates (since 1970), times and durations are seconds.

    Raises `DataError` for text that is no number and for inf.
    """
    found = (
        _seconds(values)
        if pa.types.is_temporal(values.type) and (is_number(values) or is_date(values))
        else _floats(name, values)
    )
    if np.isfinite(pc.sum(found, min_count=0).as_py()):  # so every one is: one pass, and by far the most frequent case
        return found
    found = pc.if_else(pc.is_nan(found), pa.scalar(None, pa.float64()), found)
    if (row := pc.index(pc.is_inf(found), True).as_py()) >= 0:
        raise RowError(f"{name}: numbers must be finite, row {{row}} holds {found[row]}", row)
    return found


def dates(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates as seconds since 1970, float64, null where missing. Raises `DataError` for text that is no ISO 8601
    date."""
    if is_text(values):
        values = _cast(name, text(values), pa.timestamp("us"), "an ISO 8601 date")
    if not is_date(values) and not pa.types.is_null(values.type):
        raise DataError(f"{name}: dates are needed, got {values.type}")
    return numbers(name, values)


def text(values: pa.ChunkedArray, name: str = "text") -> pa.ChunkedArray:
    """Values as text, null where missing. Raises `DataError` for lists, and for bytes that are no UTF-8."""
    try:
        return pc.cast(pc.dictionary_decode(values) if pa.types.is_dictionary(values.type) else values, pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise DataError(f"{name}: text is needed, got {values.type}") from None


def _labels(values: pa.ChunkedArray) -> list[Any]:
    kind = values.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        bare = pc.replace_substring_regex(iso_text(values), r"(\.\d*?)0+$", r"\1")
        found: list[Any] = pc.replace_substring_regex(bare, r"( 00:00:00)?\.?$", "").to_pylist()
        return found
    if pa.types.is_decimal(kind):
        return [int(each) if each == int(each) else float(each) for each in values.to_pylist()]
    bare = values if is_number(values) and not pa.types.is_duration(kind) else text(values)
    return [*bare.to_pylist()]


def _seconds(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(values.type):
        values = pc.cast(values, pa.timestamp("s"))
    whole = pc.cast(values, pa.int32() if pa.types.is_time32(values.type) else pa.int64())
    return pc.multiply(pc.cast(whole, pa.float64(), safe=False), SECONDS[values.type.unit])


def _floats(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    if is_text(values):
        return _cast(name, text(values), pa.float64(), "a number")
    if not is_number(values):
        raise DataError(f"{name}: numbers are needed, got {values.type}")
    return pc.cast(pc.cast(values, pa.int8()) if pa.types.is_boolean(values.type) else values, pa.float64(), safe=False)


def _cast(name: str, words: pa.ChunkedArray, kind: pa.DataType, what: str) -> pa.ChunkedArray:
    """Text as another type. Raises `DataError` with the first row that is not `what`."""
    try:
        return pc.cast(words, kind)
    except pa.ArrowInvalid:
        row = next(row for row in range(len(words)) if not _casts(words[row], kind))
        raise RowError(f"{name}: row {{row}}: {words[row].as_py()!r} is not {what}", row) from None


def _casts(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
