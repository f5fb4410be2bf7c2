"""What a model file says about itself, in JSON: plain data, and nothing in it can name code to import."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import msgspec

from netkit import spec
from netkit.engine.scores import Scores
from netkit.errors import ModelFileError
from netkit.files import tensor_file
from netkit.files.provenance import Source, refuse_odd, sources
from netkit.kinds import Encoder, Layer, Loss
from netkit.registry import discovery

__all__ = ["FORMAT", "Header", "header_of", "read_header"]

FORMAT = 2
"""1 had no checksum."""


class Header(msgspec.Struct, frozen=True):
    """What a model file says about itself."""

    format: Annotated[int, msgspec.Meta(ge=1)]
    netkit: str
    in_shape: tuple[int, ...]
    dtype: str
    layers: list[dict[str, Any]]
    loss: dict[str, Any]
    components: dict[str, Source]
    seed: int = 0
    features: dict[str, Any] | None = None
    target: dict[str, Any] | None = None
    scores: dict[str, dict[str, float]] = {}
    evaluation: dict[str, dict[str, Any]] = {}
    """What there is to know of scores beside themselves, by the part of the rows."""
    training: dict[str, Any] = {}
    state: list[str] = []
    """The tensors that are kept and not trained, such as running means."""
    tensors: dict[str, tuple[int, ...]] = {}
    """The shape of every tensor; filled in when a file is read."""

    @property
    def scored(self) -> dict[str, Scores]:
        """The scores with all that there is to know of them. Raises `msgspec.ValidationError`."""
        return {part: Scores.from_json(values, self.evaluation.get(part, {})) for part, values in self.scores.items()}

    @property
    def parts(self) -> list[Any]:
        """Its components as it describes them."""
        columns = (self.features or {}).get("columns")
        encoders = (
            [each.get("encoder") for each in columns if isinstance(each, dict)] if isinstance(columns, list) else []
        )
        return [*self.layers, self.loss, *encoders]


class _Entry(msgspec.Struct, frozen=True):
    """What a safetensors file says of one tensor."""

    dtype: str
    shape: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]


def header_of(
    layers: Iterable[Layer],
    loss: Loss,
    in_shape: tuple[int, ...],
    dtype: str,
    seed: int,
    encoders: Iterable[Encoder] = (),
    **about: Any,
) -> Header:
    """The header of a model; encoders: those that `about`, its further fields, hold. Raises `UnknownComponent` for a
    part that was never registered."""
    parts = [*layers, loss]
    components = {name: source for part in [*parts, *encoders] for name, source in sources(part)}
    tables = [spec.table(part) for part in parts]
    return Header(FORMAT, discovery.version(), in_shape, dtype, tables[:-1], tables[-1], components, seed=seed, **about)


def read_header(path: str | Path) -> Header:
    """What the file says about itself, without loading torch or any plugin. Raises `ModelFileError`, `DataError`."""
    raw, entries = tensor_file.read_head(path)
    about = entries.pop("__metadata__", None)
    if not isinstance(about, dict) or not isinstance(about.get("netkit"), str):
        raise ModelFileError(f"{path}: not a netkit model: a safetensors file without netkit's header")
    try:
        described = json.loads(about["netkit"])
        if not isinstance(described, dict):
            raise ValueError("its header is no table")
        if isinstance(described.get("format"), int) and described["format"] > FORMAT:
            raise ModelFileError(
                f"{path}: format {described['format']} of netkit {described.get('netkit')} is newer "
                f"than this netkit reads ({FORMAT}); upgrade {discovery.DISTRIBUTION}"
            )
        tensor_file.refuse_damage(path, raw, described.get("format") != 1)
        json.dumps(described, ensure_ascii=False).encode()  # refuses half of a surrogate pair
        header = msgspec.convert(described, Header)
        tensors = msgspec.convert(entries, dict[str, _Entry])
        refuse_odd(header.components)
        header.scored  # noqa: B018
        _refuse_endless([header.features, header.target])
        wanted = tensor_file.DTYPES.get(header.dtype)
        if wanted and (other := [name for name, entry in tensors.items() if entry.dtype != wanted]):
            raise ValueError(f"{other[0]}: a tensor of {wanted} is needed, got {tensors[other[0]].dtype}")
    except (ValueError, KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ModelFileError(f"{path}: damaged model file: {error}") from None
    return msgspec.structs.replace(header, tensors={name: entry.shape for name, entry in tensors.items()})


def _refuse_endless(values: list[Any]) -> None:
    """Raise `ValueError` for nan and inf, however deep."""
    for value in values:
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"a finite number is needed, got {value}")
        if isinstance(value, (dict, list)):
            _refuse_endless(list(value.values()) if isinstance(value, dict) else value)
