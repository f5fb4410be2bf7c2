"""How files of each format are read: whole, or in pieces of bounded size that each have their own types."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet

from netkit.errors import DataError
from netkit.tables.chunks import csv_texts, line_texts
from netkit.tables.columns import UNNAMED, is_text, labels, place, writable

__all__ = ["COMPRESSED", "FORMATS", "TYPED", "Dialect", "Format", "Spelling", "format_of", "suffix"]

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "none", "#N/A", "?"]
"""Cells that count as missing, in columns of numbers and of text alike."""
COMPRESSED = (".gz", ".zst", ".bz2", ".lz4")
NULL = re.compile(rb"(?:\A|\n)\s*null")
"""A row of JSON that is null. Where one begins a block, pyarrow crashes."""
BLOCK = 2**21
"""Bytes of a CSV file that one thread reads at a time; no row may be longer."""
SPELLINGS = 2**16
"""Values of which a spelling is kept; where there are more, they are no classes."""


class Spelling:
    """How the values of a column of CSV files are written: each as it was first met."""

    def __init__(self) -> None:
        self.first: dict[Any, str] = {}

    def typed(self, words: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray:
        """The values that pyarrow would read from these words, but whole numbers of any size to the last digit."""
        encoded = pc.dictionary_encode(words).combine_chunks()
        values = _values(encoded.dictionary, dialect)
        if is_text(values):
            return words
        if len(self.first) <= SPELLINGS >= len(values):
            places, found = labels(values)
            for number, word in zip(places.tolist(), encoded.dictionary.to_pylist()):
                self.first.setdefault(found[number], word)
        return pa.chunked_array([values.combine_chunks().take(encoded.indices)])


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written, which of its columns are text whatever they look like, and of which the spelling is
    kept."""

    separator: str | None = None
    decimal: str = "."
    text: tuple[str, ...] = ()
    spelled: Mapping[str, Spelling] = field(default_factory=dict)


class Format(NamedTuple):
    """Two ways to read a file; the second takes the bytes of a piece, as they are in memory or in the text."""

    whole: Callable[[Path, Dialect], pa.Table]
    pieces: Callable[[Path, Dialect, int], Iterator[pa.Table]]


def suffix(path: Path) -> str:
    """`.csv` of data.csv and of data.csv.gz."""
    left = [each for each in path.suffixes if each not in COMPRESSED]
    return left[-1].lower() if left else ""


def format_of(path: Path) -> Format:
    """By its suffix; any that is not known is taken for CSV."""
    return FORMATS.get(suffix(path), CSV)


def _csv(path: Path, dialect: Dialect) -> pa.Table:
    separator = _separator(path, dialect)
    try:
        table = _parsed(path, dialect, separator, _quotes(path))
        if table.column_names and not any(map(pa.types.is_binary, table.schema.types)):  # asking for names decodes them
            return table
    except (pa.ArrowInvalid, UnicodeDecodeError):
        _refuse_encoding(path)
        raise
    _refuse_encoding(path)
    return table


def _csv_pieces(path: Path, dialect: Dialect, size: int) -> Iterator[pa.Table]:
    separator, rows = _separator(path, dialect), 0
    with pa.input_stream(str(path)) as file:
        for text in csv_texts(file, size, separator):
            try:
                table = _parsed(_source(text), dialect, separator, b'"' in text)
                sound = table.column_names and not any(map(pa.types.is_binary, table.schema.types))
            except (pa.ArrowInvalid, UnicodeDecodeError) as error:
                _refuse_encoding(path)
                raise pa.ArrowInvalid(f"behind row {rows}: {error}" if rows else str(error)) from None
            if not sound:
                _refuse_encoding(path)
            rows += table.num_rows
            del text  # the next piece is read while this one is used
            yield table


def _parsed(source: Path | pa.NativeFile, dialect: Dialect, separator: str, quotes: bool) -> pa.Table:
    words = {name for name in (*dialect.text, *dialect.spelled) if writable(name)}
    table = _named(_read(source, separator, quotes, dialect.decimal, words | ({""} if UNNAMED in words else set())))
    for name, spelling in dialect.spelled.items():
        if name not in dialect.text and (found := place(table.schema, name)) >= 0:
            table = table.set_column(found, name, spelling.typed(table[name], dialect))
    return table


def _read(source: Any, separator: str, quotes: bool, decimal: str, words: Iterable[str]) -> pa.Table:
    parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=quotes)
    convert = pyarrow.csv.ConvertOptions(
        null_values=MISSING,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        decimal_point=decimal,
        column_types={name: pa.string() for name in words},
    )
    read = pyarrow.csv.ReadOptions(block_size=BLOCK)
    return pyarrow.csv.read_csv(source, read_options=read, parse_options=parse, convert_options=convert)


def _named(table: pa.Table) -> pa.Table:
    """The table with a name for its first column, where that is the only one without."""
    names = table.column_names
    lacks = [name for name in names if not name.strip()]
    if len(names) < 2 or len(lacks) != 1 or names[0].strip() or UNNAMED in names:
        return table
    return table.rename_columns([UNNAMED, *names[1:]])


