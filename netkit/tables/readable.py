"""One file or URI with its reader, read piece by piece: netkit's own reader or a stranger's, which is watched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from netkit.errors import DataError, NetkitError, PluginError
from netkit.kinds import Reader
from netkit.registry.guard import cause, guarded, printable

__all__ = ["Readable", "one_line"]

END = object()


@dataclass(frozen=True)
class Readable:
    """A file, or what a URI names, and the reader for it."""

    where: str
    reader: Reader
    stranger: str = ""
    """What messages call a reader that is not netkit's own."""
    known: bool = True
    """Whether the reader has the suffix, or the scheme."""
    hint: str = ""
    """What to say where it cannot be read, and nobody has the suffix."""

    def pieces(self, size: int | None) -> Iterator[pa.Table]:
        """The rows in order, in pieces of about `size` bytes, or all in one. Raises `DataError` for what cannot be
        read, and `PluginError` for a reader that does not do what it promises."""
        stream: Any = None
        names = None
        try:
            with self.one_line():
                stream = iter(self.reader.batches(self.where, size))
            while True:
                with self.one_line():
                    piece = next(stream, END)
                if piece is END:
                    break
                piece = self._checked(piece)
                if names not in (None, piece.column_names):
                    raise self._broken(printable(f"gives a piece with columns {piece.column_names} behind {names}"))
                names = piece.column_names
                yield piece
        finally:
            with suppress(PluginError), guarded():  # it has given what it had to give
                getattr(stream, "close", str)()
        if names is None:
            raise self._broken("gives no piece, not even one without rows")

    @contextmanager
    def one_line(self) -> Iterator[None]:
        """What a reader raises as one line that names the place, and a stranger's reader."""
        if self.stranger:
            try:
                with guarded():
                    yield
            except PluginError as error:
                raise DataError(f"{self.where}: cannot be read by {self.stranger}: {self._said(error)}") from error
            return
        try:
            with one_line(self.where):
                yield
        except DataError as error:
            raise DataError("; ".join(filter(None, [str(error), self.hint]))) from None

    def _said(self, error: PluginError) -> str:
        """What a stranger's reader says itself of data, or else the kind of the exception as well."""
        raised: Any = error.__cause__ or error
        with suppress(Exception):
            if isinstance(raised, (NetkitError, OSError, pa.ArrowException)):
                return printable(_line(raised).removeprefix(f"{self.where}: "))
        return printable(cause(raised))

    def _checked(self, piece: Any) -> pa.Table:
        """A piece as a table. Raises `PluginError`: pyarrow believes a damaged table, and crashes later."""
        if isinstance(piece, pa.RecordBatch):
            piece = pa.Table.from_batches([piece])
        if not isinstance(piece, pa.Table):
            raise self._broken(f"gives a {type(piece).__name__} for a piece, a table or a batch of pyarrow is needed")
        if self.stranger:
            try:
                piece.validate(full=True)
                piece.rename_columns(piece.column_names)  # asking for the names decodes them
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise self._broken(f"gives a damaged table: {printable(str(error))}") from None
        return piece

    def _broken(self, what: str) -> PluginError:
        return PluginError(f"{self.where}: {self.stranger or type(self.reader).__name__} {what}")


@contextmanager
def one_line(where: str) -> Iterator[None]:
    """What goes wrong with a file as a `DataError` that names it."""
    try:
        if Path(where).is_fifo():
            raise DataError(f"{where}: cannot be read: it is a pipe, and a table is gone through more than once")
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8: the name of a column holds {error.object[:20]!r}") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{where}: not a table: {_line(error)}") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{where}: cannot be read: {_line(error)}") from None


def _line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]
