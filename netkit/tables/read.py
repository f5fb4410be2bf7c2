"""Anything that holds a table, to a table. Whatever is wrong with it is one line that names it and the place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from netkit.errors import DataError
from netkit.tables.columns import plain_table
from netkit.tables.formats import Spelling
from netkit.tables.sources import Files

__all__ = ["check_names", "pieces", "read"]

NONE: Mapping[str, Spelling] = {}


def read(
    data: Any,
    *,
    separator: str | None = None,
    decimal: str = ".",
    text: Iterable[str] = (),
    spelled: Mapping[str, Spelling] = NONE,
) -> pa.Table:
    """The table in `data`. Raises `DataError`.

    data: a path to a file, a folder or a pattern of files (CSV, Parquet, Arrow, JSON lines; CSV and JSON also compressed),
    or a table of polars, pandas or pyarrow, a structured or two-dimensional array of NumPy, or a tensor of torch;
    columns without names are called x0, x1, ... separator, decimal: of CSV files, a comma (in .tsv a tab) and a point.
    text: columns that are text even if all their values look like numbers. spelled: gathers how values of columns of CSV
    files are written, and has whole numbers of any size read to the last digit.
    """
    if isinstance(data, (str, Path)):
        who, table = str(data), Files(str(data), separator, decimal, tuple(text), spelled).table()
    else:
        who, table = "table", _in_memory(data)
    check_names(who, table.column_names, table.num_rows)
    return plain_table(table)


def pieces(
    data: Any,
    size: int = 2**24,
    *,
    separator: str | None = None,
    decimal: str = ".",
    text: Iterable[str] = (),
    spelled: Mapping[str, Spelling] = NONE,
) -> Iterator[pa.Table]:
    """The same table in pieces: of files, about `size` bytes at a time, with types of their own. Raises `DataError`."""
    rows = 0
    files = Files(str(data), separator, decimal, tuple(text), spelled) if isinstance(data, (str, Path)) else None
    for who, piece in files.pieces(size) if files else [("table", plain_table(_in_memory(data)))]:
        check_names(str(who), piece.column_names, 1)
        rows += len(piece)
        if len(piece):
            yield piece
    check_names(str(data) if files else "table", [], rows)


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
        raise DataError(
            f"{who}: every column needs a name, column {[bool(n.strip()) for n in names].index(False) + 1} has none"
        )
    if not rows:
        raise DataError(f"{who}: a header alone, and no rows")
