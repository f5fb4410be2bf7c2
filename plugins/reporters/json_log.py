"""A line of JSON for each epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, TextIO

from msgspec import Meta

from netkit import Epoch, Reporter, RunInfo, atomic_write, open_stream

__all__ = ["JsonLog"]


class _Log(NamedTuple):
    file: TextIO
    start: float


@dataclass(frozen=True)
class JsonLog(Reporter):
    """A line of JSON for each epoch in the file `path`: number, loss, metrics, validation, best, and seconds, those of
    the whole training until then.

    A run that is resumed keeps the lines of the epochs that were done, and its seconds go on from there. A pipe is
    written to as well. Raises `DataError` when the file cannot be opened.
    """

    path: Annotated[str, Meta(min_length=1)]

    @classmethod
    def examples(cls) -> Iterator[JsonLog]:
        yield cls("epochs.jsonl")

    def start(self, about: RunInfo) -> _Log:
        kept = _kept(Path(self.path), about.done)
        before = json.loads(kept[-1])["seconds"] if kept else 0.0
        if kept:
            with atomic_write(self.path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        return _Log(open_stream(self.path, append=bool(kept)), time.monotonic() - before)

    def epoch(self, state: _Log, epoch: Epoch) -> None:
        seconds = round(time.monotonic() - state.start, 3)
        try:
            state.file.write(json.dumps({**asdict(epoch), "seconds": seconds}) + "\n")
            state.file.flush()
        except OSError:  # nobody calls `end` now; what is left to be written cannot be
            with suppress(OSError):
                state.file.close()
            raise

    def end(self, state: _Log, trouble: BaseException | None) -> None:
        state.file.close()


def _kept(path: Path, done: int) -> list[str]:
    """The lines of a log that belong to the epochs that are done; the last one may be cut off."""
    kept = []
    for line in path.read_text("utf-8", "replace").splitlines() if done and path.is_file() else []:
        try:
            if json.loads(line)["number"] <= done and json.loads(line)["seconds"] >= 0:
                kept.append(line)
        except (ValueError, TypeError, KeyError):
            break
    return kept
