"""Safetensors files with a SHA-256 over every byte of them, in the metadata, where any reader of safetensors finds it.

The checksum is that of the whole file with 64 zeros in its own place, which is always the same place.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netkit.errors import DataError, ModelFileError
from netkit.files.atomic import atomic_write
from netkit.files.checkpoint import is_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DTYPES", "content", "head", "read_head", "refuse_damage", "write"]

DTYPES = {"float32": "F32", "float64": "F64"}
"""What safetensors calls the types of tensors."""
LIMIT = 64 * 2**20
"""Bytes of header that are read at most."""
SEAL = b'{"__metadata__":{"sha256":"'
"""How the header of a file with a checksum begins."""
ZEROS = b"0" * 64
DIGITS = slice(8 + len(SEAL), 8 + len(SEAL) + len(ZEROS))
"""Where in a file the checksum stands."""
PART = 2**24


def head(tensors: Mapping[str, Tensor], text: str) -> bytes:
    """The header of a file of these tensors, one behind the other in this order, with `text` as metadata."""
    entries: dict[str, Any] = {"__metadata__": {"sha256": ZEROS.decode(), "netkit": text}}
    end = 0
    for name, value in tensors.items():
        start, end = end, end + value.numel() * value.element_size()
        dtype = DTYPES[str(value.dtype).removeprefix("torch.")]
        entries[name] = {"dtype": dtype, "shape": [*value.shape], "data_offsets": [start, end]}
    raw = json.dumps(entries, separators=(",", ":")).encode()
    return raw + b" " * (-len(raw) % 8)  # the tensors begin at a multiple of eight bytes


def write(path: str | Path, raw: bytes, tensors: Iterable[Tensor]) -> None:
    """Write a header and the tensors behind it; where the header has a checksum it is put right. Raises `DataError`."""
    import torch

    with atomic_write(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(struct.pack("<Q", len(raw)) + raw)
            for value in tensors:
                flat = value.detach().cpu().clone(memory_format=torch.contiguous_format).reshape(-1)
                file.write(flat.view(torch.uint8).numpy().data)
        if raw.startswith(SEAL):
            digits = _checksum(temporary)[1]
            with open(temporary, "r+b") as file:
                file.seek(DIGITS.start)
                file.write(digits)


def read_head(path: str | Path) -> tuple[bytes, dict[str, Any]]:
    """The JSON at the start of a safetensors file, behind eight bytes of length, as it is and read.

    Raises `ModelFileError`, `DataError`.
    """
    if Path(path).is_fifo():
        raise ModelFileError(f"{path}: not a netkit model: it is a pipe")
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= size <= min(LIMIT, os.fstat(file.fileno()).st_size - 8):
                raise ValueError
            raw = file.read(size)
        entries = json.loads(raw)
        if not isinstance(entries, dict):
            raise ValueError
    except FileNotFoundError:
        raise DataError(f"{path}: cannot be read: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        if is_checkpoint(path):
            said = f"netkit train --resume {Path(path).parent} goes on with its run"
            raise ModelFileError(f"{path}: a checkpoint, not a model; {said}") from None
        raise ModelFileError(f"{path}: not a netkit model, or cut off") from None
    return raw, entries


def refuse_damage(path: str | Path, raw: bytes, sealed: bool) -> None:
    """Raise `ModelFileError` for a file whose checksum is wrong, or that has none and should be `sealed`."""
    if sealed or raw.startswith(SEAL):
        try:
            said, found = _checksum(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
        if said != found or not raw.startswith(SEAL):
            raise ModelFileError(f"{path}: damaged model file: its checksum is wrong")


def content(path: str | Path) -> dict[str, Tensor]:
    """Every tensor in a file. Raises `ModelFileError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(f"{path}: damaged model file: {error}") from None


def _checksum(path: str | Path) -> tuple[bytes, bytes]:
    """The checksum that stands in a file, and the one that it has."""
    with open(path, "rb") as file:
        start = file.read(DIGITS.stop)
        found = hashlib.sha256(start[: DIGITS.start] + ZEROS)
        while part := file.read(PART):
            found.update(part)
    return start[DIGITS], found.hexdigest().encode()
