"""Where a table comes from: files of one or more formats, read whole or batch by batch."""

from __future__ import annotations

import glob
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet

from netkit.errors import DataError, SettingError

__all__ = ["Files"]

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "none", "#N/A", "?"]
"""Cells that count as missing, in columns of numbers and of text alike."""
COMPRESSED = (".gz", ".zst", ".bz2", ".lz4")
BLOCK = 2**21
"""Bytes of a CSV file that one thread reads at a time; no row may be longer."""


@dataclass(frozen=True)
class Files:
    """The table in a file, or in all files of a folder or a pattern, in sorted order. `text` names columns of CSV files
    that are text whatever they look like. Raises `SettingError` for a separator that cannot be."""

    where: str
    separator: str | None = None
    decimal: str = "."
    text: tuple[str, ...] = ()

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
        if path.is_dir():
            found = [each for each in path.rglob("*") if each.is_file() and _suffix(each) in FORMATS]
            found = [each for each in found if not each.name.startswith((".", "_"))]
        else:
            found = [path] if path.exists() else [Path(each) for each in glob.glob(self.where, recursive=True)]
        if not found:
            reason = f"no {', '.join(FORMATS)} file is in it" if path.is_dir() else "no such file"
            raise DataError(f"{self.where}: cannot be read: {reason}")
        return sorted(found)

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types. CSV and JSON files are read through for it, one at a time."""
        return self._settled()[1]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order, one file in memory at a time."""
        files, schema = self._settled()
        for path in files.paths:
            yield from _as(schema, files._file(path)).to_batches()

    def table(self) -> pa.Table:
        """All of it. Raises `DataError` for what cannot be read, and where the columns of two files differ."""
        paths = self.paths
        tables = [self._file(path) for path in paths]
        schema, text = _common(paths, [table.schema for table in tables])
        if text:
            return replace(self, text=(*self.text, *text)).table()
        return pa.concat_tables([_as(schema, table) for table in tables])

    def _settled(self) -> tuple[Files, pa.Schema]:
        """Itself with all the columns that must be text, and the schema."""
        paths = self.paths
        schema, text = _common(paths, [self._file(path).schema for path in paths])
        return replace(self, text=(*self.text, *text))._settled() if text else (self, schema)

    def _file(self, path: Path) -> pa.Table:
        if path.is_fifo():
            raise DataError(f"{path}: cannot be read: it is a pipe, and a table is gone through more than once")
        try:
            return FORMATS.get(_suffix(path), _csv)(path, self)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8: the name of a column holds {error.object[:20]!r}") from None
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: not a table: {_line(error)}") from None
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: cannot be read: {_line(error)}") from None


def _as(schema: pa.Schema, table: pa.Table) -> pa.Table:
    """The same columns in the order and with the types of the schema."""
    return table if table.schema.equals(schema) else table.select(schema.names).cast(schema)


def _common(paths: list[Path], schemas: list[pa.Schema]) -> tuple[pa.Schema, list[str]]:
    """One schema for all files, and the columns that are text in one CSV file and something else in another."""
    first = schemas[0]
    if len(schemas) == 1:
        return first, []
    for path, schema in zip(paths, schemas):
        for lacks, has, name in _differing(path, schema, paths[0], first):
            raise DataError(f"{lacks}: there is no column {name!r}, as in {has}; files read together have the same columns")
    try:
        return pa.unify_schemas([*schemas], promote_options="permissive"), []
    except pa.ArrowException:
        return first, _disputed(paths, schemas)


def _differing(path: Path, schema: pa.Schema, other: Path, first: pa.Schema) -> Iterator[tuple[Path, Path, str]]:
    yield from ((path, other, name) for name in first.names if name not in schema.names)
    yield from ((other, path, name) for name in schema.names if name not in first.names)


def _disputed(paths: list[Path], schemas: list[pa.Schema]) -> list[str]:
    """Columns whose types do not meet, to be read as text. Raises `DataError` where a file gives its types itself."""
    disputed = []
    for name in schemas[0].names:
        for path, schema in zip(paths, schemas):
            try:
                pa.unify_schemas([pa.schema([each.field(name)]) for each in (schemas[0], schema)], promote_options="permissive")
            except pa.ArrowException:
                if any(_suffix(each) in TYPED for each in (paths[0], path)):
                    kinds = f"{schema.field(name).type}, in {paths[0]} {schemas[0].field(name).type}"
                    raise DataError(f"{path}: column {name!r} holds {kinds}") from None
                disputed.append(name)
                break
    return disputed


def _suffix(path: Path) -> str:
    """`.csv` of data.csv and of data.csv.gz."""
    left = [each for each in path.suffixes if each not in COMPRESSED]
    return left[-1].lower() if left else ""


def _csv(path: Path, files: Files) -> pa.Table:
    separator = files.separator or ("\t" if _suffix(path) == ".tsv" else ",")
    _refuse_head(path, separator)
    parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=_quotes(path))
    convert = pyarrow.csv.ConvertOptions(
        null_values=MISSING, strings_can_be_null=True, quoted_strings_can_be_null=False, decimal_point=files.decimal,
        column_types={name: pa.string() for name in files.text})  # fmt: skip
    read = pyarrow.csv.ReadOptions(block_size=BLOCK)
    try:
        table = pyarrow.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
        if table.column_names and not any(map(pa.types.is_binary, table.schema.types)):  # asking for names decodes them
            return table
    except (pa.ArrowInvalid, UnicodeDecodeError):
        _refuse_encoding(path)
        raise
    _refuse_encoding(path)
    return table


def _quotes(path: Path) -> bool:
    """Whether a CSV file may have quotes behind its header, between which lines can end; one without is read faster."""
    if path.suffix in COMPRESSED:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"', content.find(b"\n")) >= 0


def _refuse_head(path: Path, separator: str) -> None:
    """Raise `DataError` when the file cannot be CSV, or not with this separator."""
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


def _refuse_encoding(path: Path) -> None:
    """Raise `DataError` for the first line that is not UTF-8."""
    with pa.input_stream(str(path)) as file:
        for number, line in enumerate(file.read().split(b"\n"), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                start = max(0, error.start - 20)
                raise DataError(f"{path}: not UTF-8: line {number} holds {line[start : error.end]!r}") from None


def _parquet(path: Path, files: Files) -> pa.Table:
    return _sound(pyarrow.parquet.read_table(path))


def _arrow(path: Path, files: Files) -> pa.Table:
    return _sound(pyarrow.feather.read_table(path))


def _json(path: Path, files: Files) -> pa.Table:
    return _sound(pyarrow.json.read_json(path))


def _sound(table: pa.Table) -> pa.Table:
    """The table, when offsets lie in their buffers and text is UTF-8: pyarrow believes a damaged file, and crashes later."""
    table.validate(full=True)
    assert table.column_names
    return table


def _line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]


FORMATS: dict[str, Callable[[Path, Files], pa.Table]] = {
    ".csv": _csv, ".tsv": _csv, ".txt": _csv, ".parquet": _parquet, ".arrow": _arrow, ".feather": _arrow,
    ".jsonl": _json, ".ndjson": _json,
}  # fmt: skip
"""How a file is read, by its suffix; any other is taken for CSV."""
TYPED = {suffix for suffix, reader in FORMATS.items() if reader is not _csv}
"""Formats that say themselves what type a column has."""
