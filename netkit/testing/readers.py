"""What is promised of readers: the rows of a table in order, whatever the size of the pieces."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from netkit.kinds import Reader, TextReader
from netkit.testing.comparing import need

__all__ = ["PROMISES", "REMARKS"]

ROWS = 500
TABLE = pa.table(
    {
        "n": range(ROWS),
        "x": [None if i % 7 == 3 else i / 4 - 20.5 for i in range(ROWS)],
        "word": [None if i % 5 == 2 else f"Käse, {i % 11}" for i in range(ROWS)],
    }
)
"""What a reader is asked to write as a sample."""
RULES = {"suffixes": (r"\.[^A-Z./\\]+", ".xlsx"), "schemes": (r"[a-z][a-z0-9+.-]*", "sqlite")}
"""What each of them matches, and an example."""
OPEN = Path("/proc/self/fd")
"""Where Linux lists what a process has open."""


def names(reader: Reader) -> float:
    """suffixes such as .xlsx, in lower case, or schemes such as sqlite, each in a tuple, and one at least"""
    for what, (rule, example) in RULES.items():
        given = getattr(reader, what)
        need(isinstance(given, tuple), f"{what}: a tuple such as {(example,)} is needed, got {given!r}")
        for each in given:
            fits = isinstance(each, str) and re.fullmatch(rule, each)
            need(fits, f"{what}: each reads like {example!r}, in lower case, got {each!r}")
    need(reader.suffixes or reader.schemes, "there is no suffix and no scheme by which netkit would find it")
    return 0.0


def found(reader: Reader) -> float:
    """where the sample is has one of the suffixes or schemes"""
    for where, _ in _samples(reader):
        fits = where.partition("://")[0] in reader.schemes or {*Path(where).suffixes} & {*reader.suffixes}
        need(fits, f"sample: a path with {reader.suffixes} or a URI with {reader.schemes} is needed, got {where!r}")
    return 0.0


def rows(reader: Reader) -> float:
    """the rows that were written, in order, the same whatever the size of the pieces, and every time"""
    for where, _ in _samples(reader):
        for size in (None, 10**9, 1000, 1, None):
            _compare(f"batches(where, {size})", _rows(_pieces(reader, where, size)), _rows([TABLE]))
    return 0.0


def sizes(reader: Reader) -> float:
    """without a size all in one piece, else pieces of about so many bytes"""
    for where, _ in _samples(reader):
        whole = _pieces(reader, where, None)
        need(len(whole) == 1, f"batches(where, None): all rows in one piece are needed, got {len(whole)} pieces")
        size = max(1, whole[0].nbytes // 10)
        most = max(map(len, _pieces(reader, where, size)))
        got = f"got {most} of {ROWS} rows at once, which are {whole[0].nbytes} bytes in all"
        need(most <= ROWS / 2, f"batches(where, {size}): pieces of about {size} bytes are needed, {got}")
    return 0.0


def empty(reader: Reader) -> float:
    """a table without rows is one piece without rows, or raises"""
    for where, _ in _samples(reader, TABLE.slice(0, 0)):
        for size in (None, 1000):
            got = _attempt(reader, where, size)
            need(got is None or got, f"batches(where, {size}): a piece without rows is needed where there are none")
    return 0.0


def absent(reader: Reader) -> float:
    """what is not there, or no longer, raises"""
    for where, folder in _samples(reader):
        shutil.rmtree(folder)
        for size in (None, 1000):
            got = _attempt(reader, where, size)
            need(got is None, f"batches(where, {size}): what is not there must raise, got {len(got or ())} pieces")
    return 0.0


def closed(reader: Reader) -> float:
    """whoever stops early leaves no file open"""
    for where, folder in _samples(reader):
        stream = iter(reader.batches(where, 1000))
        next(stream)
        if hasattr(stream, "close"):
            stream.close()
        del stream
        left = _open_in(folder)
        need(not left, f"batches(where, 1000): closed behind the first piece, {', '.join(left)} is still open")
    return 0.0


def spelling(reader: Reader) -> float:
    """columns that `text` names come as they are written, and `values` makes of that what is read otherwise"""
    if isinstance(reader, TextReader):
        for where, _ in _samples(reader):
            for name in TABLE.column_names:
                _spelled(reader, where, name)
    return 0.0


def unsampled(reader: Reader) -> str:
    """that nothing could be read"""
    return "" if any(_samples(reader)) else "it has no sample(table, folder), so nothing was read"


def _samples(reader: Reader, table: pa.Table = TABLE) -> Iterator[tuple[str, str]]:
    """Where a sample is, and its folder, once; not at all for a reader that cannot write one."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        where = reader.sample(table, Path(folder))
        need(where is None or isinstance(where, str), f"sample: where it is, as text, is needed, got {where!r}")
        if where is not None:
            yield where, folder


def _spelled(reader: TextReader, where: str, name: str) -> None:
    for size in (None, 1000):
        columns = [piece[name] for piece in _pieces(replace(reader, text=(name,)), where, size)]
        kinds = ", ".join(dict.fromkeys(str(each.type) for each in columns))
        need(kinds in ("string", "large_string"), f"text=({name!r},): the column must be strings, got {kinds}")
        words = [word for each in columns for word in each.to_pylist()]
        given = [word for word in dict.fromkeys(words) if word is not None]
        made = reader.values(pa.array(given, pa.string())).to_pylist()
        need(len(made) == len(given), f"values(words): {len(made)} values for {len(given)} words")
        known = {None: None, **dict(zip(given, made))}
        _compare(f"values of {name}", [known[word] for word in words], _plain(TABLE[name].to_pylist()))


def _pieces(reader: Reader, where: str, size: int | None) -> list[pa.Table]:
    tables = []
    for piece in reader.batches(where, size):
        fine = isinstance(piece, (pa.Table, pa.RecordBatch))
        need(fine, f"batches(where, {size}): tables or batches of pyarrow are needed, got a {type(piece).__name__}")
        got = piece.schema.names
        need(got == TABLE.column_names, f"batches(where, {size}): columns {TABLE.column_names} are needed, got {got}")
        piece.validate(full=True)  # pyarrow believes a damaged table, and crashes later
        tables.append(pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece)
    return tables


def _attempt(reader: Reader, where: str, size: int | None) -> list[Any] | None:
    """The pieces; None where it raises."""
    try:
        return [*reader.batches(where, size)]
    except Exception:
        return None


def _rows(tables: list[pa.Table]) -> list[Any]:
    return [dict(zip(row, _plain(row.values()))) for table in tables for row in table.to_pylist()]


def _plain(values: Any) -> list[Any]:
    """The values, with None for nan."""
    return [None if value != value else value for value in values]


def _compare(rule: str, got: list[Any], wanted: list[Any]) -> None:
    for number, (one, other) in enumerate(zip(got, wanted)):
        need(one == other, f"{rule}: row {number + 1} is {one!r}, expected {other!r}")
    need(len(got) == len(wanted), f"{rule}: {len(got)} rows, expected {len(wanted)}")


def _open_in(folder: str) -> list[str]:
    """The files of a folder that this process has open, where the system tells."""
    links = [os.readlink(each) for each in OPEN.iterdir() if each.is_symlink()] if OPEN.exists() else []
    return [Path(each).name for each in links if each.startswith(os.path.realpath(folder) + os.sep)]


PROMISES = [names, found, rows, sizes, empty, absent, closed, spelling]
REMARKS = [unsampled]
