"""Rows to hold out, chosen while a table is read for the first time and nobody knows yet how long it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from netkit.tables.columns import labels

__all__ = ["Parting", "uniform"]

CLASSES = 1000
"""Values of the target that are each shared out evenly; the later ones share out among themselves."""


class Parting:
    """Of the rows with one value of the target, in stretches of 1 / share, one is held out of each at random: so the share
    is even in every class, and right for numbers, too. Which rows they are follows from the seed and their order alone."""

    def __init__(self, name: str, share: float, seed: int) -> None:
        self._name, self._share, self._seed = name, share, seed
        self._known: dict[Any, int] = {}
        self._seen = np.zeros(CLASSES + 1, dtype=np.int64)
        """How many rows there were of each known value, and of all others."""

    def held_out(self, values: pa.ChunkedArray) -> np.ndarray:
        """Which of the next rows are held out, by their targets."""
        codes = self._codes(values)
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(codes, minlength=CLASSES + 1)
        starts = np.cumsum(counts) - counts
        places = np.empty(len(codes), dtype=np.int64)
        places[order] = np.arange(len(codes)) - starts[codes[order]] + self._seen[codes[order]]
        self._seen += counts
        return self._chosen(places, codes)

    def _codes(self, values: pa.ChunkedArray) -> np.ndarray:
        """The number of each value among those that are known, CLASSES for another one."""
        places, found = labels(values)
        for label in found:
            if len(self._known) == CLASSES:
                break
            self._known.setdefault(label, len(self._known))
        codes: np.ndarray = np.array([self._known.get(label, CLASSES) for label in found], np.int16)[places]
        return codes

    def _chosen(self, places: np.ndarray, codes: np.ndarray) -> np.ndarray:
        stretch = np.floor(places * self._share)
        first, end = np.ceil(stretch / self._share), np.ceil((stretch + 1) / self._share)
        drawn = uniform(self._seed, codes.astype(np.uint64), stretch.astype(np.uint64))
        chosen: np.ndarray = places == first + np.floor(drawn * (end - first))
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
