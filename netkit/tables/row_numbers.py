"""Columns that name or number the rows: what they say holds for no other row."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from netkit.tables.columns import UNNAMED

__all__ = ["RowNumbers"]

WHOSE = (
    "account|case|client|customer|event|household|member|obs|order|participant|patient|pat|person|p|record|respondent"
)
IDS = re.compile(
    r"(?:.*[\W_])?(?:id|Id|ID)|.*[a-z0-9]I[dD]|(?:ID|Id|id)(?:[\W_].*)?"
    rf"|(?i:uuid|guid|id(?:case|no|nr|num|number)|(?:{WHOSE}|row|session|student|subject|sub|trip|user)id)"
)
"""Names that say id; `humid` and `acid` do not."""
ROWS = re.compile(
    r"(?i)(?:row|obs|case|seq|doc)?[ _.]?(?:names?|no|nr|num|number)|obs|observation|case|row|index|unnamed: 0"
)
"""Names that say number of the row, where the values count."""
TIMES = {
    *"date day days hour minute month months period quarter season second step t time week weeks year years".split()
}
"""Words in the names of times, which count in a series."""
SMALL = 20
"""Of more rows than this a column that counts them from 0 or 1 is no input, whatever it is called; but for times, and
for names of one letter, which may be anything."""
DIFFER = 0.9
"""Of the values of a column of ids, those that differ; ids that come twice on average name no rows."""
YEARS = 1500, 2100
MOST = 2**14
"""Distinct values that are kept."""


class RowNumbers:
    """Of a column of whole numbers, fed with all of its rows in order: whether it counts the rows, and how many of its
    values differ, by those whose hash is below a limit, which sinks where they are more than `MOST`: the same however
    the column is cut."""

    def __init__(self, name: str) -> None:
        self.name, self.first, self.rows = name, 0, 0
        self._whole, self._counts = True, True
        self._limit = 2**64 - 1
        self._values: np.ndarray = np.empty(0, np.int64)
        self._often: np.ndarray = np.empty(0)
        self._ends = [2**64, -(2**64)]

    def feed(self, values: pa.ChunkedArray) -> None:
        """Take in the next rows."""
        self._whole = self._whole and (pa.types.is_integer(values.type) or pa.types.is_null(values.type))
        self._counts = self._counts and self._whole and not values.null_count
        if self._whole and len(known := values.drop_null().to_numpy()):
            self.first = self.first if self.rows else int(known[0])
            self._ends = [min(self._ends[0], int(known.min())), max(self._ends[1], int(known.max()))]
            start = self.first + self.rows
            self._counts = self._counts and int(known[0]) == start and bool((np.diff(known) == 1).all())
            if self._says_id:
                self._add(known.astype(np.int64))
        self.rows += len(values)

    @property
    def reason(self) -> str:
        """Why it is left out; empty where it is not."""
        if not self._whole or self.rows < 2:
            return ""
        if self._counts and (ROWS.fullmatch(self.name) or (self.first in (0, 1) and self._may_number)):
            return f"{self._nameless}it numbers the rows"
        years = self.name == UNNAMED and YEARS[0] <= self._ends[0] <= self._ends[1] <= YEARS[1]
        differ = len(self._values) > max(1, DIFFER * self._often.sum())
        return f"{self._nameless}its whole numbers name the rows" if self._says_id and differ and not years else ""

    @property
    def note(self) -> str:
        """What to know of a column that counts the rows under another name."""
        counts = self._whole and self._counts and self.first in (0, 1) and self.rows > 20
        return f"numbers the rows from {self.first} on" if counts else ""

    @property
    def _may_number(self) -> bool:
        words = re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", self.name).lower())
        counts = self.rows > SMALL and len(self.name.strip()) > 1 and TIMES.isdisjoint(words)
        return self.name == UNNAMED or counts

    @property
    def _nameless(self) -> str:
        return "it has no name in the file, and " if self.name == UNNAMED else ""

    @property
    def _says_id(self) -> bool:
        return self.name == UNNAMED or bool(IDS.fullmatch(self.name)) or self.name.lower() in ("rownames", "row.names")

    def _add(self, values: np.ndarray) -> None:
        kept = np.concatenate([self._values, values[self._hashed(values) <= self._limit]])
        often = np.concatenate([self._often, np.ones(len(kept) - len(self._often))])
        self._values, places = np.unique(kept, return_inverse=True)
        self._often = np.bincount(places, often)
        while len(self._values) > MOST:
            self._limit //= 2
            below = self._hashed(self._values) <= self._limit
            self._values, self._often = self._values[below], self._often[below]

    @staticmethod
    def _hashed(values: np.ndarray) -> np.ndarray:
        """By splitmix64: every bit depends on every bit."""
        with np.errstate(over="ignore"):
            h = values.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed: np.ndarray = h ^ (h >> np.uint64(31))
        return mixed