def _values(words: pa.Array, dialect: Dialect) -> pa.ChunkedArray:
    """What distinct words are, read as a column of a CSV file; whole numbers too large for 64 bits are decimals."""
    lines = "".join('"{}"\n'.format(word.replace('"', '""')) for word in words.drop_null().to_pylist())
    values = _read(_source(f'"x"\n{lines}'.encode()), ",", True, dialect.decimal, ())["x"]
    if pa.types.is_floating(values.type) and pc.all(pc.match_substring_regex(words, r"^\s*[+-]?\d+\s*$")).as_py():
        with suppress(pa.ArrowInvalid):
            return pa.chunked_array([pc.cast(pc.utf8_trim_whitespace(words), pa.decimal256(76, 0))])
    return values


def _source(text: bytes) -> pa.BufferReader:
    """The text in memory of Arrow's own. Its threads may hold a source until the process ends, and letting go of
    Python's bytes when Python has ended aborts it."""
    sink = pa.BufferOutputStream()
    sink.write(text)
    return pa.BufferReader(sink.getvalue())


def _quotes(path: Path) -> bool:
    """Whether a CSV file may have quotes behind its header, between which lines can end; one without is read faster."""
    if path.suffix in COMPRESSED:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"', content.find(b"\n")) >= 0


def _separator(path: Path, dialect: Dialect) -> str:
    """The separator of a CSV file. Raises `DataError` when the file cannot be CSV, or not with this separator."""
    separator = dialect.separator or ("\t" if suffix(path) == ".tsv" else ",")
    with pa.input_stream(str(path)) as file:
        head = file.read(4096)
    if not head.strip():
        raise DataError(f"{path}: the file is empty")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: not UTF-8 but UTF-16")
    if b"\0" in head:
        raise DataError(f"{path}: not a CSV file: it holds zero bytes")
    names = head.splitlines()[0].decode(errors="replace")
    if separator not in names and (others := [mark for mark in ";\t|," if mark in names]):
        raise DataError(f"{path}: one column {names!r}; is {others[0]!r} the separator?")
    return separator


def _refuse_encoding(path: Path) -> None:
    """Raise `DataError` for the first line that is not UTF-8."""
    number = 0
    with pa.input_stream(str(path)) as file:
        for text in line_texts(file, BLOCK):
            for line in text.removesuffix(b"\n").split(b"\n"):
                number += 1
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    start = max(0, error.start - 20)
                    raise DataError(f"{path}: not UTF-8: line {number} holds {line[start : error.end]!r}") from None


def _parquet(path: Path, dialect: Dialect) -> pa.Table:
    return _sound(pyarrow.parquet.read_table(path))


def _parquet_pieces(path: Path, dialect: Dialect, size: int) -> Iterator[pa.Table]:
    with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**16) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        bulk = sum(group.total_byte_size for group in groups)
        rows = max(1, size * file.metadata.num_rows // max(bulk, 1))
        for batch in file.iter_batches(min(rows, file.metadata.num_rows) or 1):
            yield _sound(pa.Table.from_batches([batch]))
        if not groups:
            yield file.schema_arrow.empty_table()


def _arrow(path: Path, dialect: Dialect) -> pa.Table:
    return _sound(pyarrow.feather.read_table(path))


def _arrow_pieces(path: Path, dialect: Dialect, size: int) -> Iterator[pa.Table]:
    with pa.OSFile(str(path)) as source:
        file = pa.ipc.open_file(source)
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            rows = max(1, size * len(batch) // max(batch.nbytes, 1))
            for start in range(0, len(batch), rows):
                yield _sound(pa.Table.from_batches([batch.slice(start, rows)]))
        if not file.num_record_batches:
            yield file.schema.empty_table()


def _json(path: Path, dialect: Dialect) -> pa.Table:
    with pa.input_stream(str(path)) as file:
        for text in line_texts(file, BLOCK):
            _refuse_null(text)
    return _sound(pyarrow.json.read_json(path))


def _refuse_null(text: bytes) -> None:
    if NULL.search(text):
        raise pa.ArrowInvalid("a row is null; every row is an object")


def _json_pieces(path: Path, dialect: Dialect, size: int) -> Iterator[pa.Table]:
    """A row need not name every column, so the names are gathered first."""
    names = dict.fromkeys(name for piece in _json_tables(path, size) for name in piece.column_names)
    for piece in _json_tables(path, size):
        empty = pa.nulls(piece.num_rows)
        given = set(piece.column_names)
        yield pa.table({name: piece[name] if name in given else empty for name in names})


def _json_tables(path: Path, size: int) -> Iterator[pa.Table]:
    with pa.input_stream(str(path)) as file:
        for text in line_texts(file, size):
            if text.strip():
                _refuse_null(text)
                yield _sound(pyarrow.json.read_json(_source(text)))


def _sound(table: pa.Table) -> pa.Table:
    """The table, when offsets lie in their buffers and text is UTF-8: pyarrow believes a damaged file, and crashes
    later."""
    table.validate(full=True)
    return table.rename_columns(table.column_names)  # asking for the names decodes them


CSV, JSON = Format(_csv, _csv_pieces), Format(_json, _json_pieces)
PARQUET, ARROW = Format(_parquet, _parquet_pieces), Format(_arrow, _arrow_pieces)
FORMATS = {
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": CSV,
    ".parquet": PARQUET,
    ".arrow": ARROW,
    ".feather": ARROW,
    ".jsonl": JSON,
    ".ndjson": JSON,
}
TYPED = {suffix for suffix, each in FORMATS.items() if each is not CSV}
"""Formats that say themselves what type a column has."""
