"""One pass through a table that is too large for memory: what the preparation is fitted from, and the rows spilled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netkit.errors import DataError
from netkit.tables.columns import (
    UNNAMED,
    all_missing,
    column,
    counted_from,
    dates,
    is_date,
    is_number,
    lost_rows,
    numbers,
    refuse_infinite,
    rows_from,
    with_value,
)
from netkit.tables.features import SKIP, Survey, unnamed
from netkit.tables.groups import Grouped, check_groups
from netkit.tables.read import check_names
from netkit.tables.sources import Files, Types
from netkit.tables.split import Parting
from netkit.tables.store import Spill
from netkit.tables.summaries import Labels, Numbers
from netkit.tables.weights import check_weights

__all__ = ["ASIDE", "Gathered", "check_types", "gather"]

STRICT: dict[str, Any] = {"number": numbers, "date": dates}
"""How the values of a column that is set to be one of these are read."""
ASIDE = {"weights": check_weights, "group": check_groups}
"""What the values of a column must be that is no input, by what it is for."""


class Gathered:
    """What a pass has found, and where it put the rows: those to train on, and those held out."""

    def __init__(
        self, target: str, types: Mapping[str, str], share: float, seed: int, folder: str, aside: Mapping[str, str]
    ) -> None:
        self._name, self._types, self._met, self._aside = target, types, Types(), aside
        self._share, self._by = share, aside.get("group", target)
        self._parting = Grouped(self._by, share, seed) if "group" in aside else Parting(target, share, seed)
        self.survey, self.labels, self.scale = Survey((target, *aside.values()), types), Labels(), Numbers(target)
        """Of the columns of the training rows, of all targets, and of those of the training rows."""
        self.training, self.held_out = Spill(folder), Spill(folder)
        self._starts: set[int | None] = set()
        self.spelled: Mapping[Any, str] = {}
        """How the targets are written, where their type does not tell."""
        self.rows, self.lost = 0, 0
        """The rows that were read, and those of them without a target."""

    def take(self, path: Path, piece: pa.Table) -> None:
        """The next rows. Raises `DataError`."""
        check_names(str(path), piece.column_names, 1)
        self._met.meet(path, piece.schema)
        with rows_from(self.rows):
            refuse_infinite(piece)
            check_types(piece, self._types)
            for role, name in self._aside.items():
                ASIDE[role](name, column(piece, name))
        if piece.schema.get_field_index(UNNAMED) == 0:
            self._starts.add(counted_from(piece[UNNAMED], self.rows))
        self.rows += len(piece)
        kept, lost = with_value(piece, self._name)
        self.lost += lost
        if len(kept):
            self._part(kept)

    def end(self, who: str) -> Gathered:
        """When all is taken. Raises `DataError` when a part is empty."""
        check_names(who, self._met.schema.names, self.rows)
        if self.lost == self.rows:
            raise all_missing(self._name)
        self.survey.types, self._unnamed = unnamed(self._starts, self._types)
        self.training.close()
        self.held_out.close()
        if self.labels.usable and (not len(self.training) or (self._share and not len(self.held_out))):
            raise DataError(f"{self.rows - self.lost} rows are too few to hold out a share of {self._share:g}")
        return self

    @property
    def notes(self) -> list[str]:
        """What was left out."""
        return [*lost_rows(self._name, self.lost), *self._unnamed]

    def _part(self, piece: pa.Table) -> None:
        values = piece[self._name]
        self.labels.feed(values)
        parts = {self.training: piece}
        if self._share and self.labels.usable:
            held_out = pa.array(self._parting.held_out(piece[self._by]))
            parts = {self.training: piece.filter(pc.invert(held_out)), self.held_out: piece.filter(held_out)}
        self.survey.feed(parts[self.training])
        if is_number(values) or is_date(values):
            self.scale.feed(parts[self.training][self._name])
        skipped = [name for name, kind in self._types.items() if kind == SKIP]
        for spill, part in parts.items():
            spill.add(part.drop_columns(skipped))


def check_types(table: pa.Table, types: Mapping[str, str]) -> None:
    """Raise `DataError` for the first value of a column that cannot be what the column is set to be."""
    for name, kind in types.items():
        STRICT.get(kind, lambda name, values: None)(name, column(table, name))


def gather(
    files: Files,
    size: int,
    target: str,
    types: Mapping[str, str],
    share: float,
    seed: int,
    folder: str,
    aside: Mapping[str, str],
) -> Gathered:
    """Go through files in pieces of about `size` bytes, once more when a column turns out to be text. `aside`: the columns
    that are no inputs, by what they are for. Raises `DataError`, `SettingError`."""

    def once(files: Files) -> Gathered:
        found = Gathered(target, types, share, seed, folder, aside)
        found.spelled = files.spelled[target].first if target in files.spelled else {}
        for path, piece in files.pieces(size):
            found.take(path, piece)
            pa.default_memory_pool().release_unused()
        return found.end(files.where)

    return files.settled(once)
