"""Formats of text: CSV and JSON lines."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from netkit import DataError, Reader, SettingError, TextReader

__all__ = ["Csv", "JsonLines"]

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "none", "#N/A", "?"]
"""Cells that count as missing, in columns of numbers and of text alike."""
PACKED = (".gz", ".zst", ".bz2", ".lz4")
NULL = re.compile(rb"(?:\A|\n)\s*null")
"""A row of JSON that is null. Where one begins a block, pyarrow crashes."""
BLOCK = 2**21
"""Bytes of a CSV file that one thread reads at a time; no row may be longer."""


@dataclass(frozen=True)
class Csv(TextReader):
    """Comma-separated values in UTF-8 (RFC 4180), packed or not; in .tsv a tab separates. NA, nan, null, ? and the like
    are missing, but not in quotes."""

    separator: str | None = None
    decimal: str = "."

    suffixes = (".csv", ".tsv", ".txt")

    def __post_init__(self) -> None:
        for name, value in (("separator", self.separator), ("decimal", self.decimal)):
            if isinstance(value, str) and len(value) != 1:
                raise SettingError(f"{name}: one character is needed, got {value!r}")
            if isinstance(value, str) and (not value.isascii() or value in '"\r\n\0'):
                raise SettingError(f"{name}: a character of ASCII, no quote and no line end, is needed, got {value!r}")

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        tabs = re.search(r"\.tsv(\.(gz|zst|bz2|lz4))*$", where, re.IGNORECASE)
        separator = self.separator or ("\t" if tabs else ",")
        if self.decimal == separator:
            raise SettingError(f"decimal: {self.decimal!r} is the separator of columns too")
        _refuse_other(where, separator)
        if size is None:
            yield self._whole(where, separator)
        else:
            yield from self._pieces(where, separator, size)

    def values(self, words: pa.Array) -> pa.Array:
        """Numbers, dates and the like; whole numbers too large for 64 bits are decimals."""
        lines = "".join('"{}"\n'.format(word.replace('"', '""')) for word in words.drop_null().to_pylist())
        found = _parsed(_in_memory(f'"x"\n{lines}'.encode()), ",", self.decimal, True, ())["x"].combine_chunks()
        if pa.types.is_floating(found.type) and pc.all(pc.match_substring_regex(words, r"^\s*[+-]?\d+\s*$")).as_py():
            with suppress(pa.ArrowInvalid):
                return pc.cast(pc.utf8_trim_whitespace(words), pa.decimal256(76, 0))
        return found

    def _whole(self, where: str, separator: str) -> pa.Table:
        try:
            table = _parsed(where, separator, self.decimal, _quotes(where), self.text)
            if _decodes(table):
                return table
        except (pa.ArrowInvalid, UnicodeDecodeError):
            _refuse_encoding(where)
            raise
        _refuse_encoding(where)
        return table

    def _pieces(self, where: str, separator: str, size: int) -> Iterator[pa.Table]:
        rows = 0
        with pa.input_stream(where) as file:
            for text in _rows(file, size, separator):
                try:
                    table = _parsed(_in_memory(text), separator, self.decimal, b'"' in text, self.text)
                    sound = _decodes(table)
                except (pa.ArrowInvalid, UnicodeDecodeError) as error:
                    _refuse_encoding(where)
                    raise pa.ArrowInvalid(f"behind row {rows}: {error}" if rows else str(error)) from None
                if not sound:
                    _refuse_encoding(where)
                rows += table.num_rows
                del text  # the next piece is read while this one is used
                yield table

    def sample(self, table: pa.Table, folder: Path) -> str:
        where = str(folder / "sample.csv")
        for number, values in enumerate(table.columns):
            if pa.types.is_floating(values.type):
                words = pc.replace_substring(pc.cast(values, pa.string()), ".", self.decimal)
                table = table.set_column(number, table.column_names[number], words)
        pyarrow.csv.write_csv(table, where, pyarrow.csv.WriteOptions(delimiter=self.separator or ","))
        return where

    @classmethod
    def examples(cls) -> Iterator[Csv]:
        yield cls()
        yield cls(separator=";", decimal=",")


@dataclass(frozen=True)
class JsonLines(Reader):
    """A JSON object a line, packed or not. A name that an object lacks is missing there."""

    suffixes = (".jsonl", ".ndjson")

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        # a row need not name every column, so the names are gathered first
        names = (
            dict.fromkeys(name for piece in self._pieces(where, size) for name in piece.column_names) if size else ()
        )
        if not names:
            yield self._whole(where)
            return
        for piece in self._pieces(where, size):
            empty = pa.nulls(piece.num_rows)
            given = set(piece.column_names)
            yield pa.table({name: piece[name] if name in given else empty for name in names})

    def _whole(self, where: str) -> pa.Table:
        with pa.input_stream(where) as file:
            for text in _lines(file, BLOCK):
                _refuse_null(text)
        return _sound(pyarrow.json.read_json(where))

    def _pieces(self, where: str, size: int | None) -> Iterator[pa.Table]:
        with pa.input_stream(where) as file:
            for text in _lines(file, size or BLOCK):
                if text.strip():
                    _refuse_null(text)
                    yield _sound(pyarrow.json.read_json(_in_memory(text)))

    def sample(self, table: pa.Table, folder: Path) -> str:
        path = folder / "sample.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")
        return str(path)


def _parsed(source: Any, separator: str, decimal: str, quotes: bool, text: Iterable[str]) -> pa.Table:
    parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=quotes)
    convert = pyarrow.csv.ConvertOptions(
        null_values=MISSING,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        decimal_point=decimal,
        column_types={name: pa.string() for name in text},
    )
    read = pyarrow.csv.ReadOptions(block_size=BLOCK)
    return pyarrow.csv.read_csv(source, read_options=read, parse_options=parse, convert_options=convert)


def _decodes(table: pa.Table) -> bool:
    """Whether all is UTF-8: columns that are not become binary, names raise UnicodeDecodeError when asked for."""
    return bool(table.column_names) and not any(map(pa.types.is_binary, table.schema.types))


def _in_memory(text: bytes) -> pa.BufferReader:
    """The text in memory of Arrow's own. Its threads may hold a source until the process ends, and letting go of
    Python's bytes when Python has ended aborts it."""
    sink = pa.BufferOutputStream()
    sink.write(text)
    return pa.BufferReader(sink.getvalue())


