"""Text whose values repeat: an input for each level, or the number of the level for a layer that learns a vector of
it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit import Encoder, TextSummary

__all__ = ["Codes", "CodesState", "Text", "TextState"]


class CodesState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The levels, each once. Raises `ValueError` for one that comes twice."""

    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("every level comes once")


class TextState(CodesState, frozen=True, forbid_unknown_fields=True):
    """The levels that have an input of their own, and whether the others share one."""

    other: bool = False


@dataclass(frozen=True)
class Text(Encoder):
    """A 1 for the level that the value is. Where there are more than `levels` the most frequent of them keep an input
    each, and the others and the unseen share one. A missing value has inputs of 0."""

    State = TextState
    levels: Annotated[int, msgspec.Meta(ge=1)] = 100

    @classmethod
    def examples(cls) -> Iterator[Text]:
        yield from (cls(), cls(levels=2))

    def fit(self, summary: TextSummary) -> TextState | str:
        counts = summary.counts
        if len(counts) < 2 and not (counts and summary.missing):
            return f"every value is {next(iter(counts))!r}" if counts else "every value is missing"
        return TextState(tuple(sorted([*counts][: self.levels])), other=len(counts) > self.levels)

    def names(self, column: str, state: TextState) -> list[str]:
        return [f"{column}={level}" for level in state.levels] + ([f"{column} (other)"] if state.other else [])

    def transform(self, state: TextState, values: pa.Array, inputs: np.ndarray) -> int:
        codes, unseen = _codes(values, state.levels)
        known = codes >= 0
        inputs[np.flatnonzero(known), codes[known]] = 1
        if state.other:
            inputs[unseen, -1] = 1
            return 0
        return int(unseen.sum())

    def treatment(self, state: TextState) -> str:
        return f"one-hot of {len(state.levels)} levels" + (" + other" if state.other else "")

    def note(self, state: TextState) -> str:
        kept = f"the {len(state.levels)} most frequent values keep an input each, the others share one"
        return kept if state.other else ""


@dataclass(frozen=True)
class Codes(Encoder):
    """The number of the level, from 1 on; 0 for a value that is missing, was seen once only, or never. The layer
    `embedding` in front of the network learns a vector of `dimensions` numbers for each.

    By default they are the fourth root of the levels, rounded up: more cost time and scored no better.
    """

    State = CodesState
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None

    @classmethod
    def examples(cls) -> Iterator[Codes]:
        yield from (cls(), cls(dimensions=3))

    def fit(self, summary: TextSummary) -> CodesState | str:
        levels = tuple(level for level, count in summary.counts.items() if count > 1)
        return CodesState(levels) if levels else "every value differs"

    def names(self, column: str, state: CodesState) -> list[str]:
        return [column]

    def transform(self, state: CodesState, values: pa.Array, inputs: np.ndarray) -> None:
        inputs[:, 0] = _codes(values, state.levels)[0] + 1

    def treatment(self, state: CodesState) -> str:
        rows, dimensions = self._size(state)
        return f"embedding, {rows} x {dimensions}"

    @classmethod
    def layer(cls, columns: Mapping[int, tuple[Codes, CodesState]]) -> dict[str, Any]:
        levels, dimensions = zip(*(encoder._size(state) for encoder, state in columns.values()))
        return {"type": "embedding", "columns": [*columns], "levels": [*levels], "dimensions": [*dimensions]}

    def _size(self, state: CodesState) -> tuple[int, int]:
        """Rows and columns of the table of vectors."""
        rows = len(state.levels) + 1
        return rows, self.dimensions or ceil(rows**0.25)


def _codes(values: pa.Array, levels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each value's level, -1 for none, and which values are neither missing nor a level."""
    codes = pc.fill_null(pc.index_in(values, pa.array(levels, pa.string())), -1).to_numpy().astype(np.int64)
    return codes, (codes < 0) & values.is_valid().to_numpy(zero_copy_only=False)
