"""Learning rates that rise first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi
from typing import Annotated

from msgspec import Meta

from netkit import Schedule, spec

__all__ = ["OneCycle", "WarmUp"]

Factor = Annotated[float, Meta(ge=0, le=1)]
Within = Annotated[float, Meta(gt=0, lt=1)]


@dataclass(frozen=True)
class OneCycle(Schedule):
    """From `start` up to 1 while the share `rise` is done, then down to `end`, each in half a wave of the cosine.

    With p the share of the phase that is done, from a to b: a + (b - a) (1 - cos(pi p)) / 2. alpha is the peak.
    Source: Smith and Topin 2017, arXiv:1708.07120, with the cosine of fastai.
    """

    rise: Within = 0.3
    start: Factor = 0.04
    end: Factor = 4e-6

    @classmethod
    def examples(cls) -> Iterator[OneCycle]:
        yield from (cls(), cls(rise=0.5, start=0.1, end=0.0))

    def __call__(self, done: float) -> float:
        if done < self.rise:
            return _wave(self.start, 1.0, done / self.rise)
        return _wave(1.0, self.end, (done - self.rise) / (1 - self.rise))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """start + (1 - start) done / share while the share `share` is done, then the schedule `then` over all that is left.

    Source: Goyal et al. 2017, arXiv:1706.02677.
    """

    share: Within = 0.1
    start: Factor = 0.01
    then: Schedule | str = "constant"

    @classmethod
    def examples(cls) -> Iterator[WarmUp]:
        yield from (cls(), cls(share=0.2, start=0.0, then="cosine:floor=0.1"))

    def __call__(self, done: float) -> float:
        if done < self.share:
            return self.start + (1 - self.start) * done / self.share
        then: Schedule = self.then if isinstance(self.then, Schedule) else spec.make("schedule", self.then)
        return then((done - self.share) / (1 - self.share))


def _wave(begin: float, end: float, done: float) -> float:
    return begin + (end - begin) * (1 - cos(pi * done)) / 2