def _quotes(where: str) -> bool:
    """Whether a file may have quotes behind its header, between which lines can end; one without is read faster."""
    if where.endswith(PACKED):
        return True
    with open(where, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"', content.find(b"\n")) >= 0


def _refuse_other(where: str, separator: str) -> None:
    """Raise `DataError` for what cannot be CSV, or not with this separator."""
    with pa.input_stream(where) as file:
        head = file.read(4096)
    if not head.strip():
        raise DataError(f"{where}: the file is empty")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{where}: not UTF-8 but UTF-16")
    if b"\0" in head:
        raise DataError(f"{where}: not a CSV file: it holds zero bytes")
    names = head.splitlines()[0].decode(errors="replace")
    if separator not in names and (others := [mark for mark in ";\t|," if mark in names]):
        raise DataError(f"{where}: one column {names!r}; is {others[0]!r} the separator?")


def _refuse_encoding(where: str) -> None:
    """Raise `DataError` for the first line that is not UTF-8."""
    number = 0
    with pa.input_stream(where) as file:
        for text in _lines(file, BLOCK):
            for line in text.removesuffix(b"\n").split(b"\n"):
                number += 1
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    start = max(0, error.start - 20)
                    raise DataError(f"{where}: not UTF-8: line {number} holds {line[start : error.end]!r}") from None


def _refuse_null(text: bytes) -> None:
    if NULL.search(text):
        raise pa.ArrowInvalid("a row is null; every row is an object")


def _sound(table: pa.Table) -> pa.Table:
    """The table, when its text is UTF-8: pyarrow believes what it reads, and crashes later."""
    table.validate(full=True)
    return table.rename_columns(table.column_names)  # asking for the names decodes them


def _lines(file: Any, size: int) -> Iterator[bytes]:
    """The text in pieces of about `size` bytes, each of whole lines."""
    yield from _cut(file, size, lambda text: text.rfind(b"\n") + 1)


def _rows(file: Any, size: int, separator: str) -> Iterator[bytes]:
    """A CSV file in pieces of about `size` bytes, each of whole rows behind the line of names. Lines may end between
    quotes, which begin where a field begins."""
    head = b""
    for text in _cut(file, size, lambda text: _row_end(text, separator)):
        yield head + text
        head = head or _head(text, separator)


def _cut(file: Any, size: int, end: Callable[[bytes], int]) -> Iterator[bytes]:
    """Pieces up to the `end` of what has been read so far; one without an end grows until it has one."""
    left: list[bytes] = []
    while chunk := file.read(size):
        left.append(chunk)
        if b"\n" in chunk:
            text = left[0] if len(left) == 1 else b"".join(left)
            cut = end(text)
            left = [text[cut:]]
            if cut:
                yield text[:cut]
    if any(left):
        yield b"".join(left)


def _row_end(text: bytes, separator: str) -> int:
    """Where the last whole row of a text that begins with a row ends; 0 without one."""
    cut = text.rfind(b"\n") + 1
    # an even number is no proof where quotes stand in fields without quotes, and lines end between quotes as well;
    # nobody writes both, and to look at every field would double the time of a quoted file
    if text.count(b'"', 0, cut) % 2 == 0:
        return cut
    cut = behind = 0  # an end of line between quotes, or a lone quote in a field: look closely
    for field in _quoted(separator).finditer(text):
        cut = text.rfind(b"\n", behind, field.start()) + 1 or cut
        behind = field.end()
    return text.rfind(b"\n", behind) + 1 or cut


@cache
def _quoted(separator: str) -> re.Pattern[bytes]:
    """A field in quotes, from the first to the last, or to the end of the text where that is still to come."""
    before = rb"(?:(?<=[\r\n%s]\")|(?<=\A\"))" % re.escape(separator.encode()) if len(separator.encode()) == 1 else b""
    return re.compile(rb'"' + before + rb'(?:[^"]++|"")*+(?:"|\Z)')


def _head(text: bytes, separator: str) -> bytes:
    """The line of names, with empty lines before it."""
    end = 0
    while end := text.find(b"\n", end) + 1:
        if text[:end].strip() and _row_end(text[:end], separator) == end:
            return text[:end]
    return text
