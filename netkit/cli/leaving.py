"""The end of the process, whatever of a plugin's still runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

__all__ = ["leave_in_time"]

GRACE = 3.0
"""Seconds that threads and exit handlers may take."""


def leave_in_time(code: int) -> None:
    """Call right before the process ends: where a thread or an exit handler holds it up, it ends after a short grace
    with this exit code, and a line says what it did not wait for."""
    _flush()
    sys.unraisablehook = _told_unraisable
    with suppress(RuntimeError):  # there may be no memory for a thread
        threading.Thread(target=_leave, args=(code,), name="netkit's end", daemon=True).start()


def _leave(code: int) -> None:
    time.sleep(GRACE)
    for line in _still_running():
        _say(f"{line}; netkit does not wait for it")
    _flush()
    os._exit(code)


def _still_running() -> Iterator[str]:
    """What holds up the end of the process: threads, or else a handler that the main thread is in."""
    frames, threads = sys._current_frames(), threading.enumerate()
    held = [each for each in threads if not each.daemon and each.is_alive() and each is not threading.main_thread()]
    for each in held:
        yield f"the thread {each.name!r}{_place(frames.get(each.ident or 0))} still runs"
    if not held:
        yield f"an exit handler{_place(frames.get(threading.main_thread().ident or 0))} still runs"


def _place(frame: FrameType | None) -> str:
    """The module in which it began, as far as that is known."""
    names = []
    while frame:
        names.append(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    own = [name for name in names if name.partition(".")[0] not in (*sys.stdlib_module_names, "netkit", "__main__")]
    return f" of {own[-1]}" if own else ""


def _told_unraisable(unraisable: Any) -> None:
    """What an exit handler raises is one line, and changes no exit code."""
    where, error = getattr(unraisable.object, "__module__", None), unraisable.exc_value
    _say(f"{f'{where}: ' if where else ''}ignored at the end: {type(error).__name__}: {error}")


def _say(words: str) -> None:
    with suppress(Exception):  # stderr may have been closed, and a plugin in the way of imports
        from netkit.registry.guard import printable

        print(f"netkit: {printable(words)}", file=sys.stderr)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # nobody may be left to read
            stream.flush()
