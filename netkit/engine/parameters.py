"""All parameters of a network in one flat vector, and the views into it that its layers see.

A layer may return several parameters as views of one block, such as a bias that lies behind each row of the weights.
They keep that place: the vector holds each block in the memory order in which its layer made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["compact", "flat", "place", "placed", "places", "write"]

Params = dict[str, Tensor]
Places = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], int]]
"""Shape, strides and offset by name."""


def compact(params: Params) -> Params:
    """The parameters as they are where those that share memory fill it without gaps or overlaps; else as copies."""
    kept = {id(each) for group in _blocks([params]) if _gapless(group) for each in group}
    return {name: each if id(each) in kept else each.contiguous().clone() for name, each in params.items()}


def flat(built: Sequence[Params]) -> Tensor:
    """The numbers of all parameters, block after block."""
    pieces = [group[0].as_strided((_size(group),), (1,), _first(group)) for group in _blocks(built)]
    return torch.cat([torch.zeros(0), *pieces])


def places(built: Sequence[Params]) -> list[Places]:
    """Where in such a vector each parameter lies, with the shape and the memory order in which it was built."""
    start = dict(_places(built))
    return [
        {name: (tuple(each.shape), each.stride(), start[id(each)]) for name, each in params.items()} for params in built
    ]


def place(params: Mapping[str, Tensor]) -> Places:
    """Where views lie in their vector."""
    return {name: (tuple(each.shape), each.stride(), int(each.storage_offset())) for name, each in params.items()}


def placed(where: Places, vector: Tensor) -> Params:
    """The views that lie at such places of a vector."""
    return {name: vector.as_strided(*each) for name, each in where.items()}


def write(slots: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Write tensors over those of the same name."""
    for name, each in values.items():
        slots[name].copy_(each)


def _places(built: Sequence[Params]) -> Iterator[tuple[int, int]]:
    start = 0
    for group in _blocks(built):
        for each in group:
            yield id(each), start + int(each.storage_offset()) - _first(group)
        start += _size(group)


def _blocks(built: Sequence[Params]) -> list[list[Tensor]]:
    """The parameters in groups that share memory, in order."""
    groups: dict[object, list[Tensor]] = {}
    for each in (each for params in built for each in params.values()):
        groups.setdefault(each.untyped_storage().data_ptr() if each.numel() else (id(each),), []).append(each)
    return list(groups.values())


def _size(group: list[Tensor]) -> int:
    return sum(each.numel() for each in group)


def _first(group: list[Tensor]) -> int:
    return min(int(each.storage_offset()) for each in group)


def _gapless(group: list[Tensor]) -> bool:
    """Whether the tensors cover a stretch of memory, each place of it once."""
    if len(group) == 1 and _dense(group[0]):
        return True
    places = [_positions(each) for each in group if each.numel()]
    covered = torch.cat(places).sort().values if places else torch.zeros(0, dtype=torch.int64)
    return torch.equal(covered, torch.arange(len(covered)) + _first(group))


def _dense(each: Tensor) -> bool:
    """Whether a tensor is contiguous once its axes are in the order of memory."""
    order = sorted(range(each.ndim), key=each.stride, reverse=True)
    return each.permute(order).is_contiguous()


def _positions(each: Tensor) -> Tensor:
    """Where in its storage every element of a tensor lies."""
    found = torch.tensor([each.storage_offset()])
    for size, step in zip(each.shape, each.stride()):
        found = (found[:, None] + step * torch.arange(size)).flatten()
    return found
