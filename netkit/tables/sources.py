"""Where a table comes from: files of one or more formats, or a URI, read whole or piece by piece."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from netkit.errors import DataError
from netkit.files.places import scheme
from netkit.kinds import TextReader
from netkit.tables.columns import UNNAMED, is_text, place, plain_table, writable
from netkit.tables.readable import Readable, one_line
from netkit.tables.readers import Readers
from netkit.tables.spelling import Spelling

__all__ = ["Files", "InMemory", "Source", "Types", "unified", "widened"]

Taken = TypeVar("Taken")
WIDE = pa.decimal128(20, 0)
"""Holds every whole number of 64 bits; pyarrow would have one that is too large for a sign wrap around."""


@dataclass(frozen=True)
class Files:
    """The table in a file, or in all files of a folder or a pattern, in sorted order, or behind a URI. Where readers
    guess types, `text` names columns that are text whatever they look like, `spelled` gathers how those of others are
    written."""

    where: str
    text: tuple[str, ...] = ()
    spelled: Mapping[str, Spelling] = field(default_factory=dict)
    readers: Readers = field(default_factory=Readers)

    @property
    def readables(self) -> list[Readable]:
        """The files. Raises `DataError` when there is none, `PluginError` where two readers have one."""
        if scheme(self.where):
            return [self.readers.of(self.where)]
        path = Path(self.where)
        with one_line(str(path)):
            folder, there = path.is_dir(), path.exists()
        if folder:
            files = sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith((".", "_")))
            found = [each for each in map(self.readers.of, map(str, files)) if each.known]
        else:
            files = [path] if there else sorted(Path(each) for each in glob.glob(self.where, recursive=True))
            found = [self.readers.of(str(each)) for each in files]
        if not found:
            reason = f"no {', '.join(self.readers.suffixes)} file is in it" if folder else "no such file"
            raise DataError(f"{self.where}: cannot be read: {reason}")
        return found

    def settled(self, take: Callable[[Files], Taken]) -> Taken:
        """What `take` makes of the files; once more when `Types` found columns that must be text from the start."""
        files = self
        while True:
            try:
                return take(files)
            except _Disputed as found:
                if {*found.names} & {*files.text}:  # its reader says itself of what type it is
                    raise found.error from None
                files = replace(files, text=(*files.text, *found.names))

    def pieces(self, size: int | None) -> Iterator[tuple[str, pa.Table]]:
        """The rows in order, in pieces of about `size` bytes with types of their own, each with its file; without a
        size all at once. Raises `DataError` for what cannot be read, and where the columns of two files differ."""
        if size is None:
            yield self.where, plain_table(self._table())
            return
        first: tuple[str, pa.Schema] | None = None
        for readable in self.readables:
            for piece in self._read(readable, size):
                first = first or (readable.where, piece.schema)
                _refuse_differing(readable.where, piece.schema, *first)
                yield readable.where, plain_table(piece)

    def _table(self) -> pa.Table:
        types, tables = Types(), []
        for readable in self.readables:
            for piece in self._read(readable, None):
                types.meet(readable.where, piece.schema)
                tables.append(piece)
        return pa.concat_tables([types.cast(table) for table in tables])

    def _read(self, readable: Readable, size: int | None) -> Iterator[pa.Table]:
        reader = readable.reader
        if not isinstance(reader, TextReader):
            yield from map(_named, readable.pieces(size))
            return
        words = {name for name in (*reader.text, *self.text, *self.spelled) if writable(name)}
        words |= {""} if UNNAMED in words else set()
        for piece in replace(readable, reader=replace(reader, text=tuple(words))).pieces(size):
            yield self._typed(readable, reader, _named(piece))

    def _typed(self, readable: Readable, reader: TextReader, table: pa.Table) -> pa.Table:
        """The table with the values of the columns that were read as text for their spelling alone."""
        for name in {*self.spelled} - {*reader.text, *self.text}:
            if (found := place(table.schema, name)) >= 0 and is_text(table[name]):
                with readable.one_line():
                    values = self.spelled[name].typed(table[name], reader.values)
                table = table.set_column(found, name, values)
        return table


@dataclass(frozen=True)
class InMemory:
    """A table in memory, in the same way."""

    table: pa.Table
    where = "table"
    readables: tuple[Readable, ...] = ()
    spelled: Mapping[str, Spelling] = field(default_factory=dict)

    def settled(self, take: Callable[[InMemory], Taken]) -> Taken:
        """What `take` makes of it."""
        return take(self)

    def pieces(self, size: int | None) -> Iterator[tuple[str, pa.Table]]:
        """The rows in order, in pieces of about `size` bytes, or all at once."""
        rows = len(self.table) if size is None else size * len(self.table) // max(self.table.nbytes, 1)
        for start in range(0, max(len(self.table), 1), max(rows, 1)):
            yield self.where, self.table.slice(start, max(rows, 1))


Source = Files | InMemory


class _Disputed(Exception):
    """Columns that are text in one place and something else in another."""

    def __init__(self, names: list[str], error: DataError) -> None:
        super().__init__(*names)
        self.names, self.error = names, error


class Types:
    """The one type of each column in all the tables that have been met: whole numbers and others are others, and what
    is missing everywhere takes any type."""

    def __init__(self) -> None:
        self._first = ""
        self.schema = pa.schema([])

    def meet(self, where: str, schema: pa.Schema) -> None:
        """Take in the columns of another table. Raises `DataError` where a column is missing, and what `Files.settled`
        waits for where two types do not meet."""
        if not self._first:
            self._first, self.schema = where, schema
        if self.schema.equals(schema):
            return
        _refuse_differing(where, schema, self._first, self.schema)
        try:
            self.schema = unified(self.schema, schema)
        except pa.ArrowException:
            raise self._dispute(where, schema) from None

    def cast(self, table: pa.Table) -> pa.Table:
        """The same columns in one order and with the types of all."""
        return widened(table, self.schema)

    def _dispute(self, where: str, schema: pa.Schema) -> _Disputed:
        pairs = [(known, schema.field(known.name)) for known in self.schema]
        known, other = zip(*(pair for pair in pairs if not _meet(*pair)))
        kinds = f"{other[0].type}, in {self._first} {known[0].type}"
        error = DataError(f"{where}: column {known[0].name!r} holds {kinds}")
        return _Disputed([each.name for each in known], error)


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


def _meet(one: pa.Field, other: pa.Field) -> bool:
    try:
        unified(pa.schema([one]), pa.schema([other]))
    except pa.ArrowException:
        return False
    return True


def _named(table: pa.Table) -> pa.Table:
    """The table with a name for its first column, where that is the only one without."""
    names = table.column_names
    lacks = [name for name in names if not name.strip()]
    if len(names) < 2 or len(lacks) != 1 or names[0].strip() or UNNAMED in names:
        return table
    return table.rename_columns([UNNAMED, *names[1:]])


def _refuse_differing(where: str, schema: pa.Schema, other: str, first: pa.Schema) -> None:
    """Raise `DataError` for a column that one of two files lacks."""
    for lacks, has, here, there in ((where, other, schema, first), (other, where, first, schema)):
        names = set(here.names)
        if missing := [name for name in there.names if name not in names]:
            raise DataError(
                f"{lacks}: there is no column {missing[0]!r}, as in {has}; files read together have the same columns"
            )
