"""A line of JSON for each epoch, in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from netkit.engine.recipe import Epoch
from netkit.errors import DataError
from netkit.files.atomic import atomic_write, check_writable, open_stream

__all__ = ["logged"]


def logged(epochs: Iterator[Epoch], path: str | Path, done: int = 0) -> Iterator[Epoch]:
    """The same epochs, while each becomes a line of JSON in a file: number, loss, metrics, validation, best, and the
    seconds of training. The lines of the first `done` epochs stay, and the seconds go on from there.

    Raises `DataError` when the file cannot be written.
    """
    check_writable(path)
    try:
        kept = _kept(Path(path), done) if done else []
        start = time.monotonic() - (json.loads(kept[-1])["seconds"] if kept else 0.0)
        if kept:
            with atomic_write(path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        with open_stream(path, append=bool(kept)) as file:
            for epoch in epochs:
                file.write(json.dumps({**asdict(epoch), "seconds": round(time.monotonic() - start, 3)}) + "\n")
                file.flush()
                yield epoch
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def _kept(path: Path, done: int) -> list[str]:
    """The lines of a log that belong to the first epochs; the last one may be cut off."""
    kept = []
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else []:
        try:
            if json.loads(line)["number"] <= done and json.loads(line)["seconds"] >= 0:
                kept.append(line)
        except (ValueError, TypeError, KeyError):
            break
    return kept
