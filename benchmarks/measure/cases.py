"""What is trained: networks, batches, and the rows to learn from, the same for every peer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray

ALPHA = {"sgd": 0.05, "adam": 0.001}
"""Learning rates: everybody's are the same."""

NOISE = 0.5
"""Spread of what is added to each class's score, so that no network learns the rows by heart to a loss of 0."""


@dataclass(frozen=True)
class Case:
    """A network of Dense layers, relu between them and softmax at the end, and one turn of training: its epochs."""

    sizes: tuple[int, ...]
    batch: int
    steps: int
    optimizer: str = "sgd"
    activation: str = "relu"
    epochs: int = 1

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes)) + f"@{self.batch}"

    @property
    def rows(self) -> int:
        return self.batch * self.steps

    @property
    def alpha(self) -> float:
        return ALPHA[self.optimizer]


@dataclass(frozen=True)
class Data:
    """Rows x, (n, features) float32, and their classes, (n,) int64."""

    x: ndarray
    labels: ndarray
    classes: int

    @cached_property
    def onehot(self) -> ndarray:
        """The classes as rows with a single 1, (n, classes) float32."""
        rows = np.zeros((len(self.labels), self.classes), dtype=np.float32)
        rows[np.arange(len(rows)), self.labels] = 1
        return rows


NETWORKS = (
    Case((4, 32, 3), batch=8, steps=2000),
    Case((20, 64, 64, 5), batch=32, steps=1000),
    Case((30, 128, 64, 2), batch=64, steps=500),
    Case((784, 512, 256, 10), batch=128, steps=40),
    Case((784, 512, 256, 10), batch=1024, steps=8),
    Case((1024, 2048, 2048, 1000), batch=512, steps=6),
)


def data(case: Case, seed: int = 0) -> Data:
    """Rows whose class is the largest of some random linear scores, plus noise."""
    rng = np.random.default_rng(seed)
    features, classes = case.sizes[0], case.sizes[-1]
    x = rng.standard_normal((case.rows, features), dtype=np.float32)
    teacher = rng.standard_normal((features, classes), dtype=np.float32)
    return Data(x, np.concatenate([_winners(part @ teacher, rng) for part in _parts(x)]), classes)


def weights(sizes: tuple[int, ...], seed: int = 0) -> list[tuple[ndarray, ndarray]]:
    """Glorot's uniform weights, (inputs, units), and zeros, (units,), for each layer."""
    rng = np.random.default_rng(seed)
    pairs = zip(sizes, sizes[1:])
    return [(_uniform(rng, inputs, units), np.zeros(units, dtype=np.float32)) for inputs, units in pairs]


def cross_entropy(probabilities: ndarray, labels: ndarray) -> float:
    """The mean of -log p of the right class. Raises `TypeError` for anything but float32."""
    if probabilities.dtype != np.float32:
        raise TypeError(f"float32 probabilities are needed, got {probabilities.dtype}")
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-30)).mean())


def _uniform(rng: np.random.Generator, inputs: int, units: int) -> ndarray:
    limit = (6 / (inputs + units)) ** 0.5
    return rng.uniform(-limit, limit, (inputs, units)).astype(np.float32)


def _parts(x: ndarray) -> list[ndarray]:
    return [x[start : start + 4096] for start in range(0, len(x), 4096)]


def _winners(scores: ndarray, rng: np.random.Generator) -> ndarray:
    noise = rng.standard_normal(scores.shape, dtype=np.float32)
    return (scores + NOISE * noise).argmax(1)
