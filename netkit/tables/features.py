"""The encoding of a table's columns, fitted on the training rows alone and stored with the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from netkit import spec
from netkit.errors import DataError, ModelFileError, NetkitError, SettingError
from netkit.kinds import Encoder, Layer
from netkit.registry.culprit import blaming
from netkit.tables.columns import UNNAMED, column, is_text, type_of
from netkit.tables.date_formats import DIGITS, FORMATS, fitting
from netkit.tables.encoders import (
    READ,
    SKIP,
    Column,
    ColumnType,
    column_types,
    own_encoder,
    read_as,
    summary_of,
    takes_text,
)
from netkit.tables.row_numbers import RowNumbers
from netkit.tables.summaries import NumberSummary, TextSummary

__all__ = ["ColumnSummary", "Features", "TableSummary", "text_among", "unseen_notes"]

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
    def fit(cls, table: pa.Table, exclude: tuple[str, ...] = (), types: Mapping[str, Any] | None = None) -> Features:
        """From the training rows; `types` sets columns to encoders or leaves them out, the others are read off their
        values.

        Raises `DataError` when no column is left, or one cannot be what it is set to; `SettingError`,
        `UnknownComponent` for another type; `PluginError`.
        """
        summary = TableSummary(exclude, column_types(types or {}))
        summary.see(table)
        summary.feed(table)
        return cls.of(summary)

    @classmethod
    def of(cls, summary: TableSummary) -> Features:
        """From all that a summary has seen. Raises `DataError`, `PluginError`."""
        types, names = summary.types, list(summary.columns)
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda name: summary.columns[name].fitted(types.get(name)), names))
        columns = tuple(each for each in found if not isinstance(each, str))
        left_out = {name: each for name, each in zip(names, found) if isinstance(each, str)}
        notes = [f"{name}: left out: {reason}" for name, reason in left_out.items() if types.get(name) != SKIP]
        notes += [f"{each.name}: {note}" for each in columns if (note := each.note)]
        notes += [f"{each}: {note}" for each in names if each not in left_out for note in summary.columns[each].notes]
        if not columns:
            raise DataError("no column is left to learn from" + "".join(f"; {note}" for note in notes))
        return cls(columns, tuple(notes), left_out)

    @cached_property
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
        return text_among({each.name: each.encoder for each in self.columns})

    @property
    def encoders(self) -> list[Encoder]:
        """The encoder of each column."""
        return [each.encoder for each in self.columns]

    def layer(self) -> Layer | None:
        """The layer that takes what one of the encoders gives, where that brings one. Raises `SettingError` where two
        do, `PluginError`."""
        found = {}
        for kind in {type(encoder): None for encoder in self.encoders}:
            own = {start: each for each, start, _ in self._spans() if type(each.encoder) is kind}
            first = next(iter(own.values()))
            with blaming(first.encoder, ", ".join(each.name for each in own.values())):
                layer = kind.layer({start: (each.encoder, each.state) for start, each in own.items()})
                if layer is not None:
                    found[first.name] = spec.make("layer", layer)
        if len(found) > 1:
            brought = " and ".join(f"{name} {spec.name(layer)}" for name, layer in found.items())
            raise SettingError(f"columns: encoders may bring one layer to a network, here {brought}")
        return next(iter(found.values()), None)

    def transform(self, table: pa.Table) -> Tensor:
        """The inputs for every row, float32 (n, width). Raises `DataError` for a missing column or a wrong type,
        `PluginError`."""
        inputs = torch.from_numpy(np.zeros((table.num_rows, self.width), np.float32))  # torch's would be written twice
        self.encode(table, inputs)
        return inputs

    def encode(self, table: pa.Table, inputs: Tensor) -> Counter[str]:
        """Write the inputs for every row over zeros; returns how many values each column had that training never
        saw."""
        given = pa.table(
            {each.name: read_as(each.encoder, each.name, column(table, each.name)) for each in self.columns}
        )
        into, unseen = inputs.numpy(), Counter[str]()
        with ThreadPoolExecutor() as pool:
            for found in pool.map(lambda block: self._fill(into, *block), _blocks(given)):
                unseen.update(found)
        return unseen

    def _fill(self, inputs: np.ndarray, batch: pa.RecordBatch, row: int) -> dict[str, int]:
        """Write the inputs of a block of rows; returns how many values each column had that training never saw."""
        into = inputs[row : row + batch.num_rows]
        parts = [(each, values, into[:, start:end]) for (each, start, end), values in zip(self._spans(), batch.columns)]
        unseen = {each.name: each.fill(values, own) for each, values, own in parts}
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(into.sum())  # so every one is: one pass, and by far the most frequent case
        for each, values, own in () if finite else parts:
            each.refuse_infinite(values, own)
        return unseen

    def _spans(self) -> Iterator[tuple[Column, int, int]]:
        """Each column with its first input and the one behind its last."""
        end = 0
        for each in self.columns:
            start, end = end, end + len(each.inputs)
            yield each, start, end

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` makes the same encoding to the bit."""
        return {"columns": [each.to_json() for each in self.columns]}

    @classmethod
    def from_json(cls, data: Any) -> Features:
        """Raises `ModelFileError`."""
        try:
            given = msgspec.convert(data, dict[str, list[dict[str, Any]]])["columns"]
            columns = tuple(map(Column.from_json, given))
        except (msgspec.ValidationError, KeyError, NetkitError) as error:
            raise ModelFileError(f"the preparation of the columns is damaged: {error}") from None
        if not columns:
            raise ModelFileError("the preparation of the columns is damaged: there is none")
        return cls(columns)


