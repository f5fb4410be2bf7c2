"""Checkpoints: a run in training written to a folder, and taken up again to the same bits.

A checkpoint is one file: a line that says what it is, the SHA-256 of all that follows, and a safetensors file whose
header says in JSON how the run was begun and where it stood. It is written whole or not at all; nothing in it is code.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec

from netkit import spec
from netkit.errors import DataError, ModelFileError, SettingError
from netkit.files.atomic import atomic_write
from netkit.files.provenance import Source, refuse_odd
from netkit.registry import discovery

if TYPE_CHECKING:
    from torch import Tensor

    from netkit.engine.training import Run

__all__ = ["FORMAT", "Began", "Checkpoint", "Checkpoints", "State", "is_checkpoint", "newest", "read_state", "restore"]

FORMAT = 2
"""1 held out rows by other rules."""
SIGN = b"netkit checkpoint\n"
COUNTS = ("steps", "epoch", "row", "batches", "idle", "best_epoch")
NAME = re.compile(r"\d{6,}-\d{12,}\.checkpoint")
"""Epochs and rows that are done."""


class Began(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run was begun: the options of the command, the table [plugins] of its configuration, and where the
    components in it come from."""

    options: dict[str, Any]
    plugins: dict[str, list[str]] = {}
    components: dict[str, Source] = {}


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint says beside its tensors: how the run was begun, on which rows, and where it stood."""

    format: int
    netkit: str
    began: Began
    digest: int
    counts: dict[str, int]
    numbers: dict[str, float]
    """What the optimizer remembers in plain numbers."""

    @property
    def begun_by_0_1(self) -> bool:
        """Whether the run was begun by netkit 0.1, which held out other rows."""
        return self.format == 1


class Checkpoint(NamedTuple):
    """One of a run that is taken up again."""

    state: State
    tensors: dict[str, Tensor]
    notes: list[str]
    """What is damaged beside it."""


class Checkpoints:
    """A folder that keeps the last few checkpoints of one run. Raises `DataError` when it cannot be made.

    began: how to begin the run anew. keep: how many stay. fresh: the run is a new one, and the folder may hold no
    other's. format: that in which the run was begun, since its rows go by it.
    """

    def __init__(
        self, folder: str | Path, began: Began, keep: int = 3, fresh: bool = False, format: int = FORMAT
    ) -> None:
        self.folder, self._began, self._keep, self._format = Path(folder), began, keep, format
        if fresh and _files(self.folder):
            raise DataError(
                f"{folder}: holds the checkpoints of another run; go on with it by --resume, or name another folder"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(".*.checkpoint.*.part"):  # by a process that was killed
                left.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from None

    def write(self, run: Run) -> Path:
        """The run as it stands. Raises `DataError`, after which the checkpoints before it are still there."""
        path = self.folder / f"{run.epoch:06d}-{run.row:012d}.checkpoint"
        content = _packed(run, self._began, self._format)
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
        before = [each for each in _files(self.folder) if each.name < path.name]
        later = [each for each in _files(self.folder) if each.name > path.name]  # damaged, or it would have begun there
        for old in before[: max(0, len(before) - self._keep + 1)] + later:
            old.unlink(missing_ok=True)
        return path


def newest(folder: str | Path) -> Checkpoint:
    """The newest checkpoint in a folder that is whole, and a note for each damaged one that is newer.

    Raises `DataError` when there is none, `ModelFileError` when none is whole.
    """
    files = _files(Path(folder))
    if not files:
        reason = "no checkpoint is in it" if Path(folder).is_dir() else "no such folder"
        raise DataError(f"{folder}: cannot be resumed: {reason}")
    notes: list[str] = []
    for path in reversed(files):
        try:
            return Checkpoint(*_unpacked(path), notes)
        except ModelFileError as error:
            notes.append(f"{error}; the one before it is taken")
    raise ModelFileError(f"{folder}: cannot be resumed: all of its {len(files)} checkpoints are damaged")


def restore(run: Run, state: State, tensors: dict[str, Tensor]) -> None:
    """Put a run that has just been begun where another one stood. Raises `DataError` when its rows are other rows,
    `ModelFileError` when the network, the optimizer or the versions have changed."""
    if state.digest != _digest(run):
        raise DataError("resume: the table or its preparation is not what it was when the checkpoint was written")
    own = _tensors(run)
    if _types(own) != _types(tensors) or set(state.numbers) != set(_numbers(run)):
        raise ModelFileError("resume: the checkpoint does not fit this network and this optimizer")
    if state.counts["row"] >= len(run.source) or not all(
        _seeds(tensors[name]) for name in ("shuffling", "noise", "order")
    ):
        raise ModelFileError("resume: damaged checkpoint: no run can stand where it says")
    for name, value in own.items():
        value.copy_(tensors[name])
    run.shuffling.set_state(tensors["shuffling"])
    run.noise.set_state(tensors["noise"])
    run.total, run.best = tensors["losses"].tolist()
    run.state.update(state.numbers)
    for name in COUNTS:
        setattr(run, name, state.counts[name])


def _types(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: (value.dtype, value.shape) for name, value in tensors.items()}


def _seeds(state: Tensor) -> bool:
    """Whether random numbers can follow from such a state of a generator."""
    import torch

    try:
        torch.Generator().set_state(state)
    except RuntimeError:
        return False
    return True


def _packed(run: Run, began: Began, format: int) -> bytes:
    from safetensors.torch import save

    counts = {name: getattr(run, name) for name in COUNTS}
    state = State(format, discovery.version(), began, _digest(run), counts, _numbers(run))
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in _tensors(run).items()}
    content = save(tensors, {"netkit": msgspec.json.encode(state).decode()})
    return SIGN + hashlib.sha256(content).digest() + content


def is_checkpoint(path: str | Path) -> bool:
    """Whether a file begins as checkpoints do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGN)) == SIGN
    except OSError:
        return False


