"""Models as files: one safetensors file whose header says in JSON what the model is and which plugins it came from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netkit.files import tensor_file
from netkit.files.header import Header
from netkit.registry.info import RUN_TIME

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["write_model"]


def write_model(path: str | Path, header: Header, parameters: Mapping[str, Tensor]) -> None:
    """Write a model, whole or not at all. Raises `DataError` when the path cannot be written."""
    if by_hand := [name for name, source in header.components.items() if source.distribution == RUN_TIME]:
        warnings.warn(
            f"{path}: {by_hand[0]} was registered by hand; the file will only load where it is registered again",
            stacklevel=3,
        )
    text = json.dumps({k: v for k, v in msgspec.to_builtins(header).items() if k != "tensors"})
    tensors = dict(sorted(parameters.items()))
    tensor_file.write(path, tensor_file.head(tensors, text), tensors.values())
