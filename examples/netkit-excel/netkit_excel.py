"""Excel workbooks for netkit."""

import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from openpyxl import Workbook, load_workbook

from netkit import DataError, Reader

MISSING = {"", "NA", "N/A", "n/a", "#N/A", "nan", "NaN", "null", "-", "?"}
"""Cells of text that count as missing."""


@dataclass(frozen=True)
class Excel(Reader):
    """A sheet of an Excel workbook, by default the first: a row of names, then values. Formulas count as what they gave
    when the workbook was saved; empty rows are left out."""

    sheet: str | None = None

    suffixes = (".xlsx", ".xlsm")

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        with closing(_opened(where)) as book:
            sheet = self._sheet(book)
            sheet.reset_dimensions()  # what a workbook says about its size may be wrong
            rows = (row for row in sheet.iter_rows(values_only=True) if any(map(_known, row)))
            names = _names(next(rows, ()))
            many = None if size is None else max(1, size // (16 * len(names)))
            yield _table(names, list(islice(rows, many)))
            while found := list(islice(rows, many)):
                yield _table(names, found)

    def _sheet(self, book: Workbook) -> Any:
        if self.sheet is None:
            return book.worksheets[0]
        if self.sheet not in book.sheetnames:
            raise DataError(f"there is no sheet {self.sheet!r}; there are {', '.join(book.sheetnames)}")
        return book[self.sheet]

    def sample(self, table: pa.Table, folder: Path) -> str:
        book = Workbook()
        sheet = book.create_sheet(self.sheet or "sample", 0)
        for row in chain([table.column_names], zip(*table.to_pydict().values())):
            sheet.append(row)
        book.save(folder / "sample.xlsx")
        return str(folder / "sample.xlsx")

    @classmethod
    def examples(cls) -> Iterator["Excel"]:
        yield cls()
        yield cls(sheet="second")


def _opened(where: str) -> Workbook:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles
        return load_workbook(where, read_only=True, data_only=True)


def _known(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, str) and cell.strip() in MISSING)


def _names(row: tuple[Any, ...]) -> list[str]:
    """The names of columns, up to the last one that has any."""
    names = ["" if cell is None else str(cell).strip() for cell in row]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise DataError("the sheet is empty")
    return names


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = [
        _column(name, [row[place] if place < len(row) and _known(row[place]) else None for row in rows])
        for place, name in enumerate(names)
    ]
    return pa.table(columns, names)


def _column(name: str, cells: list[Any]) -> pa.Array:
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kinds = sorted({type(cell).__name__ for cell in cells if cell is not None})
        raise DataError(f"column {name!r} holds values of several types: {', '.join(kinds)}") from None
