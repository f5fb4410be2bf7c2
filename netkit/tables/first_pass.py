"""One pass through a table: every row is checked, held out or not, summarised and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netkit.tables.columns import (
    all_missing,
    column,
    is_date,
    is_number,
    lost_rows,
    numbers,
    refuse_infinite,
    rows_among,
    rows_from,
    with_value,
)
from netkit.tables.encoders import SKIP, ColumnType, read_as
from netkit.tables.features import TableSummary
from netkit.tables.read import check_names
from netkit.tables.sources import Source, Types
from netkit.tables.split import Split, check_groups
from netkit.tables.store import Store
from netkit.tables.summaries import Labels, NumberSummary
from netkit.tables.weights import check_weights

__all__ = ["FirstPass", "check_types", "first_pass", "no_check"]

ROLES = {"weights": check_weights, "group": check_groups}
"""What the values of a column must be that is no input, by what it is for."""


def no_check(table: pa.Table) -> None:
    """Any rows can be used."""


def first_pass(
    source: Source,
    target: str | None,
    types: Mapping[str, ColumnType],
    roles: Mapping[str, str],
    splits: Mapping[str, Split],
    store: Callable[[], Store],
    size: int | None = None,
    block: int | None = NumberSummary.block,
    check: Callable[[pa.Table], None] = no_check,
) -> FirstPass:
    """Go through a source in pieces of about `size` bytes, or all at once; again where a column turns out to be text,
    or where no row was held out. Raises `DataError`, `SettingError`.

    types: what columns are set to. roles: the columns that are no inputs, by what they are for. splits: which rows are
    held out, by what for, each of the rows that those before it leave. Without a target every row counts. block: values
    that are summed up at once. check: raises where rows cannot be used.
    """

    def once(source: Source, splits: Mapping[str, Split]) -> FirstPass:
        anew = {part: split.anew() for part, split in splits.items()}
        found = FirstPass(target, types, roles, anew, store, block, check)
        for where, piece in source.pieces(size):
            found.take(where, piece)
            pa.default_memory_pool().release_unused()
        if target is not None and target in source.spelled:
            found.spelled = source.spelled[target].first
        return found.end(source.where)

    found = source.settled(lambda source: once(source, splits))
    if splits and found.labels.usable and not all(map(len, (found.training, *found.held_out.values()))):
        again = {
            part: split.anew() if len(found.training) and len(found.held_out[part]) else split.again()
            for part, split in found.splits.items()
        }
        found = source.settled(lambda source: once(source, again))
    return found


class FirstPass:
    """What a pass has found, and where it put the rows: those to train on, and those held out."""

    def __init__(
        self,
        target: str | None,
        types: Mapping[str, ColumnType],
        roles: Mapping[str, str],
        splits: Mapping[str, Split],
        store: Callable[[], Store],
        block: int | None,
        check: Callable[[pa.Table], None],
    ) -> None:
        self._target, self._types, self._roles, self._met = target, types, roles, Types()
        self.splits, self._check = splits, check
        self.summary = TableSummary({target, *roles.values()}, types, block)
        """Of the columns of the training rows."""
        self.labels, self.scale = Labels(), NumberSummary()
        """Of all targets, and of those of the training rows."""
        self.scale.block = block
        self.spelled: Mapping[Any, str] = {}
        """How the targets are written, where their type does not tell."""
        self.training, self.held_out = store(), {part: store() for part in splits}
        self.rows, self.lost = 0, 0
        """The rows that were read, and those of them without a target."""

    def take(self, where: str, piece: pa.Table) -> None:
        """The next rows. Raises `DataError`."""
        check_names(where, piece.column_names, 1)
        self._met.meet(where, piece.schema)
        with rows_from(self.rows):
            refuse_infinite(piece)
            check_types(piece, self._types)
            for role, name in self._roles.items():
                ROLES[role](name, column(piece, name))
        self.summary.see(piece)
        self.rows += len(piece)
        kept = piece
        if self._target is not None:
            kept, numbers = with_value(piece, self._target)
            self.lost += len(piece) - len(kept)
            with rows_from(self.rows - len(piece)), rows_among(numbers):
                self._check(kept)
        if len(kept):
            self._keep(kept)

    def end(self, who: str) -> FirstPass:
        """When all is taken. Raises `DataError` where no row has a target."""
        check_names(who, self._met.schema.names, self.rows)
        if self._target is not None and self.lost == self.rows:
            raise all_missing(self._target)
        for rows in (self.training, *self.held_out.values()):
            rows.close()
        return self

    @property
    def notes(self) -> list[str]:
        """What was left out, and how many groups are held out."""
        groups = [note for part, split in self.splits.items() for note in split.notes(part, len(self.held_out[part]))]
        return [*lost_rows(self._target or "", self.lost), *groups]

    def _keep(self, piece: pa.Table) -> None:
        if self._target is not None:
            self.labels.feed(piece[self._target])
        for part, split in self.splits.items() if self.splits and self.labels.usable else ():
            held_out = pa.array(split.held_out(piece))
            self.held_out[part].add(piece.filter(held_out))
            piece = piece.filter(pc.invert(held_out))
        self.summary.feed(piece)
        if self._target is not None and (is_number(values := piece[self._target]) or is_date(values)):
            self.scale.feed(numbers(self._target, values))
        self.training.add(piece)


def check_types(table: pa.Table, types: Mapping[str, ColumnType]) -> None:
    """Raise `DataError` for the first value of a column that its encoder cannot take."""
    for name, kind in types.items():
        values = column(table, name)
        if kind != SKIP and kind.takes != "text":
            read_as(kind, name, values)
