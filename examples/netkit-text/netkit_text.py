"""An encoder of text for netkit: hashed character n-grams."""

from dataclasses import dataclass
from typing import Annotated, Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from msgspec import Meta

from netkit import Encoder, TextSummary


@dataclass(frozen=True)
class HashedNgrams(Encoder):
    """x_k = c_k / |c|, where c_k counts the n-grams g of characters with crc32(g) mod size = k (arXiv:0902.2206).

    Texts that are alike have inputs that are alike, also those that training never saw. A missing value is all zeros.
    """

    n: Annotated[int, Meta(ge=1, le=16)] = 3
    size: Annotated[int, Meta(ge=1, le=4096)] = 64
    lower: bool = True

    def fit(self, summary: TextSummary) -> dict[str, Any] | str:
        return {} if len(summary.counts) > 1 else "it never changes"

    def names(self, column: str, state: dict[str, Any]) -> list[str]:
        return [f"{column} ({place})" for place in range(self.size)]

    def transform(self, state: dict[str, Any], values: pa.Array, inputs: np.ndarray) -> None:
        distinct = values.drop_null().dictionary_encode()  # each text once, however often it comes
        if len(distinct):
            vectors = np.stack([self._vector(text) for text in distinct.dictionary.to_pylist()])
            inputs[values.is_valid().to_numpy(zero_copy_only=False)] = vectors[distinct.indices.to_numpy()]

    def _vector(self, text: str) -> np.ndarray:
        """(size,), of length one."""
        text = f" {text.lower() if self.lower else text} "  # so that a word's ends count
        starts = range(max(1, len(text) - self.n + 1))
        places = [crc32(text[start : start + self.n].encode()) % self.size for start in starts]
        counts = np.bincount(places, minlength=self.size)
        return counts / np.linalg.norm(counts)
