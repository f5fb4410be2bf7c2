"""Starting values that look at data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Generator, Tensor

from netkit import Initializer, spec

__all__ = ["UnitVariance"]


@dataclass(frozen=True)
class UnitVariance(Initializer):
    """The values of `start`, divided by the standard deviation of what the layer makes of the first rows, layer by
    layer: so outputs before the activation start with deviation 1. As they are where that is 0, and without data.

    Source: Mishkin and Matas 2015, arXiv:1511.06422 (layer-sequential unit variance).
    """

    start: Initializer | str = "orthogonal"
    sees_data = True

    @classmethod
    def examples(cls) -> Iterator[UnitVariance]:
        yield from (cls(), cls("uniform:low=0.0,high=0.1"))

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        made: Tensor = spec.make("initializer", self.start)(shape, fan_in, fan_out, rng)
        return made

    def fitted(self, values: Tensor, outputs: Callable[[Tensor], Tensor]) -> Tensor:
        deviation = float(outputs(values).std(correction=0))
        return values / deviation if deviation > 0 else values
