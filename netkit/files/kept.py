"""A model that cannot be built here: looked at, changed and saved, but not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netkit.errors import ModelFileError, SettingError
from netkit.files import tensor_file
from netkit.files.header import Header

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KeptModel"]


class _NotBuilt(ModelFileError, AttributeError):
    """Asked of a kept model what only a whole one has."""


class KeptModel:
    """A model that cannot be built here, for `reason`: it can be looked at, changed and saved, but not run."""

    def __init__(self, header: Header, raw: bytes, tensors: dict[str, Tensor], reason: str) -> None:
        self.header, self.reason = header, reason
        self._raw, self._tensors = raw, tensors
        self._forms = {name: (value.dtype, value.shape) for name, value in tensors.items()}

    def parameters(self) -> dict[str, Tensor]:
        """Every parameter by name; writing into one changes what `save` writes."""
        return self._tensors

    def save(self, path: str | Path) -> None:
        """Write the file again: unless a parameter was changed, byte for byte. Raises `DataError`, `SettingError`."""
        found = {name: (value.dtype, value.shape) for name, value in self._tensors.items()}
        if found != self._forms:
            raise SettingError(f"parameters: a kept model has {self._forms}, got {found}")
        entries = json.loads(self._raw)
        del entries["__metadata__"]
        order = sorted(entries, key=lambda name: entries[name]["data_offsets"])
        tensor_file.write(path, self._raw, (self._tensors[name] for name in order))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "reason" not in vars(self):  # what copy and pickle ask for
            raise AttributeError(name)
        raise _NotBuilt(self.reason)
