"""The same numbers in another shape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from torch import Generator, Tensor

from netkit import Layer, Params, SettingError, Shape, ShapeError

__all__ = ["Flatten", "Reshape"]


class _Rearranged(Layer):
    """y = x in the shape that `_shape` says, and dx = dy in that of x."""

    @abstractmethod
    def _shape(self, in_shape: Shape) -> Shape:
        """The shape of a row of outputs."""

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        return {}, self._shape(in_shape)

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Shape]:
        return x.reshape(len(x), *self._shape(tuple(x.shape[1:]))), tuple(x.shape)

    def backward(self, params: Params, saved: Shape, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad.reshape(saved), {}


@dataclass(frozen=True)
class Flatten(_Rearranged):
    """Each row in one axis, the last one fastest, (n, ...) to (n, d): what dense needs behind an image."""

    def _shape(self, in_shape: Shape) -> Shape:
        return (prod(in_shape),)


@dataclass(frozen=True)
class Reshape(_Rearranged):
    """Each row in the shape `shape`, the last axis fastest, (n, ...) to (n, *shape); one size may be -1: what is left.

    `reshape:shape=[1, 28, 28]` makes an image of a table's 784 columns. Raises `SettingError` for a size that is
    neither -1 nor at least 1, or for two of -1, `ShapeError` when the numbers do not fill the shape.
    """

    shape: tuple[int, ...]

    @classmethod
    def examples(cls) -> Iterator[Reshape]:
        yield from (cls((2, 2)), cls((2, -1)), cls((-1,)))

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        if not self.shape or self.shape.count(-1) > 1 or any(size < 1 and size != -1 for size in self.shape):
            raise SettingError(f"reshape: sizes of at least 1 are needed, one may be -1, got {list(self.shape)}")
        return super().build(in_shape, rng)

    def _shape(self, in_shape: Shape) -> Shape:
        numbers, known = prod(in_shape), prod(size for size in self.shape if size != -1)
        shape = tuple(numbers // known if size == -1 else size for size in self.shape)
        if prod(shape) != numbers:
            raise ShapeError(f"reshape: rows that fill {list(self.shape)} are needed, got {in_shape}")
        return shape
