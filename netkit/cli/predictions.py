"""Predictions to a file or to standard output."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from netkit.files.atomic import atomic_write

__all__ = ["write_csv"]


def write_csv(path: str | None, names: Sequence[str], batches: Iterable[Sequence[Iterable[Any]]]) -> None:
    """Columns as CSV, one batch of rows after another, to standard output when there is no path; a file is
    written whole or not at all.

    Raises `DataError` when the path cannot be written.
    """
    if path is None:
        _write(sys.stdout, names, batches)
        return
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        _write(file, names, batches)


def _write(file: TextIO, names: Sequence[str], batches: Iterable[Sequence[Iterable[Any]]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    for number, columns in enumerate(batches):
        if not number:  # not before: what is wrong with the table mostly shows in its first piece
            writer.writerow(names)
        writer.writerows(zip(*columns))
