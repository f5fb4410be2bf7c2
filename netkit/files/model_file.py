"""Models as files: one safetensors file whose header says in JSON what the model is and which plugins it came from.

The header is plain data: qualified names, settings, numbers. Nothing in a file can name code to import.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from netkit import spec
from netkit.errors import ModelFileError, NetkitError, SettingError
from netkit.files import tensor_file
from netkit.kinds import Component, Layer
from netkit.registry import current, discovery
from netkit.registry.discovery import Plugin, normal
from netkit.registry.info import NAME, RUN_TIME, Info

if TYPE_CHECKING:
    from torch import Tensor

    from netkit.model import Model

__all__ = ["FORMAT", "Header", "KeptModel", "Source", "load", "read_header", "save", "sources"]

FORMAT = 2
"""1 had no checksum."""
CALL = 64
"""Numbers that one operation counts for at least while a model is built from a file, since it takes its time."""
DIST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
"""What a distribution's name matches; people paste it into a shell."""


class Source(msgspec.Struct, frozen=True):
    """Where a component came from when the model was saved."""

    kind: str
    distribution: str
    version: str


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
    training: dict[str, Any] = {}
    tensors: dict[str, tuple[int, ...]] = {}
    """The shape of every parameter; filled in when a file is read."""


class _Entry(msgspec.Struct, frozen=True):
    """What a safetensors file says of one tensor."""

    dtype: str
    shape: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]


def save(model: Model, path: str | Path, **about: Any) -> None:
    """Write the model to `path`, whole or not at all; `about` holds further fields of `Header`.

    Raises `DataError` when the path cannot be written, `UnknownComponent` for a part that was never registered.
    """
    network = model.network
    layers = [link.layer for link in network.links]
    header = Header(
        FORMAT,
        discovery.version(),
        network.in_shape,
        str(model.dtype).removeprefix("torch."),
        [spec.table(layer) for layer in layers],
        spec.table(model.loss),
        {name: source for part in [*layers, model.loss] for name, source in sources(part)},
        seed=model.seed,
        **about,
    )
    if by_hand := [name for name, source in header.components.items() if source.distribution == RUN_TIME]:
        warnings.warn(
            f"{path}: {by_hand[0]} was registered by hand; the file will only load where it is registered again",
            stacklevel=3,
        )
    text = json.dumps({k: v for k, v in msgspec.to_builtins(header).items() if k != "tensors"})
    tensors = dict(sorted(network.parameters().items()))
    tensor_file.write(path, tensor_file.head(tensors, text), tensors.values())


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


def load(path: str | Path, missing: str = "refuse") -> Any:
    """The `Model` in a file; with missing="keep" a `KeptModel` where a component of it is not installed, or not such
    that the network can be built.

    Raises `ModelFileError`: not a model, damaged, of a newer format, or a plugin is missing; `SettingError`.
    """
    if missing not in ("refuse", "keep"):
        raise SettingError(f"missing: refuse or keep is needed, got {missing!r}")
    header = read_header(path)
    reason = _absent(path, header)
    if reason and missing == "refuse":
        raise ModelFileError(reason)
    tensors = tensor_file.content(path)
    if reason:
        return KeptModel(header, tensor_file.read_head(path)[0], tensors, reason)
    try:
        return _loaded(path, header, tensors)
    except ModelFileError as error:
        if missing == "refuse":
            raise
        return KeptModel(header, tensor_file.read_head(path)[0], tensors, str(error))


def _loaded(path: str | Path, header: Header, tensors: dict[str, Tensor]) -> Model:
    import torch

    from netkit.model import Model

    try:
        numbers = sum(value.numel() for value in tensors.values())
        with _bounded(2**22 + 2**12 * len(header.layers) + 16 * numbers):
            model = Model(header.layers, header.loss, seed=header.seed, dtype=header.dtype)
            parameters = model.build(header.in_shape).parameters()
    except (Exception, SystemExit) as error:
        cause = str(error) if isinstance(error, (NetkitError, RuntimeError)) else discovery.cause(error)
        changed = "".join(f"; {said}: pip install '{dist}=={old}'" for dist, old, said in _changes(header))
        raise ModelFileError(
            f"{path}: its network cannot be built: {discovery.printable(cause, limit=None)}{changed}"
        ) from None
    if model.network.in_shape != header.in_shape:
        raise ModelFileError(f"{path}: its layers take rows of {model.network.in_shape}, not {header.in_shape}")
    shapes = {name: tuple(view.shape) for name, view in parameters.items()}
    if (found := {name: tuple(value.shape) for name, value in tensors.items()}) != shapes:
        raise ModelFileError(f"{path}: its tensors {found} do not fit its layers {shapes}")
    with torch.no_grad():
        for name, view in parameters.items():
            view.copy_(tensors[name])
    for distribution, _, said in _changes(header):
        if distribution != discovery.DISTRIBUTION:  # its own changes are told by the format
            warnings.warn(f"{path}: {said}", stacklevel=3)
    return model


