"""Where the rows of a table are kept while a model learns from them: in memory, or in a file without a name, of which
nothing is left behind, however the process ends."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import pyarrow as pa

from netkit.errors import DataError
from netkit.tables.sources import unified, widened

__all__ = ["FileStore", "MemoryStore", "Store", "temporary_folder"]

ROWS = 2048
"""Rows of a block, the last one apart: what is read at once from a place that the shuffling chose."""
GROUP = 16
"""Blocks that are encoded at a time; what they are before takes more memory than the inputs that they become."""


def temporary_folder(beside: str | Path | None) -> str:
    """Where large temporary files go: TMPDIR if it is set, else the folder of the file `beside` them, or this one."""
    return os.environ.get("TMPDIR") or str(Path(beside or "x").absolute().parent)


class MemoryStore:
    """Rows in memory."""

    def __init__(self) -> None:
        self._added: list[pa.Table] = []

    def __len__(self) -> int:
        return sum(map(len, self._added))

    def add(self, table: pa.Table) -> None:
        """Keep these rows, too."""
        self._added.append(table)

    def close(self) -> None:
        """Nothing is added any more."""
        self._added = [pa.concat_tables(self._added)] if len(self._added) > 1 else self._added

    def tables(self) -> Iterator[pa.Table]:
        """All rows in order, at once."""
        yield from self._added


class _Block(NamedTuple):
    start: int
    bytes: int
    schema: pa.Schema


class FileStore:
    """Rows are added in any batches, and read by blocks of `ROWS` rows, which are the same however they were added.
    Plain reads, since pages of a mapped file count as memory of the process. Raises `DataError` where the folder is
    full."""

    def __init__(self, folder: str, without: Container[str] = ()) -> None:
        self._without = without
        """Columns that nobody asks for, which are not kept."""
        self._folder, self._blocks = folder, list[_Block]()
        self.schema = pa.schema([])
        """The types of all columns, with those of later batches taken in."""
        self.size, self.sizes = 0, list[int]()
        """Bytes of the file, and the rows of each block."""
        self._left: pa.Table | None = None
        with self._one_line():
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # lives as long as this
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return sum(self.sizes)

    def add(self, table: pa.Table) -> None:
        """Write whole blocks, and keep what is left over for the next batch."""
        table = table.select([name for name in table.column_names if name not in self._without])
        self.schema = unified(self.schema, table.schema)
        if self._left is not None:
            table = pa.concat_tables([widened(each, self.schema) for each in (self._left, table)])
        whole = len(table) - len(table) % ROWS
        for start in range(0, whole, ROWS):
            self._write(table.slice(start, ROWS))
        self._left = table.take(
            pa.array(range(whole, len(table)), pa.int64())
        )  # a copy: a slice would keep the whole batch in memory

    def close(self) -> None:
        """Write the last block; nothing is added any more."""
        if self._left is not None and len(self._left):
            self._write(self._left)
        self._left = None

    def table(self, numbers: Sequence[int]) -> pa.Table:
        """The rows of some blocks, each column in one stretch of memory."""
        return pa.concat_tables([self._read(self._blocks[number]) for number in numbers]).combine_chunks()

    def tables(self) -> Iterator[pa.Table]:
        """All rows in order, a block at a time."""
        return (self.table([number]) for number in range(len(self.sizes)))

    def digest(self) -> int:
        """A checksum of all that is in it. Reads it through, since only runs that are saved ask for it."""
        found = 0
        for block in self._blocks:
            found = crc32(self._bytes(block), found)
        return found

    def _write(self, table: pa.Table) -> None:
        [batch] = table.combine_chunks().to_batches()
        content = batch.serialize()
        with self._one_line():
            left = memoryview(content)
            while left:
                left = left[self._file.write(left) :]
        self._blocks.append(_Block(self.size, content.size, batch.schema))
        self.sizes.append(len(table))
        self.size += content.size

    def _read(self, block: _Block) -> pa.Table:
        batch = pa.ipc.read_record_batch(pa.py_buffer(self._bytes(block)), block.schema)
        return widened(pa.Table.from_batches([batch]), self.schema)

    def _bytes(self, block: _Block) -> bytes:
        return os.pread(self._file.fileno(), block.bytes, block.start)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._folder}: a temporary file cannot be written: {error.strerror}; TMPDIR names another folder"
            ) from None


Store = MemoryStore | FileStore
