"""What stands between a table and a network: readers of rows, and encoders of columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from netkit.kinds.component import Component

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["Encoder", "Reader", "TextReader"]


class Encoder(Component):
    """A column of a table as inputs of a network: fitted on the training rows alone, then the same for every table.

    What was fitted is its state: plain data that is stored in the model file and handed back to every method.
    """

    kind, plural = "encoder", "encoders"
    takes: ClassVar[str] = "text"
    """What its columns are read as, null where missing: `text`, `number` (float64) or `date` (seconds since 1970,
    float64)."""
    State: ClassVar[Any] = dict[str, Any]
    """The type of its state, such as a msgspec.Struct: what was fitted, and what a model file holds, is made one."""

    def summary(self) -> Any:
        """A new summary, which is fed with the training rows piece by piece (`feed(values)`, `merge(other)`); None is
        netkit's own for what the encoder takes: `NumberSummary`, `DateSummary`, `TextSummary`."""
        return None

    def date_format(self) -> str:
        """Of an encoder that takes dates: how they are written, such as `%d/%m/%Y`; empty for ISO 8601."""
        return ""

    @abstractmethod
    def fit(self, summary: Any) -> Any:
        """The state for a column that is summarised so; a text instead says why the column can tell nothing."""

    @abstractmethod
    def names(self, column: str, state: Any) -> list[str]:
        """The names of its inputs, such as `age` and `age (missing)`; there are as many inputs as names."""

    @abstractmethod
    def transform(self, state: Any, values: pa.Array, inputs: np.ndarray) -> int | None:
        """Write the inputs of some rows over zeros, float32 (n, len(names)), each row by its own value alone. May
        return how many of the values training never saw. Several threads call it at once."""

    def treatment(self, state: Any) -> str:
        """What is done, in a few words, as `netkit inspect` shows it; empty for its name and number of inputs."""
        return ""

    def note(self, state: Any) -> str:
        """What whoever trains should know about the column; empty for nothing."""
        return ""

    @classmethod
    def layer(cls, columns: Mapping[int, tuple[Self, Any]]) -> Any:
        """The layer, as a table or a component, that goes in front of the network and takes the inputs of all columns
        of this encoder: each, with its state, by the place of its first input. None: any layer takes them."""
        return None


class Reader(Component):
    """Rows from somewhere: files of a format, or what a URI names. What it reads says itself of what type a column is,
    as a database does; one that guesses is a `TextReader`."""

    kind, plural = "reader", "readers"
    suffixes: ClassVar[tuple[str, ...]] = ()
    """The files it reads, such as `.xlsx`, in lower case. `.xlsx.gz` is one as well."""
    schemes: ClassVar[tuple[str, ...]] = ()
    """The URIs it reads, such as `sqlite` for sqlite:///shop.db?table=orders."""

    @abstractmethod
    def batches(self, where: str, size: int | None) -> Iterator[pa.Table | pa.RecordBatch]:
        """The rows of a path or a URI in order, in pieces of about `size` bytes; all in one where it is None. Every
        piece has the same columns; one without rows is given where there are no rows at all. What cannot be read
        raises; an iterator that is closed early lets go of what it holds."""

    def sample(self, table: pa.Table, folder: Path) -> str | None:
        """Write a table into a folder and say where: `netkit check` reads it again. None where nobody can."""
        return None


@dataclass(frozen=True)
class TextReader(Reader):
    """A reader of text, as of CSV, which guesses of what type a column is."""

    text: tuple[str, ...] = field(default=(), kw_only=True)
    """Columns to give as they are written, whatever they look like."""

    @abstractmethod
    def values(self, words: pa.Array) -> pa.Array:
        """What a column becomes that is written in these words, where `text` does not name it."""