def _bounded(limit: int) -> AbstractContextManager[Any]:
    """A context in which torch makes no more than `limit` numbers in all: the settings in a small file could ask for
    all memory, or for hours. Raises `ModelFileError`."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode

    class Bounded(TorchDispatchMode):
        left = limit

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            for size in args:
                if isinstance(size, (list, tuple)) and all(isinstance(n, int) for n in size) and prod(size) > self.left:
                    raise ModelFileError(f"its settings ask for a tensor {tuple(size)}, far more than the file holds")
            made = func(*args, **(kwargs or {}))
            if not any(each.alias_info for each in func._schema.returns):
                self.left -= CALL + sum(each.numel() for each in _flat(made) if isinstance(each, Tensor))
                if self.left < 0:
                    raise ModelFileError("its settings ask for tensors of far more numbers than the file holds")
            return made

    return Bounded()  # type: ignore[no-untyped-call]


def _flat(made: Any) -> Any:
    return made if isinstance(made, (list, tuple)) else [made]


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
        _refuse_odd(header.components)
        _refuse_endless([header.features, header.target])
        wanted = tensor_file.DTYPES.get(header.dtype)
        if wanted and (other := [name for name, entry in tensors.items() if entry.dtype != wanted]):
            raise ValueError(f"{other[0]}: a tensor of {wanted} is needed, got {tensors[other[0]].dtype}")
    except (ValueError, KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ModelFileError(f"{path}: damaged model file: {error}") from None
    return msgspec.structs.replace(header, tensors={name: entry.shape for name, entry in tensors.items()})


def _refuse_odd(components: Mapping[str, Source]) -> None:
    """Raise `ValueError` for names and versions that no package has: they would be printed, and pasted into a shell."""
    rules = {
        "component": rf"{DIST}/{NAME}",
        "kind": NAME,
        "distribution": DIST,
        "version": r"(?:[A-Za-z0-9][A-Za-z0-9.!+_-]*)?",
    }
    for name, source in components.items():
        for what, value in {"component": name, **msgspec.structs.asdict(source)}.items():
            if not re.fullmatch(rules[what], value) or (not value and source.distribution != RUN_TIME):
                raise ValueError(f"components: {what}: a name or a version of a package is needed, got {value[:99]!r}")


def _refuse_endless(values: list[Any]) -> None:
    """Raise `ValueError` for nan and inf, however deep."""
    for value in values:
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"a finite number is needed, got {value}")
        if isinstance(value, (dict, list)):
            _refuse_endless(list(value.values()) if isinstance(value, dict) else value)


def sources(component: Component) -> Iterator[tuple[str, Source]]:
    """The qualified names of a component and of those in its settings, however deep, with where they come from."""
    kinds = current().kinds
    yield _source(kinds[component.kind].info_of(component))
    values: list[Any] = [*vars(component).values()]
    if isinstance(component, Layer) and component.activation is not None:  # it may be text, of any annotation
        values.append(spec.make("activation", component.activation))
    while values:
        value = values.pop()
        if isinstance(value, Component):
            yield from sources(value)
        elif isinstance(value, Mapping):
            values += value.values()
            made = str(value.get("type"))  # a table where any value may stand, as it comes from a file
            yield from (_source(each.info(made)) for each in kinds.values() if "/" in made and made in each)
        elif isinstance(value, (tuple, list)):
            values += value


def _source(info: Info) -> tuple[str, Source]:
    return info.qualified, Source(info.kind, info.distribution, info.version)


def _absent(path: str | Path, header: Header) -> str:
    """The first component that is not here, with what to install; empty when all are."""
    for name, source in header.components.items():
        lookup: Mapping[str, Any] = current().kinds.get(source.kind, {})
        if name not in lookup:
            return f"{path}: {source.kind} {name} is not available: {_remedy(name, source)}"
    for name in _types([*header.layers, header.loss]):  # somebody may have emptied the list of components
        if re.fullmatch(rf"{DIST}/{NAME}", name) and not any(name in lookup for lookup in current().kinds.values()):
            return f"{path}: component {name} is not available: {_remedy(name, Source('component', name.partition('/')[0], ''))}"
    return ""


def _types(values: list[Any]) -> Iterator[str]:
    """The names of components in tables, however deep."""
    while values:
        value = values.pop()
        if isinstance(value, Mapping):
            values += value.values()
            yield from [value["type"]] if isinstance(value.get("type"), str) else []
        elif isinstance(value, list):
            values += value


def _changes(header: Header) -> list[tuple[str, str, str]]:
    """Every distribution that is here in another version than the model was saved with: (name, saved version, words)."""
    found = {}
    for name, source in header.components.items():
        now = current().kinds[source.kind].info(name).version
        if now != source.version:
            said = f"{source.distribution} {now} is installed, the model was saved with {source.version}"
            found[source.distribution] = (source.distribution, source.version, said)
    return list(found.values())


def _remedy(name: str, source: Source) -> str:
    if source.distribution == RUN_TIME:
        return "it was registered by hand in the program that saved the model; register it again"
    command = f"pip install '{source.distribution}{f'=={source.version}' if source.version else ''}'"
    rows = [row for row in current().plugins() if normal(row.distribution) == normal(source.distribution)]
    hurt: list[Plugin] = [row for row in rows if row.status != "ok"]
    if hurt:
        remedy = "" if hurt[0].status == "blocked" else f"; {command}"
        return f"{source.distribution} {hurt[0].version} is {hurt[0].status}: {hurt[0].reason}{remedy}"
    if rows:
        saved = (
            f"the model was saved with {source.distribution} {source.version}, "
            if source.version
            else f"{source.distribution} "
        )
        return f"{saved}{rows[0].version} has no such name: {command}"
    return command
