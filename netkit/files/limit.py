"""A bound on what is made while a model is built from a file: the settings in a small file could ask for all memory."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from netkit.errors import ModelFileError

__all__ = ["Bounded"]

CALL = 64
"""Numbers that one operation counts for at least, since it takes its time."""


class Bounded(TorchDispatchMode):
    """While it lasts torch makes no more than `limit` numbers in all. Raises `ModelFileError`."""

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left = limit

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for size in args:
            if isinstance(size, (list, tuple)) and all(isinstance(n, int) for n in size) and prod(size) > self.left:
                raise ModelFileError(f"its settings ask for a tensor {tuple(size)}, far more than the file holds")
        made = func(*args, **(kwargs or {}))
        if not any(each.alias_info for each in func._schema.returns):
            values = made if isinstance(made, (list, tuple)) else [made]
            self.left -= CALL + sum(each.numel() for each in values if isinstance(each, Tensor))
            if self.left < 0:
                raise ModelFileError("its settings ask for tensors of far more numbers than the file holds")
        return made
