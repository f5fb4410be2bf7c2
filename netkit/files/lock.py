"""One run at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netkit.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]


@contextmanager
def locked(folder: str | Path | None) -> Iterator[None]:
    """Have a folder for oneself, which is made where there is none, and removed again if nothing was put in it.

    The lock is one on the folder itself, no file in it, and goes with the process, however that ends. Where the file
    system or the system has no locks there is none. Raises `DataError` where another run has the folder.
    """
    if folder is None:
        yield
        return
    new = not os.path.lexists(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY) if fcntl else None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        if descriptor is not None:
            _lock(folder, descriptor)
        yield
    finally:
        if new:
            with suppress(OSError):  # it holds checkpoints
                os.rmdir(folder)
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: str | Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        said = "another run is at work in it; wait for its end, or name another folder"
        raise DataError(f"{folder}: {said}") from None
    except OSError:
        pass  # no locks here
