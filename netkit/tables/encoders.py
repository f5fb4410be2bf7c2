"""A column of a table and the encoder that makes it inputs: what an encoder returns is checked here, and what it raises
is told in one line that names the column, the encoder and the distribution that it came in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa

from netkit import spec
from netkit.errors import PluginError, SettingError, UnknownComponent, UsageError
from netkit.files.plain import plain
from netkit.kinds import Encoder
from netkit.registry import current
from netkit.registry.culprit import blaming
from netkit.registry.discovery import DISTRIBUTION
from netkit.registry.guard import printable
from netkit.registry.owner import owner_of
from netkit.tables.columns import dates, is_date, numbers, text
from netkit.tables.date_formats import parse_dates, pattern
from netkit.tables.summaries import DateSummary, NumberSummary, TextSummary

__all__ = ["READ", "SKIP", "Column", "ColumnType", "column_types", "own_encoder", "read_as", "summary_of", "takes_text"]

SKIP: Literal["skip"] = "skip"
"""Instead of an encoder: the column is left out."""
ColumnType = Encoder | Literal["skip"]
"""What people set a column to."""
COLUMN = r"(.+?)=\s*([\w./-]+(?::.*)?)"
"""A column and its encoder: the name of a column may have any characters, that of an encoder has no `=`."""
QUOTED = r'"(?:[^"\\]|\\.)+"'
"""The name of a column that has commas or semicolons, on a command line."""
READ: dict[str, tuple[Callable[[str, pa.ChunkedArray], pa.ChunkedArray], type[NumberSummary | TextSummary]]] = {
    "number": (numbers, NumberSummary),
    "date": (dates, DateSummary),
    "text": (lambda name, values: text(values, name), TextSummary),
}
"""By what an encoder takes how its columns are read, and netkit's own summary of them."""


def column_types(given: Any) -> dict[str, ColumnType]:
    """For each column `SKIP`, or the encoder that people set it to by a name, text, table or instance. In one text for
    all, columns are separated by commas, or by semicolons where encoders have settings; a name with either is in double
    quotes. Raises `SettingError`, `UnknownComponent`, `PluginError`, each of which names the column."""
    pairs = _pairs(given) if isinstance(given, str) else given
    if not isinstance(pairs, Mapping) or not all(isinstance(name, str) and name for name in pairs):
        raise SettingError(f"columns read name=encoder,..., got {given!r}")
    types = {}
    for name, each in pairs.items():
        try:
            types[name] = _column_type(each)
        except (UsageError, PluginError) as error:
            raise type(error)(f"{name}: {error}") from None
    return types


def _pairs(given: str) -> dict[str, str] | None:
    """Columns and their encoders of one text; None where it is none."""
    plain = re.sub(QUOTED, "", given)
    end = ";" if ";" in plain or re.search("=[^,;]*:", plain) else ","
    parts = re.findall(f"\\s*((?:{QUOTED}\\s*=|[^{end}])[^{end}]*)", given, re.DOTALL)
    pairs = {}
    for part in filter(None, map(str.strip, parts)):
        found = re.fullmatch(COLUMN, part, re.DOTALL)
        if not found:
            return None
        pairs[spec.read_value(found[1]) if re.fullmatch(QUOTED, found[1]) else found[1]] = found[2]
    return pairs


def _column_type(given: Any) -> ColumnType:
    if isinstance(given, str) and given.strip() == SKIP:
        return SKIP
    try:
        encoder: Encoder = spec.make("encoder", given)
    except UnknownComponent as error:
        raise UnknownComponent(f"{SKIP} or an encoder is needed, and {error}") from None
    if encoder.takes not in READ:
        raise PluginError(f"{owner_of(type(encoder))}: takes must be {' or '.join(READ)}, got {encoder.takes!r}")
    _date_format(encoder)
    return encoder


def takes_text(encoder: Encoder) -> bool:
    """Whether its columns must be read as they are written, whatever they look like."""
    return encoder.takes == "text" or bool(_date_format(encoder))


def _date_format(encoder: Encoder) -> str:
    """How its dates are written, where they are not ISO 8601. Raises `SettingError`, `PluginError`."""
    if encoder.takes != "date":
        return ""
    with blaming(encoder, "date_format"):
        format = encoder.date_format()
    if format:
        pattern(format)
    return format


def own_encoder(takes: str) -> Encoder:
    """netkit's own first encoder of such values, where nobody set the column."""
    encoder: Encoder = spec.make("encoder", current().encoders.first(lambda encoder: encoder.takes == takes))
    return encoder


