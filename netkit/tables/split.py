"""Rows held out for validation, chosen while a table is read and nobody knows yet how long it is."""

from __future__ import annotations

from hashlib import blake2b
from math import ceil, floor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit.errors import DataError
from netkit.tables.columns import RowError, column, labels

__all__ = ["Places", "Split", "by_name", "check_groups", "drawn", "uniform"]

FAR = 2**53
"""More rows than a table has."""
KNOWN = 1000
"""Values of a target, or groups, that are told from each other; the later ones are taken together."""


class Split:
    """Of every 1 / share rows in a row one is held out, drawn at random. The first 1 / share rows of each value of the
    target are counted together, the others by their value: so the share is met to a row among the early rows, and to
    two among the late rows of each class, and of a target of numbers, too. With groups, one of every 1 / share groups
    is held out with all of its rows, in the order in which the groups appear. Which rows follows from the seed and the
    order of the table alone, however it is cut into pieces.

    by: the target, or the column of groups. only: hold out this one, the number of a row or of a group, and no other.
    """

    def __init__(self, by: str, share: float, seed: int, grouped: bool = False, only: int | None = None) -> None:
        self.by, self.share, self.grouped = by, share, grouped
        self._seed, self._only = seed, only
        self._places, self._rows = Places(), 0
        self._taken: set[int] = set()
        """The numbers of the groups that are held out."""
        self._first, self._shared = ceil(min(1 / share, FAR)), 0
        """How many rows of a value are counted with those of the others, and how many were."""

    def held_out(self, table: pa.Table) -> np.ndarray:
        """Which of the next rows are held out, (n,)."""
        found = self._by_group(table) if self.grouped else self._by_row(table)
        self._rows += len(table)
        return found

    def anew(self) -> Split:
        """The same split before the first row."""
        return Split(self.by, self.share, self._seed, self.grouped, self._only)

    def again(self) -> Split:
        """After a pass in which no row or group was drawn, since there are fewer than 1 / share: a split that holds out
        one of them. Raises `DataError` for a single group, and where the share of all rows is less than half a row."""
        count = len(self._places.known) if self.grouped else self._rows
        if self.grouped and count < 2:
            raise DataError(f"{self.by}: at least 2 groups are needed to hold one out, got {count}")
        if not self.grouped and (count < 2 or floor(count * self.share + 0.5) < 1):
            raise DataError(f"{count} rows are too few to hold out a share of {self.share:g}")
        only = int(uniform(self._seed, np.zeros(1, np.uint64))[0] * count)
        return Split(self.by, self.share, self._seed, self.grouped, only)

    def notes(self, part: str, rows: int) -> list[str]:
        """How many groups, and rows, are held out for a part."""
        known = len(self._places.known)
        if not self.grouped or known == KNOWN:
            return []
        return [f"{self.by}: {part} has {len(self._taken)} of {known} groups, {rows} of {self._rows} rows"]

    def _by_row(self, table: pa.Table) -> np.ndarray:
        numbers = np.arange(self._rows, self._rows + len(table))
        if self._only is not None:
            only: np.ndarray = numbers == self._only
            return only
        codes, places = self._places.of(column(table, self.by))
        together = (codes == KNOWN) | (places < self._first)
        counted = self._shared + np.cumsum(together) - 1
        self._shared += int(together.sum())
        stratum = np.where(together, KNOWN, codes)
        return drawn(self._seed, self.share, np.where(together, counted, places - self._first), stratum)

    def _by_group(self, table: pa.Table) -> np.ndarray:
        values = column(table, self.by)
        codes, _ = self._places.of(values)
        if self._only is not None:
            chosen = codes == self._only
        else:
            chosen = drawn(self._seed, self.share, codes, np.zeros_like(codes))
            if (later := codes == KNOWN).any():
                chosen = np.where(later, by_name(values, self._seed) < self.share, chosen)
        self._taken.update(codes[chosen].tolist())
        found: np.ndarray = chosen
        return found


class Places:
    """Values numbered as they first appear, KNOWN of them, and the place of each row among those with its value."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}
        self._seen = np.zeros(KNOWN + 1, dtype=np.int64)
        """How many rows there were of each known value, and of all others."""

    def of(self, values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """The number of the value of each of the next rows, KNOWN for one that is not known, and its place, from 0
        on."""
        codes = self._codes(values)
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(codes, minlength=KNOWN + 1)
        starts = np.cumsum(counts) - counts
        places = np.empty(len(codes), dtype=np.int64)
        places[order] = np.arange(len(codes)) - starts[codes[order]] + self._seen[codes[order]]
        self._seen += counts
        return codes, places

    def _codes(self, values: pa.ChunkedArray) -> np.ndarray:
        places, found = labels(values)
        for label in found:
            if len(self.known) == KNOWN:
                break
            self.known.setdefault(label, len(self.known))
        codes: np.ndarray = np.array([self.known.get(label, KNOWN) for label in found], np.int64)[places]
        return codes


def drawn(seed: int, share: float, places: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Whether the row at each place of a stratum is the one that is drawn of the 1 / share around it."""
    stretch = np.floor(places * share)
    first, end = np.ceil(stretch / share), np.ceil(np.minimum((stretch + 1) / max(share, 1 / FAR), FAR))
    at = uniform(seed, stratum.astype(np.uint64), stretch.astype(np.uint64))
    chosen: np.ndarray = places == first + np.floor(at * (end - first))
    return chosen


def uniform(seed: int, *keys: np.ndarray) -> np.ndarray:
    """A number from 0 to below 1 for each combination of keys (splitmix64: Steele, Lea and Flood, 2014)."""
    z = np.full(len(keys[0]), seed, dtype=np.uint64)
    for key in keys:
        z = (z ^ key) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)) * 2.0**-53


def by_name(values: pa.ChunkedArray, seed: int) -> np.ndarray:
    """A number from 0 to below 1 for each row that follows from its group alone."""
    places, found = labels(values)
    digests = [blake2b(repr(_as_float(each)).encode(), digest_size=8).digest() for each in found]
    keys = np.array([int.from_bytes(each, "little") for each in digests], dtype=np.uint64)
    found_at: np.ndarray = uniform(seed, keys)[places]
    return found_at


def _as_float(label: Any) -> Any:
    """The float that is the same number, where there is one: equal labels have one spelling."""
    return label if isinstance(label, str) or float(label) != label else float(label)


def check_groups(name: str, values: pa.ChunkedArray) -> None:
    """Raise `DataError` for the first row without a group: any group could be its own."""
    if pa.types.is_nested(values.type):
        raise DataError(f"{name}: {values.type} cannot be a group")
    missing = pc.is_null(values, nan_is_null=True)
    if (row := pc.index(missing, True).as_py()) >= 0:
        raise RowError(f"{name}: every row needs a group, row {{row}} has none", row)
