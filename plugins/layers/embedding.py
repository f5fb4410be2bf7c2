"""A vector for each level of a column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Initializer, Layer, Params, SettingError, ShapeError, spec

__all__ = ["Embedding"]

Place = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True)
class Embedding(Layer):
    """y = (x without its code columns, T_1[x_c1], T_2[x_c2], ...), (n, d) to (n, d - columns + sum of dimensions).

    The input column `columns[i]` holds codes: whole numbers from 0 to `levels[i]` - 1, each a row of the table T_i
    (levels[i], dimensions[i]), `T<column>` by name. A number between two codes is the lower one, and one beyond the
    ends the nearest end, so y is constant almost everywhere in x_c and dx is 0 there. dT_i is the sum of the gradients
    of the rows that used each code. Tables start normal with deviation 0.05 by default. Raises `SettingError` for lists
    of different lengths or a column given twice, `ShapeError` when a column is not among the inputs.

    Source: Guo and Berkhahn 2016, arXiv:1604.06737.
    """

    columns: tuple[Place, ...]
    levels: tuple[Size, ...]
    dimensions: tuple[Size, ...]
    initializer: Initializer | str = "normal"

    @classmethod
    def examples(cls) -> Iterator[Embedding]:
        yield cls((1,), (3,), (2,))
        yield cls((3, 0), (2, 4), (1, 3), "uniform")

    def build(self, in_shape: tuple[int, ...], rng: Generator) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        if not len(self.columns) == len(self.levels) == len(self.dimensions) > 0:
            sizes = f"{len(self.columns)}, {len(self.levels)} and {len(self.dimensions)}"
            raise SettingError(f"embedding: columns, levels and dimensions must be of one length, got {sizes}")
        if len(set(self.columns)) < len(self.columns):
            raise SettingError(f"embedding: columns must differ, got {list(self.columns)}")
        if len(in_shape) != 1 or max(self.columns) >= in_shape[0]:
            raise ShapeError(f"embedding: column {max(self.columns)} of rows of shape {in_shape} is needed")
        make = spec.make("initializer", self.initializer)
        tables = {name: make(shape, *shape, rng) for name, shape in zip(self._names, zip(self.levels, self.dimensions))}
        return tables, (in_shape[0] - len(self.columns) + sum(self.dimensions),)

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        codes = [x[:, column].clamp(0, size - 1).long() for column, size in zip(self.columns, self.levels)]
        rest = torch.tensor(
            [column for column in range(x.shape[1]) if column not in self.columns], dtype=torch.long, device=x.device
        )
        vectors = [params[name].index_select(0, code) for name, code in zip(self._names, codes)]
        return torch.cat([x.index_select(1, rest), *vectors], 1), (rest, codes)

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        rest, codes = saved
        dx = grad.new_zeros(len(grad), len(rest) + len(codes)).index_copy_(1, rest, grad[:, : len(rest)])
        return dx, self.param_grads(params, saved, grad)

    def param_grads(self, params: Params, saved: Any, grad: Tensor) -> dict[str, Tensor]:
        rest, codes = saved
        parts = grad.split([len(rest), *self.dimensions], 1)[1:]
        return {
            name: torch.zeros_like(params[name]).index_add_(0, code, part)
            for name, code, part in zip(self._names, codes, parts)
        }

    @property
    def _names(self) -> list[str]:
        return [f"T{column}" for column in self.columns]
