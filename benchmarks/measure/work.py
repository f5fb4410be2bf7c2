"""What a peer hands to its worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from measure.cases import Data, cross_entropy


@dataclass(frozen=True)
class Work:
    """Something to be timed. `turn` does it once and returns when it is done.

    loss: of the model as it is now, where there is something to learn. remark: threads and choices, for the report.
    """

    turn: Callable[[], object]
    loss: Callable[[], float] | None = None
    remark: str = ""


def training(
    epoch: Callable[[], object], probabilities: Callable[[ndarray], ndarray], rows: Data, epochs: int, remark: str
) -> Work:
    """Work whose turn is `epochs` calls of `epoch`."""

    def turn() -> None:
        for _ in range(epochs):
            epoch()

    def loss() -> float:
        return cross_entropy(np.asarray(probabilities(rows.x)), rows.labels)

    return Work(turn, loss, remark)
