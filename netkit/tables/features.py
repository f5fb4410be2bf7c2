"""The encoding of a table's columns, fitted on the training rows alone and stored with the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from netkit.errors import DataError, ModelFileError, SettingError
from netkit.tables.columns import UNNAMED, column, type_of
from netkit.tables.encoders import Codes, Column, Date, Number, Text
from netkit.tables.summaries import Levels, Numbers

__all__ = [
    "SKIP",
    "ColumnSummary",
    "Features",
    "TableSummary",
    "check_column_types",
    "text_among",
    "unnamed",
    "unseen_notes",
]

SKIP = "skip"
"""The type of a column that is left out."""
KINDS: dict[str, Any] = {"number": Number, "text": Text, "date": Date, "embedding": Codes}
TYPES = (*KINDS, SKIP)
"""What a column can be set to."""
SMALL = 20
"""A text column of more rows than this that never repeats itself is a name, and left out."""
BLOCK = 16384
"""Rows that are encoded at a time: what one column writes is still in the processor's cache for the next."""


@dataclass(frozen=True)
class Features:
    """Every column of the training table that says something, in the order of that table."""

    columns: tuple[Column, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What happened to the columns."""
    left_out: dict[str, str] = field(default_factory=dict, compare=False)
    """Why a column says nothing, by name."""

    @classmethod
    def fit(cls, table: pa.Table, exclude: tuple[str, ...] = (), types: Mapping[str, str] | None = None) -> Features:
        """From the training rows; `types` sets columns to one of `TYPES`, the others are read off their values.

        Raises `DataError` when no column is left, or one cannot be what it is set to; `SettingError` for another type.
        """
        summary = TableSummary(exclude, types)
        summary.feed(table)
        return cls.of(summary)

    @classmethod
    def of(cls, summary: TableSummary) -> Features:
        """From all that a summary has seen. Raises `DataError`."""
        types, names = summary.types, list(summary.columns)
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda name: _fitted(summary.columns[name], types.get(name)), names))
        columns = tuple(each for each in found if not isinstance(each, str))
        left_out = {name: each for name, each in zip(names, found) if isinstance(each, str)}
        notes = [f"{name}: left out: {reason}" for name, reason in left_out.items() if types.get(name) != SKIP]
        notes += [
            f"{each.name}: the {len(each.levels)} most frequent values keep an input each, the others share one"
            for each in columns
            if isinstance(each, Text) and each.other
        ]
        if not columns:
            raise DataError("no column is left to learn from" + "".join(f"; {note}" for note in notes))
        return cls(columns, tuple(notes), left_out)

    @property
    def names(self) -> list[str]:
        """The names of the inputs, such as `age`, `age (missing)`, `sex=male`."""
        return [name for each in self.columns for name in each.inputs]

    @property
    def width(self) -> int:
        """The number of inputs."""
        return len(self.names)

    @property
    def text(self) -> list[str]:
        """The columns that are text whatever their values look like."""
        return [each.name for each in self.columns if isinstance(each, (Text, Codes))]

    @property
    def codes(self) -> dict[int, tuple[int, int]]:
        """The inputs that hold codes, by position: levels and dimensions of the embedding that they are meant for."""
        return {start: each.size for each, start, _ in self._spans() if isinstance(each, Codes)}

    def transform(self, table: pa.Table) -> Tensor:
        """The inputs for every row, float32 (n, width). Raises `DataError` for a missing column or a wrong type."""
        inputs = torch.from_numpy(np.zeros((table.num_rows, self.width), np.float32))  # torch's would be written twice
        self.encode(table, inputs)
        return inputs

    def encode(self, table: pa.Table, inputs: Tensor) -> Counter[str]:
        """Write the inputs for every row over zeros; returns how many values each column had that training never
        saw."""
        given = pa.table({each.name: each.conform(column(table, each.name)) for each in self.columns})
        into, unseen = inputs.numpy(), Counter[str]()
        with ThreadPoolExecutor() as pool:
            for found in pool.map(lambda block: self._fill(into, *block), _blocks(given)):
                unseen.update(found)
        return unseen

    def _fill(self, inputs: np.ndarray, batch: pa.RecordBatch, row: int) -> dict[str, int]:
        """Write the inputs of a block of rows; returns how many values each column had that training never saw."""
        into = inputs[row : row + batch.num_rows]
        return {
            each.name: each.fill(values, into[:, start:end])
            for (each, start, end), values in zip(self._spans(), batch.columns)
        }

    def _spans(self) -> Iterator[tuple[Column, int, int]]:
        """Each column with its first input and the one behind its last."""
        end = 0
        for each in self.columns:
            start, end = end, end + len(each.inputs)
            yield each, start, end

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` makes the same encoding to the bit."""
        return {"columns": msgspec.to_builtins(self.columns)}

    @classmethod
    def from_json(cls, data: Any) -> Features:
        """Raises `ModelFileError`."""
        try:
            columns = msgspec.convert(data, dict[str, tuple[Column, ...]])["columns"]
        except (msgspec.ValidationError, KeyError) as error:
            raise ModelFileError(f"the preparation of the columns is damaged: {error}") from None
        if not columns:
            raise ModelFileError("the preparation of the columns is damaged: there is none")
        return cls(columns)


def unnamed(starts: Iterable[int | None], types: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The types with a first column without a name left out where it numbers the rows, and a note. `starts`: what
    `counted_from` gave for each piece that has one."""
    starts = set(starts)
    if not starts or UNNAMED in types:
        return {**types}, []
    if starts in ({0}, {1}):
        return {**types, UNNAMED: SKIP}, [f"{UNNAMED}: has no name in the file; left out: it numbers the rows"]
    return {**types}, [f"{UNNAMED}: has no name in the file"]


def unseen_notes(unseen: Mapping[str, int]) -> list[str]:
    """What to know of values that training never saw, by column."""
    return [
        f"{name}: {count} values that training never saw count as none of its levels"
        for name, count in unseen.items()
        if count
    ]


def text_among(types: Mapping[str, str]) -> list[str]:
    """The columns that are set to be text or codes for text, so they must be read as they are written."""
    return [name for name, kind in types.items() if KINDS.get(kind) in (Text, Codes)]


class TableSummary:
    """What an encoding is fitted from: every column but the excluded ones, fed with one piece of the table after
    another. `types` sets columns to one of `TYPES`."""

    def __init__(
        self,
        exclude: Container[str | None] = (),
        types: Mapping[str, str] | None = None,
        block: int | None = Numbers.block,
    ) -> None:
        self.types = types or {}
        self.columns: dict[str, ColumnSummary] = {}
        self._exclude, self._block = exclude, block

    def feed(self, table: pa.Table) -> None:
        """Take in a piece. Raises `DataError` when a column cannot be what it is set to; `SettingError` for another
        type."""
        check_column_types(self.types)
        for name in self.types:
            column(table, name)
        names = [name for name in table.column_names if name not in self._exclude]
        for name in names:
            self.columns.setdefault(name, ColumnSummary(name, self.types.get(name), self._block))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.columns[name].feed(table[name]), names))


class ColumnSummary:
    """One column in a summary. What it is shows at the first value that is not missing, where it is not set."""

    def __init__(self, name: str, kind: str | None, block: int | None) -> None:
        self.name, self.kind, self._block = name, kind, block
        self.type, self.rows = pa.null(), 0
        self.summary: Numbers | Levels | None = None
        self._begin()

    def feed(self, values: pa.ChunkedArray) -> None:
        """Take in a piece. Raises `DataError`."""
        if self.kind is None and not pa.types.is_null(values.type):
            self.type, self.kind = values.type, type_of(values)
            self._begin()
        if self.summary:
            self.summary.feed(values)
        self.rows += len(values)

    def _begin(self) -> None:
        """Start the summary, where it is known of what."""
        if self.kind in KINDS:
            self.summary = KINDS[self.kind].summary(self.name)
            self.summary.missing = self.rows
            if isinstance(self.summary, Numbers):
                self.summary.block = self._block


def check_column_types(types: Mapping[str, str]) -> None:
    """Raise `SettingError` where a column is set to something that none can be."""
    for name, kind in types.items():
        if kind not in TYPES:
            raise SettingError(f"columns: {name}: {', '.join(TYPES[:-1])} or {SKIP} is needed, got {kind!r}")


def _fitted(seen: ColumnSummary, given: str | None) -> Column | str:
    """The column as it is set, or else as its values are; the reason where it is left out."""
    if given == SKIP:
        return "as it is set"
    if not seen.kind:
        return "every value is missing" if seen.kind is None else f"{seen.type} is neither number, text nor date"
    if given is None and isinstance(seen.summary, Levels) and seen.rows > SMALL and seen.summary.differ:
        return "every value differs, as in a name"
    found: Column | str = KINDS[seen.kind].fit(seen.summary)
    return found


def _blocks(table: pa.Table) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Blocks of rows, each with the number of its first row."""
    row = 0
    for batch in table.to_batches(max_chunksize=BLOCK):
        yield batch, row
        row += batch.num_rows
