"""A bound on what is made while a model is built from a file: the settings in a small file could ask for all memory."""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from netkit.errors import ModelFileError

__all__ = ["Bounded"]

CALLS = 2**14
"""Operations that any file may ask for."""


class Bounded(TorchDispatchMode):
    """While it lasts torch makes no more than `numbers` numbers in all, in no more than `calls` operations over what
    any file may ask for. Raises `ModelFileError` before the memory is taken."""

    def __init__(self, numbers: int, calls: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers, self.calls = numbers, CALLS + calls
        self._foreseen: dict[Any, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for size in args:
            if isinstance(size, (list, tuple)) and all(isinstance(n, int) for n in size) and prod(size) > self.numbers:
                raise ModelFileError(f"its settings ask for a tensor {tuple(size)}, far more than the file holds")
        if any(each.alias_info for each in func._schema.returns):
            return func(*args, **kwargs)
        self._refuse(self._foresee(func, args, kwargs))
        made = func(*args, **kwargs)
        self.numbers, self.calls = self.numbers - _numbers(made), self.calls - 1
        self._refuse(0)
        return made

    def _foresee(self, func: Any, args: Any, kwargs: Any) -> int:
        """How many numbers an operation on tensors will make, as far as that can be said without their values."""
        leaves = tree_leaves((args, kwargs))
        if not any(isinstance(each, Tensor) for each in leaves):
            return 0
        key = (func, *(each.shape if isinstance(each, Tensor) else each for each in leaves))
        if key not in self._foreseen:
            self._foreseen[key] = 0
            with suppress(NotImplementedError, RuntimeError):
                args, kwargs = tree_map_only(Tensor, _meta, (args, kwargs))
                self._foreseen[key] = _numbers(func(*args, **kwargs))
        return self._foreseen[key]

    def _refuse(self, numbers: int) -> None:
        """Raise for so many further numbers if they are too many."""
        if self.calls < 0:
            raise ModelFileError("its settings ask for more operations than the file's tensors need")
        if numbers > self.numbers:
            raise ModelFileError("its settings ask for tensors of far more numbers than the file holds")


def _meta(value: Tensor) -> Tensor:
    """A tensor of that shape without memory."""
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _numbers(made: Any) -> int:
    return sum(each.numel() for each in tree_leaves(made) if isinstance(each, Tensor))