def unseen_notes(unseen: Mapping[str, int]) -> list[str]:
    """What to know of values that training never saw, by column."""
    return [f"{name}: {count} values that training never saw" for name, count in unseen.items() if count]


def text_among(types: Mapping[str, ColumnType]) -> list[str]:
    """The columns whose encoder takes text, so they must be read as they are written."""
    return [name for name, kind in types.items() if kind != SKIP and takes_text(kind)]


class TableSummary:
    """What an encoding is fitted from: every column but the excluded ones, fed with one piece of the table after
    another. `types` sets columns to encoders, or leaves them out."""

    def __init__(
        self,
        exclude: Container[str | None] = (),
        types: Mapping[str, ColumnType] | None = None,
        block: int | None = NumberSummary.block,
    ) -> None:
        self.types = types or {}
        self.columns: dict[str, ColumnSummary] = {}
        self._own = {takes: own_encoder(takes) for takes in READ}
        self._exclude, self._block = exclude, block

    def see(self, table: pa.Table) -> None:
        """Look at a piece, also at the rows that are held out, before it is fed: what dates and row numbers are shows
        in whole columns alone. Of columns that were never seen so only their types tell."""
        if self._block is not None:  # 0.1 did not look
            self._each(table, lambda name: self.columns[name].see(table[name]))

    def feed(self, table: pa.Table) -> None:
        """Take in a piece. Raises `DataError` when a column cannot be what it is set to; `PluginError`."""
        for name in self.types:
            column(table, name)
        self._each(table, lambda name: self.columns[name].feed(table[name]))

    def _each(self, table: pa.Table, take: Callable[[str], None]) -> None:
        names = [name for name in table.column_names if name not in self._exclude]
        for name in names:
            if name not in self.columns:
                self.columns[name] = ColumnSummary(name, self.types.get(name), self._own, self._block)
        with ThreadPoolExecutor() as pool:
            list(pool.map(take, names))


