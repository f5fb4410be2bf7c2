"""Files to tables. Whatever is wrong with a file is one line that names it and the place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from netkit.errors import DataError

__all__ = ["read"]

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "none", "#N/A"]
"""Cells that count as missing, in columns of numbers and of text alike."""


def read(path: str | Path) -> pa.Table:
    """The table in a CSV file, or in a Parquet file by its suffix. Raises `DataError`."""
    file = Path(path)
    if not file.exists():
        raise DataError(f"{path}: cannot be read: no such file")
    if file.is_dir():
        raise DataError(f"{path}: cannot be read: it is a folder")
    try:
        table = _parquet(file) if file.suffix == ".parquet" else _csv(file)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a table: {_line(error)}") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read: {_line(error)}") from None
    return _checked(path, table)


def _parquet(file: Path) -> pa.Table:
    return pyarrow.parquet.read_table(file)


def _csv(file: Path) -> pa.Table:
    with file.open("rb") as start:
        head = start.read(4096)
    if not head.strip():
        raise DataError(f"{file}: the file is empty")
    if b"\0" in head:
        raise DataError(f"{file}: not a CSV file: it holds zero bytes")
    convert = pyarrow.csv.ConvertOptions(null_values=MISSING, strings_can_be_null=True, quoted_strings_can_be_null=False)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.read_csv(file, parse_options=parse, convert_options=convert)


def _checked(path: str | Path, table: pa.Table) -> pa.Table:
    names = table.column_names
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{path}: column names must differ, {twice[0]!r} comes twice")
    if not all(name.strip() for name in names):
        raise DataError(f"{path}: every column needs a name, column {[bool(n.strip()) for n in names].index(False) + 1} has none")
    for name in names:
        if pa.types.is_binary(table[name].type) or pa.types.is_large_binary(table[name].type):
            raise DataError(f"{path}: not UTF-8: {_bad_text(name, table[name])}")
    if not table.num_rows:
        raise DataError(f"{path}: a header alone, and no rows")
    return table


def _bad_text(name: str, column: pa.ChunkedArray) -> str:
    """Which cell of the column is not UTF-8."""
    for number, value in enumerate(column.to_pylist(), start=1):
        try:
            value is None or value.decode()
        except UnicodeDecodeError:
            return f"column {name!r}, row {number} holds {value!r}"
    return f"column {name!r} is binary"


def _line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]


