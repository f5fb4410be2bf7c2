"""Learning rates that stay, or fall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, floor, pi
from typing import Annotated

from msgspec import Meta

from netkit import Schedule

__all__ = ["Constant", "Cosine", "Step"]


@dataclass(frozen=True)
class Constant(Schedule):
    """1: alpha all the way."""

    def __call__(self, done: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """floor + (1 - floor) (1 + cos(pi done)) / 2: from 1 down to `floor` in half a wave (arXiv:1608.03983)."""

    floor: Annotated[float, Meta(ge=0, le=1)] = 0.0

    @classmethod
    def examples(cls) -> Iterator[Cosine]:
        yield from (cls(), cls(floor=0.1))

    def __call__(self, done: float) -> float:
        return self.floor + (1 - self.floor) * (1 + cos(pi * done)) / 2


@dataclass(frozen=True)
class Step(Schedule):
    """factor^floor(done / every): times `factor` whenever another share `every` of the run is done.

    Source: the step decay of He et al. 2015, arXiv:1512.03385.
    """

    every: Annotated[float, Meta(gt=0, le=1)] = 0.3
    factor: Annotated[float, Meta(ge=0, le=1)] = 0.1

    @classmethod
    def examples(cls) -> Iterator[Step]:
        yield from (cls(), cls(every=0.1, factor=0.5))

    def __call__(self, done: float) -> float:
        times: int = floor(done / self.every + 1e-9)  # 0.7 / 0.1 is a little below 7
        return float(self.factor**times)