class ColumnSummary:
    """One column in a summary. Its encoder shows at the first value that is not missing, where it is not set."""

    def __init__(self, name: str, given: ColumnType | None, own: Mapping[str, Encoder], block: int | None) -> None:
        self.name, self._own, self._block = name, own if given is None else {}, block
        self.type, self.rows = pa.null(), 0
        self.encoder: Encoder | None = None
        self.summary: Any = None
        self.numbers = RowNumbers(name) if given is None else None
        self.formats: dict[str, ColumnSummary] | None = None
        """By how all values that were seen can be read as dates, what is summarised so; None before the first."""
        if isinstance(given, Encoder):
            self._begin(given)

    def see(self, values: pa.ChunkedArray) -> None:
        """Look at a piece of the whole column before the training rows of it are fed."""
        if not self._own:
            return
        if self.numbers:
            self.numbers.feed(values)
        if self.formats is None and values.null_count < len(values):
            words = FORMATS if is_text(values) else [DIGITS] if pa.types.is_integer(values.type) else []
            self.formats = {each: self._dates(each) for each in fitting(values, words)}
        elif self.formats:
            self.formats = {each: self.formats[each] for each in fitting(values, self.formats)}

    def feed(self, values: pa.ChunkedArray) -> None:
        """Take in a piece. Raises `DataError`, `PluginError`."""
        for each in (self.formats or {}).values():
            each.feed(values)
        if pa.types.is_null(self.type) and not pa.types.is_null(values.type):
            self.type = values.type
            if own := self._own.get(type_of(values)):
                self._begin(own)
        if self.encoder:
            self._feed(self.encoder, read_as(self.encoder, self.name, values))
        self.rows += len(values)

    def fitted(self, given: ColumnType | None) -> Column | str:
        """The column as it is set, or else as its values are; the reason where it is left out."""
        if given == SKIP:
            return "as it is set"
        if not self.encoder:
            empty = pa.types.is_null(self.type)
            return "every value is missing" if empty else f"{self.type} is neither number, text nor date"
        if self.numbers and (reason := self.numbers.reason):
            return f"{reason}; --columns '{self.name}=number' decides otherwise"
        if self.formats and isinstance(self.summary, TextSummary):
            return next(iter(self.formats.values())).fitted(None)
        names = given is None and isinstance(self.summary, TextSummary) and self.rows > SMALL
        if names and self.summary.differ:
            return "every value differs, as in a name"
        return Column.fit(self.name, self.encoder, self.summary)

    @property
    def notes(self) -> Iterator[str]:
        """What was assumed of a column that nobody set, and how to decide otherwise."""
        if not self._own:  # somebody set it
            return
        found, option = [*(self.formats or {})], f"--columns '{self.name}="
        if self.name == UNNAMED:
            yield "has no name in the file"
        if found == [DIGITS]:
            yield f"looks like dates as {DIGITS}, read as a number; {option}date:format={DIGITS}' decides otherwise"
        elif found:
            other = f", {found[1]} fits as well" if found[1:] else ""
            decide = f"date:format={found[1]}" if found[1:] else "text"
            yield f"read as dates, {found[0]}{other}; {option}{decide}' decides otherwise"
        if self.numbers and (note := self.numbers.note):
            yield f"{note}; {option}skip' leaves it out"

    def _dates(self, format: str) -> ColumnSummary:
        """Begun as dates in this format, with the rows so far, which were all missing."""
        found = ColumnSummary(self.name, SKIP, {}, self._block)
        found.rows = self.rows
        found._begin(spec.make("encoder", {**spec.table(self._own["date"]), "format": format}))
        return found

    def _begin(self, encoder: Encoder) -> None:
        """Start the summary, with the missing values so far."""
        self.encoder, self.summary = encoder, summary_of(encoder, self.name)
        if isinstance(self.summary, NumberSummary):
            self.summary.block = self._block
        missing = pa.nulls(BLOCK)
        for start in range(0, self.rows, BLOCK):
            piece = pa.chunked_array([missing[: self.rows - start]])
            self._feed(encoder, read_as(encoder, self.name, piece))

    def _feed(self, encoder: Encoder, values: pa.ChunkedArray) -> None:
        with blaming(encoder, self.name):
            self.summary.feed(values)


def _blocks(table: pa.Table) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Blocks of rows, each with the number of its first row."""
    row = 0
    for batch in table.to_batches(max_chunksize=BLOCK):
        yield batch, row
        row += batch.num_rows
