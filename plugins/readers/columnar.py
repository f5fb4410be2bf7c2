"""Formats that store columns with their types: Parquet and Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from netkit import Reader

__all__ = ["Arrow", "Parquet"]


def _sound(table: pa.Table) -> pa.Table:
    """The table, when offsets lie in their buffers and text is UTF-8: pyarrow believes a damaged file, and crashes
    later."""
    table.validate(full=True)
    return table.rename_columns(table.column_names)  # asking for the names decodes them


@dataclass(frozen=True)
class Parquet(Reader):
    """Parquet files, in pieces of row groups."""

    suffixes = (".parquet",)

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        if size is None:
            yield _sound(pyarrow.parquet.read_table(where))
            return
        with pyarrow.parquet.ParquetFile(where, pre_buffer=False, buffer_size=2**16) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            bulk = sum(group.total_byte_size for group in groups)
            rows = max(1, size * file.metadata.num_rows // max(bulk, 1))
            for batch in file.iter_batches(min(rows, file.metadata.num_rows) or 1):
                yield _sound(pa.Table.from_batches([batch]))
            if not file.metadata.num_rows:
                yield file.schema_arrow.empty_table()

    def sample(self, table: pa.Table, folder: Path) -> str:
        pyarrow.parquet.write_table(table, folder / "sample.parquet")
        return str(folder / "sample.parquet")


@dataclass(frozen=True)
class Arrow(Reader):
    """Arrow files, also called Feather, in pieces of their record batches."""

    suffixes = (".arrow", ".feather")

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        if size is None:
            yield _sound(pyarrow.feather.read_table(where))
            return
        with pa.OSFile(where) as source:
            file = pa.ipc.open_file(source)
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                rows = max(1, size * len(batch) // max(batch.nbytes, 1))
                for start in range(0, max(len(batch), 1), rows):
                    yield _sound(pa.Table.from_batches([batch.slice(start, rows)]))
            if not file.num_record_batches:
                yield file.schema.empty_table()

    def sample(self, table: pa.Table, folder: Path) -> str:
        pyarrow.feather.write_feather(table, str(folder / "sample.arrow"))
        return str(folder / "sample.arrow")
