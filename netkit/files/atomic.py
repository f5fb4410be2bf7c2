"""How netkit writes files: whole or not at all, and never in the place of what is no file.

A link stays a link, and permissions stay what they were. A pipe or a device is written to, not replaced.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from netkit.errors import DataError

__all__ = ["atomic_write", "check_writable", "open_stream", "same_path"]


def check_writable(path: str | Path) -> None:
    """Raise `DataError` for a path that `atomic_write` could not write, before the work is done and not after."""
    with _one_line(path):
        _target(path)


def open_stream(path: str | Path, append: bool = False) -> TextIO:
    """A file to write lines to as they come. Raises `DataError`, also for a pipe without a reader: who waits for one
    takes no signal."""
    with _one_line(path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | (os.O_APPEND if append else os.O_TRUNC)
        descriptor = os.open(path, flags, 0o666)
        os.set_blocking(descriptor, True)
        return open(descriptor, "w", encoding="utf-8")


def same_path(one: str | Path, two: str | Path) -> bool:
    """Whether two paths lead to one place."""
    return os.path.realpath(one) == os.path.realpath(two)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A temporary file to write to; when all went well it takes the place of `path`. Raises `DataError`.

    It has a name of its own, so whoever else writes to the same path is not disturbed: the last one stays.
    """
    with _one_line(path):
        target, mode = _target(path)
        folder = target.parent if target else Path(tempfile.gettempdir())
        temporary = folder / f".{Path(path).name[:40]}.{secrets.token_hex(8)}.part"
        temporary.touch(0o666 if mode is None else 0o600, exist_ok=False)  # less the umask
        try:
            yield temporary
            if target is None:
                _copy(temporary, path)
                return
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            if mode is not None:
                temporary.chmod(mode)
            temporary.replace(target)
        finally:
            with suppress(OSError):
                temporary.unlink()


def _target(path: str | Path) -> tuple[Path | None, int | None]:
    """The file to replace, behind all links, None for what can only be written to; and its permissions if it exists."""
    path, status = Path(path), None
    try:
        target = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):
            status = path.stat()
    except ValueError as error:
        raise DataError(f"{str(path)!r}: cannot be written: {error}") from None
    if status and stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path}: cannot be written: it is a folder")
    # root may write to what nobody may write to, but whoever took all permissions away meant everybody
    if status and not (status.st_mode & 0o222 and os.access(path, os.W_OK)):
        raise DataError(f"{path}: cannot be written: it is read-only")
    mode = stat.S_IMODE(status.st_mode) if status else None
    if status and (not stat.S_ISREG(status.st_mode) or _is_printed_to(status)):
        return None, mode
    if not target.parent.is_dir():
        raise DataError(f"{path}: cannot be written: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise DataError(f"{path}: cannot be written: no permission in {target.parent}")
    return target, mode


def _is_printed_to(status: os.stat_result) -> bool:
    """Whether it is the file that this process prints to, such as /dev/stdout: a new one would not be seen."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it may be closed
            if os.path.samestat(os.fstat(descriptor), status):
                return True
    return False


def _copy(temporary: Path, path: str | Path) -> None:
    flags = os.O_WRONLY | (os.O_APPEND if os.path.isfile(path) else 0)
    with temporary.open("rb") as source, open(os.open(path, flags), "wb") as sink:
        shutil.copyfileobj(source, sink)


@contextmanager
def _one_line(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None
