"""Where a table comes from: files of one or more formats, read whole or piece by piece."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from netkit.errors import DataError, SettingError
from netkit.tables.columns import plain_table
from netkit.tables.formats import FORMATS, TYPED, Dialect, Spelling, format_of, suffix

__all__ = ["Files", "InMemory", "Source", "Types", "unified", "widened"]

Taken = TypeVar("Taken")
WIDE = pa.decimal128(20, 0)
"""Holds every whole number of 64 bits; pyarrow would have one that is too large for a sign wrap around."""


@dataclass(frozen=True)
class Files:
    """The table in a file, or in all files of a folder or a pattern, in sorted order. `text` names columns of CSV files
    that are text whatever they look like, `spelled` gathers how those of others are written. Raises `SettingError` for
    a separator that cannot be."""

    where: str
    separator: str | None = None
    decimal: str = "."
    text: tuple[str, ...] = ()
    spelled: Mapping[str, Spelling] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("separator", self.separator), ("decimal", self.decimal)):
            if value is not None and len(value) != 1:
                raise SettingError(f"{name}: one character is needed, got {value!r}")
            if value is not None and (not value.isascii() or value in '"\r\n\0'):
                raise SettingError(f"{name}: a character of ASCII, no quote and no line end, is needed, got {value!r}")
        if self.decimal == (self.separator or ","):
            raise SettingError(f"decimal: {self.decimal!r} is the separator of columns too")

    @property
    def paths(self) -> list[Path]:
        """The files. Raises `DataError` when there is none."""
        path = Path(self.where)
        with _one_line(path):
            folder, there = path.is_dir(), path.exists()
        if folder:
            found = [each for each in path.rglob("*") if each.is_file() and suffix(each) in FORMATS]
            found = [each for each in found if not each.name.startswith((".", "_"))]
        else:
            found = [path] if there else [Path(each) for each in glob.glob(self.where, recursive=True)]
        if not found:
            reason = f"no {', '.join(FORMATS)} file is in it" if folder else "no such file"
            raise DataError(f"{self.where}: cannot be read: {reason}")
        return sorted(found)

    def settled(self, take: Callable[[Files], Taken]) -> Taken:
        """What `take` makes of the files; once more when `Types` found columns that must be text from the start."""
        files = self
        while True:
            try:
                return take(files)
            except _Disputed as found:
                files = replace(files, text=(*files.text, *found.names))

    def pieces(self, size: int | None) -> Iterator[tuple[Path, pa.Table]]:
        """The rows in order, in pieces of about `size` bytes with types of their own, each with its file; without a
        size all at once. Raises `DataError` for what cannot be read, and where the columns of two files differ."""
        if size is None:
            yield Path(self.where), plain_table(self._table())
            return
        first: tuple[Path, pa.Schema] | None = None
        for path in self.paths:
            with _one_line(path):
                for piece in format_of(path).pieces(path, self._dialect, size):
                    first = first or (path, piece.schema)
                    _refuse_differing(path, piece.schema, *first)
                    yield path, plain_table(piece)

    @property
    def _dialect(self) -> Dialect:
        return Dialect(self.separator, self.decimal, self.text, self.spelled)

    def _table(self) -> pa.Table:
        types, tables = Types(), []
        for path in self.paths:
            with _one_line(path):
                tables.append(format_of(path).whole(path, self._dialect))
            types.meet(path, tables[-1].schema)
        return pa.concat_tables([types.cast(table) for table in tables])


@dataclass(frozen=True)
class InMemory:
    """A table in memory, in the same way."""

    table: pa.Table
    where = "table"
    paths: tuple[Path, ...] = ()
    spelled: Mapping[str, Spelling] = field(default_factory=dict)

    def settled(self, take: Callable[[InMemory], Taken]) -> Taken:
        """What `take` makes of it."""
        return take(self)

    def pieces(self, size: int | None) -> Iterator[tuple[Path, pa.Table]]:
        """The rows in order, in pieces of about `size` bytes, or all at once."""
        rows = len(self.table) if size is None else size * len(self.table) // max(self.table.nbytes, 1)
        for start in range(0, max(len(self.table), 1), max(rows, 1)):
            yield Path(self.where), self.table.slice(start, max(rows, 1))


Source = Files | InMemory


class _Disputed(Exception):
    """Columns that are text in one place and something else in another."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(*names)
        self.names = names


class Types:
    """The one type of each column in all the tables that have been met: whole numbers and others are others, and what
    is missing everywhere takes any type."""

    def __init__(self) -> None:
        self._first: Path | None = None
        self.schema = pa.schema([])

    def meet(self, path: Path, schema: pa.Schema) -> None:
        """Take in the columns of another table. Raises `DataError` where a file gives its types itself and they do not
        meet, and what `Files.settled` waits for where they must be read as text."""
        if self._first is None:
            self._first, self.schema = path, schema
        if self.schema.equals(schema):
            return
        _refuse_differing(path, schema, self._first, self.schema)
        try:
            self.schema = unified(self.schema, schema)
        except pa.ArrowException:
            raise _Disputed([*self._disputed(path, schema)]) from None

    def cast(self, table: pa.Table) -> pa.Table:
        """The same columns in one order and with the types of all."""
        return widened(table, self.schema)

    def _disputed(self, path: Path, schema: pa.Schema) -> Iterator[str]:
        for known in self.schema:
            other = schema.field(known.name)
            try:
                unified(pa.schema([known]), pa.schema([other]))
            except pa.ArrowException:
                if self._first is None or any(suffix(each) in TYPED for each in (self._first, path)):
                    kinds = f"{other.type}, in {self._first} {known.type}"
                    raise DataError(f"{path}: column {known.name!r} holds {kinds}") from None
                yield known.name


def unified(*schemas: pa.Schema) -> pa.Schema:
    """One that can hold them all, also whole numbers with and without a sign. Raises `pa.ArrowException`."""
    if any(each != schemas[0] for each in schemas) and any(pa.uint64() in each.types for each in schemas):
        schemas = tuple(
            pa.schema([pa.field(f.name, WIDE if f.type == pa.uint64() else f.type) for f in each]) for each in schemas
        )
    return pa.unify_schemas([*schemas], promote_options="permissive")


def widened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same columns in the order and with the types of a schema that can hold them: whole numbers may be rounded."""
    return table if table.schema.equals(schema) else table.select(schema.names).cast(schema, safe=False)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """What goes wrong with a file as a `DataError` that names it."""
    try:
        if path.is_fifo():
            raise DataError(f"{path}: cannot be read: it is a pipe, and a table is gone through more than once")
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8: the name of a column holds {error.object[:20]!r}") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a table: {_line(error)}") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read: {_line(error)}") from None


def _refuse_differing(path: Path, schema: pa.Schema, other: Path, first: pa.Schema) -> None:
    """Raise `DataError` for a column that one of two files lacks."""
    for lacks, has, here, there in ((path, other, schema, first), (other, path, first, schema)):
        names = set(here.names)
        if missing := [name for name in there.names if name not in names]:
            raise DataError(
                f"{lacks}: there is no column {missing[0]!r}, as in {has}; files read together have the same columns"
            )


def _line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]
