"""How the values of a column were written, where its reader guesses what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netkit.tables.columns import is_text, labels

__all__ = ["Spelling"]

SPELLINGS = 2**16
"""Values of which a spelling is kept; where there are more, they are no classes."""


class Spelling:
    """How the values of a column are written: each as it was first met."""

    def __init__(self) -> None:
        self.first: dict[Any, str] = {}

    def typed(self, words: pa.ChunkedArray, values_of: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
        """The values that these words are, whole numbers to the last digit. values_of: makes them of distinct words."""
        encoded = pc.dictionary_encode(words).combine_chunks()
        values = pa.chunked_array([values_of(encoded.dictionary)])
        if is_text(values):
            return words
        if len(self.first) <= SPELLINGS >= len(values):
            places, found = labels(values)
            for number, word in zip(places.tolist(), encoded.dictionary.to_pylist()):
                self.first.setdefault(found[number], word)
        return pa.chunked_array([values.combine_chunks().take(encoded.indices)])
