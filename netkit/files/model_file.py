"""Models as files: one safetensors file whose header says in JSON what the model is and which plugins it came from.

The header is plain data: qualified names, settings, numbers. Nothing in a file can name code to import.
"""

from __future__ import annotations

import json
import os
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from netkit import spec
from netkit.errors import DataError, ModelFileError, NetkitError, SettingError
from netkit.kinds import Component
from netkit.registry import current, discovery, guard
from netkit.registry.discovery import Plugin, normal
from netkit.registry.info import NAME, RUN_TIME

if TYPE_CHECKING:
    from torch import Tensor

    from netkit.model import Model

__all__ = ["FORMAT", "Header", "KeptModel", "Source", "load", "read_header", "save", "sources", "written"]

FORMAT = 1
LIMIT = 64 * 2**20
"""Bytes of header that are read at most."""
DIST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
"""What a distribution's name matches; people paste it into a shell."""


class Source(msgspec.Struct, frozen=True):
    """Where a component came from when the model was saved."""

    kind: str
    distribution: str
    version: str


class Header(msgspec.Struct, frozen=True):
    """What a model file says about itself."""

    format: int
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
    tensors = {name: view.detach().cpu().contiguous() for name, view in network.parameters().items()}
    _write(path, tensors, text)


def _write(path: str | Path, tensors: dict[str, Tensor], text: str) -> None:
    from safetensors.torch import save_file

    with written(path) as temporary:
        save_file(tensors, temporary, metadata={"netkit": text})


@contextmanager
def written(path: str | Path) -> Iterator[str]:
    """A temporary file beside `path` to write to, which takes its place when all went well. Raises `DataError`."""
    path = Path(path)
    if not path.name:
        raise DataError(f"{path}: cannot be written: it is a folder")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        yield str(temporary)
        temporary.chmod(mode)  # which safetensors narrows to the owner
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise DataError(f"{path}: cannot be written: {error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


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
        import torch

        found = {name: (value.dtype, value.shape) for name, value in self._tensors.items()}
        if found != self._forms:
            raise SettingError(f"parameters: a kept model has {self._forms}, got {found}")
        places = {
            name: entry["data_offsets"] for name, entry in json.loads(self._raw).items() if name != "__metadata__"
        }
        with written(path) as temporary, open(temporary, "wb") as file:
            file.write(struct.pack("<Q", len(self._raw)) + self._raw)
            for name in sorted(places, key=places.__getitem__):
                flat = self._tensors[name].detach().cpu().contiguous().reshape(-1)
                file.write(flat.view(torch.uint8).numpy().tobytes())

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
    tensors = _tensors(path)
    if reason:
        return KeptModel(header, _raw_header(path), tensors, reason)
    try:
        return _loaded(path, header, tensors)
    except ModelFileError as error:
        if missing == "refuse":
            raise
        return KeptModel(header, _raw_header(path), tensors, str(error))


def _tensors(path: str | Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(f"{path}: damaged model file: {error}") from None


def _loaded(path: str | Path, header: Header, tensors: dict[str, Tensor]) -> Model:
    import torch

    from netkit.model import Model

    try:
        with _bounded(2**20 + 4 * sum(value.numel() for value in tensors.values())):
            model = Model(header.layers, header.loss, seed=header.seed, dtype=header.dtype)
            parameters = model.build(header.in_shape).parameters()
    except (Exception, SystemExit) as error:
        cause = str(error) if isinstance(error, (NetkitError, RuntimeError)) else guard.cause(error)
        changed = "".join(f"; {said}: pip install '{dist}=={old}'" for dist, old, said in _changes(header))
        raise ModelFileError(
            f"{path}: its network cannot be built: {guard.printable(cause, limit=None)}{changed}"
        ) from None
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
    """A context in which torch makes no tensor of more than `limit` numbers: the settings in a small file could ask for
    all memory. Raises `ModelFileError`."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Bounded(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            for size in args:
                if isinstance(size, (list, tuple)) and all(isinstance(n, int) for n in size) and prod(size) > limit:
                    raise ModelFileError(f"its settings ask for a tensor {tuple(size)}, far more than the file holds")
            return func(*args, **(kwargs or {}))

    return Bounded()  # type: ignore[no-untyped-call]


def read_header(path: str | Path) -> Header:
    """What the file says about itself, without loading torch or any plugin. Raises `ModelFileError`, `DataError`."""
    raw = _json(path, _raw_header(path))
    about = raw.pop("__metadata__", None)
    if not isinstance(about, dict) or not isinstance(about.get("netkit"), str):
        raise ModelFileError(f"{path}: not a netkit model: a safetensors file without netkit's header")
    try:
        described = json.loads(about["netkit"])
        if isinstance(described, dict) and isinstance(described.get("format"), int) and described["format"] > FORMAT:
            raise ModelFileError(
                f"{path}: format {described['format']} of netkit {described.get('netkit')} is newer "
                f"than this netkit reads ({FORMAT}); upgrade {discovery.DISTRIBUTION}"
            )
        json.dumps(described, ensure_ascii=False).encode()  # refuses half of a surrogate pair
        header = msgspec.convert(described, Header)
        shapes = {name: entry.shape for name, entry in msgspec.convert(raw, dict[str, _Entry]).items()}
        _refuse_odd(header.components)
    except (ValueError, KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ModelFileError(f"{path}: damaged model file: {error}") from None
    return msgspec.structs.replace(header, tensors=shapes)


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


def _raw_header(path: str | Path) -> bytes:
    """The JSON text at the start of a safetensors file, behind eight bytes of length."""
    if Path(path).is_fifo():
        raise ModelFileError(f"{path}: not a netkit model: it is a pipe")
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= size <= min(LIMIT, os.fstat(file.fileno()).st_size - 8):
                raise ModelFileError(f"{path}: not a netkit model, or cut off")
            return file.read(size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _json(path: str | Path, text: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"{path}: not a netkit model, or cut off") from None
    if not isinstance(raw, dict):
        raise ModelFileError(f"{path}: not a netkit model, or cut off")
    return raw


def sources(component: Component) -> Iterator[tuple[str, Source]]:
    """The qualified names of a component and of those in its settings, with where they come from."""
    info = current().kinds[component.kind].info_of(component)
    yield info.qualified, Source(info.kind, info.distribution, info.version)
    for value in vars(component).values():
        if isinstance(value, Component):
            yield from sources(value)


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
