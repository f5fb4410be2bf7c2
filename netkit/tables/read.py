"""Anything that holds a table, to a source of its rows. What is wrong with it is one line that names it and the
place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from netkit import spec
from netkit.errors import DataError
from netkit.tables.columns import plain_table
from netkit.tables.readers import Readers
from netkit.tables.sources import Files, InMemory, Source
from netkit.tables.spelling import Spelling

__all__ = ["batches", "check_names", "read", "source_of"]


def source_of(
    data: Any,
    text: Iterable[str] = (),
    spelled: Iterable[str] = (),
    *,
    separator: str | None = None,
    decimal: str | None = None,
    reader: Any = None,
) -> Source:
    """The rows of `data`. Raises `DataError`, `SettingError`, `PluginError`.

    data: a path to a file, a folder or a pattern of files, or a URI, of what readers are registered for (CSV, Parquet,
    Arrow, JSON lines; CSV and JSON also compressed), or a table of polars, pandas or pyarrow, a structured or
    two-dimensional array of NumPy, or a tensor of torch; columns without names are called x0, x1, ... text: columns
    that are text even if all their values look like numbers. spelled: columns of which the spelling is kept, and whole
    numbers are read to the last digit, where readers guess types. separator, decimal: for the readers that have such
    settings, as that of CSV files. reader: one that is asked first, and reads what no other has.
    """
    if isinstance(data, str) and not data.strip():
        raise DataError(f"table: a path, a table or an array is needed, got {data!r}")
    if isinstance(data, (str, Path)):
        given = None if reader is None else spec.make("reader", reader)
        readers = Readers(given, {"separator": separator, "decimal": decimal})
        return Files(str(data), tuple(text), {name: Spelling() for name in spelled}, readers)
    return InMemory(plain_table(_in_memory(data)))


def read(data: Any, **dialect: Any) -> pa.Table:
    """The whole table in what `source_of` takes. Raises `DataError`."""
    source = source_of(data, **dialect)
    table = pa.concat_tables(table for _, table in source.settled(lambda source: list(source.pieces(None))))
    check_names(source.where, table.column_names, table.num_rows)
    return table


def batches(source: Source, size: int = 2**24) -> Iterator[pa.Table]:
    """The rows of a source in batches of about `size` bytes, with types of their own. Raises `DataError`."""
    rows = 0
    for where, table in source.pieces(size):
        check_names(where, table.column_names, 1)
        rows += len(table)
        if len(table):
            yield table
    check_names(source.where, [], rows)


def _in_memory(data: Any) -> pa.Table:
    try:
        if isinstance(data, pa.Table):
            return data
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
        if hasattr(data, "__array__"):
            return _from_array(np.asarray(data.detach().cpu() if hasattr(data, "detach") else data))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"table: cannot be read: {' '.join(str(error).split())[:200]}") from None
    raise DataError(f"table: a path, a table or an array is needed, got {type(data).__name__}")


def _from_array(array: np.ndarray) -> pa.Table:
    if array.dtype.names:
        return pa.table({name: array[name].ravel() for name in array.dtype.names})
    if array.ndim != 2:
        raise ValueError(f"an array of two axes is needed, got shape {array.shape}")
    return pa.table({f"x{number}": column for number, column in enumerate(array.T)})


def check_names(who: str, names: list[str], rows: int) -> None:
    """Raise `DataError` for a table whose columns have no names of their own, or that has no rows."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{who}: column names must differ, {twice[0]!r} comes twice")
    if not all(name.strip() for name in names):
        number = [bool(name.strip()) for name in names].index(False) + 1
        raise DataError(f"{who}: every column needs a name, column {number} has none")
    if not rows:
        raise DataError(f"{who}: a header alone, and no rows")