def read_as(encoder: Encoder, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A whole column as its encoder takes it. Raises `DataError`."""
    if (format := _date_format(encoder)) and not is_date(values):
        return parse_dates(name, values, format)
    return READ[encoder.takes][0](name, values)


def summary_of(encoder: Encoder, name: str) -> Any:
    """An empty summary of a column for its encoder. Raises `PluginError`."""
    with blaming(encoder, name):
        summary = encoder.summary()
    return READ[encoder.takes][1]() if summary is None else summary


@dataclass(frozen=True)
class Column:
    """A column as inputs: its encoder, and what that was fitted to."""

    name: str
    encoder: Encoder
    state: Any
    inputs: tuple[str, ...]
    """The names of its inputs."""

    @classmethod
    def fit(cls, name: str, encoder: Encoder, summary: Any) -> Column | str:
        """From a summary of its training rows; a text that says why the column can tell nothing. Raises `DataError`,
        `PluginError`."""
        with blaming(encoder, name):
            found = encoder.fit(summary)
            state = found if isinstance(found, str) else _fitted(encoder, found)
        return printable(found, keep_spaces=True) if isinstance(found, str) else cls.of(name, encoder, state)

    @classmethod
    def of(cls, name: str, encoder: Encoder, state: Any) -> Column:
        """With a state that is one. Raises `PluginError`."""
        with blaming(encoder, name):
            inputs = encoder.names(name, state)
            if not isinstance(inputs, (list, tuple)) or not inputs or not all(isinstance(each, str) for each in inputs):
                raise PluginError(f"names must be a list of texts, one for each input, got {inputs!r}")
            if len(set(inputs)) < len(inputs):
                raise PluginError(f"names must differ, got {inputs!r}")
        return cls(name, encoder, state, tuple(inputs))

    def __repr__(self) -> str:
        """Of netkit's own encoders to the letter what 0.1 said: its checkpoints hold a checksum of it."""
        known = msgspec.structs.asdict(self.state) if isinstance(self.state, msgspec.Struct) else {"state": self.state}
        given = {"name": self.name, **known, **spec.settings(self.encoder)}
        return f"{type(self.encoder).__name__}({', '.join(f'{key}={value!r}' for key, value in given.items())})"

    @property
    def treatment(self) -> str:
        """What is done, in words."""
        return self._told("treatment") or f"{spec.name(self.encoder)}, {len(self.inputs)} inputs"

    @property
    def note(self) -> str:
        """What whoever trains should know; or nothing."""
        return self._told("note")

    def fill(self, values: pa.Array, inputs: np.ndarray) -> int:
        """Write the inputs (n, len(self.inputs)) over zeros; returns how many values training never saw. Raises
        `PluginError`."""
        with blaming(self.encoder, self.name), np.errstate(all="ignore"):  # what is not finite is refused
            unseen = self.encoder.transform(self.state, values, inputs)
            if unseen is not None and not (isinstance(unseen, Integral) and 0 <= unseen <= len(values)):
                got = unseen if isinstance(unseen, Integral) else type(unseen).__name__
                raise PluginError(f"transform gives how many values training never saw, or None, got {got}")
        return int(unseen or 0)

    def refuse_infinite(self, values: pa.Array, inputs: np.ndarray) -> None:
        """Raise `PluginError` for the first value that was made nan or inf."""
        if len(rows := np.flatnonzero(~np.isfinite(inputs).all(1))):
            made = inputs[rows[0]][~np.isfinite(inputs[rows[0]])][0]
            with blaming(self.encoder, self.name):
                raise PluginError(f"transform makes {made} of {values[int(rows[0])].as_py()!r}")

    def to_json(self) -> dict[str, Any]:
        """Plain data. Raises `UnknownComponent` for an encoder that was never registered."""
        return {"name": self.name, "encoder": spec.table(self.encoder), "state": msgspec.to_builtins(self.state)}

    @classmethod
    def from_json(cls, data: Any) -> Column:
        """As `to_json` wrote it, or a netkit before there were encoders. Raises `NetkitError`,
        `msgspec.ValidationError`."""
        written = msgspec.convert(_as_of_now(data), _Written)
        encoder = spec.make("encoder", written.encoder)
        _date_format(encoder)
        return cls.of(written.name, encoder, msgspec.convert(written.state, encoder.State))

    def _told(self, what: str) -> str:
        with blaming(self.encoder, self.name):
            words = getattr(self.encoder, what)(self.state)
            if not isinstance(words, str):
                raise PluginError(f"{what} must be a text, got {words!r}")
        return printable(words, keep_spaces=True)


def _fitted(encoder: Encoder, found: Any) -> Any:
    """A state as a model file will give it back. Raises `PluginError`."""
    try:
        return msgspec.convert(plain(found), encoder.State)
    except ValueError as error:
        raise PluginError(f"fit must give a text or a state that a file can hold: {error}") from None


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column in a model file."""

    name: str
    encoder: dict[str, Any]
    state: Any


def _as_of_now(column: dict[str, Any]) -> dict[str, Any]:
    """Until 0.1 netkit's own encoders were called by their bare names, and the state lay beside the column's name."""
    if not {"type", "name"} <= column.keys():
        return column
    state = {key: value for key, value in column.items() if key not in ("type", "name")}
    return {"name": column["name"], "encoder": {"type": f"{DISTRIBUTION}/{column['type']}"}, "state": state}