def read_state(path: Path) -> tuple[State, bytes]:
    """What a checkpoint says of its run, and the safetensors file in it; without torch. Raises `ModelFileError`."""
    try:
        raw = path.read_bytes()
        start = len(SIGN) + 32
        content = raw[start:]
        if not raw.startswith(SIGN) or hashlib.sha256(content).digest() != raw[len(SIGN) : start]:
            raise ValueError("its checksum is wrong")
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        state = msgspec.json.decode(header["__metadata__"]["netkit"], type=State)
        if state.format > FORMAT:
            raise ValueError(
                f"format {state.format} of netkit {state.netkit} is newer than this netkit reads ({FORMAT})"
            )
        if set(state.counts) != set(COUNTS) or min(state.counts.values()) < 0:
            raise ValueError("it does not say where the run stood")
        refuse_odd(state.began.components)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise _damaged(path, error) from None
    return state, content


def _damaged(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(f"{path}: damaged checkpoint: {' '.join(str(error).split())[:200]}")


def _unpacked(path: Path) -> tuple[State, dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    state, content = read_state(path)
    try:
        return state, dict(load(content))
    except (SafetensorError, ValueError) as error:
        raise _damaged(path, error) from None


def _digest(run: Run) -> int:
    """A checksum of the rows to learn from, and of the validation set."""
    validation = run.validation.digest if run.validation is not None else 0
    return crc32(f"{run.source.digest} {validation}".encode())


def _tensors(run: Run) -> dict[str, Tensor]:
    """Every tensor that a run changes; those of the optimizer and the network are the run's own."""
    import torch

    tensors = {
        "params": run.network.params,
        "kept": run.weights.kept,
        "order": run.order,
        "shuffling": run.shuffling.get_state(),
        "noise": run.noise.get_state(),
        "losses": torch.tensor([run.total, run.best], dtype=torch.float64),
    }
    if run.weights.averaged is not run.network.params:
        tensors["averaged"] = run.weights.averaged
    if run.network.state.numel():
        tensors |= {"layers": run.network.state, "kept_layers": run.weights.kept_state}
    return tensors | {f"state.{name}": value for name, value in run.state.items() if isinstance(value, torch.Tensor)}


def _numbers(run: Run) -> dict[str, float]:
    """What an optimizer remembers beside tensors. Raises `SettingError` for what is not a number."""
    import torch

    rest = {name: value for name, value in run.state.items() if not isinstance(value, torch.Tensor)}
    for name, value in rest.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SettingError(
                f"{spec.name(run.optimizer)}: a checkpoint keeps tensors and numbers, its state {name!r} is "
                f"{type(value).__name__}"
            )
    return rest


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.checkpoint") if NAME.fullmatch(path.name))
