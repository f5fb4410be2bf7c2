"""Strangers' code and text, made safe: what a plugin raises, what it says, and what torch would trip over."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any

from netkit.errors import PluginError

__all__ = ["cause", "guarded", "printable", "shield_torch"]


@contextmanager
def guarded(who: str = "") -> Iterator[None]:
    """What a plugin raises is a `PluginError`: SystemExit too, and KeyboardInterrupt unless somebody pressed Ctrl-C."""
    with _ctrl_c() as pressed:
        try:
            yield
        except (PluginError, GeneratorExit):
            raise
        except BaseException as error:
            if pressed and isinstance(error, KeyboardInterrupt):
                raise
            raise PluginError(f"{who}{cause(error)}") from error


@contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """A list that has an entry once somebody presses Ctrl-C. Signals reach the main thread alone."""
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: Any) -> None:
        pressed.append(number)
        before(number, frame)  # type: ignore[operator, misc]

    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield pressed
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def cause(error: BaseException) -> str:
    """The kind of an exception and what it says."""
    text = ""
    with suppress(Exception):  # its __str__ may raise as well
        text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str, limit: int | None = 300, *, keep_spaces: bool = False) -> str:
    """Text that other people wrote, on one line, without characters that steer a terminal or turn the line around.

    With `keep_spaces` each such character becomes a question mark, so that columns stay where they are.
    """
    clean = "".join(c if c.isprintable() else "?" if keep_spaces else " " for c in text)
    return (clean if keep_spaces else " ".join(clean.split()))[:limit]


def shield_torch() -> None:
    """Call before torch is imported: where the metadata of any package is damaged, keep torch from reading all of it,
    since it would die of it."""
    try:
        metadata.entry_points(group="torch.backends")
    except Exception:
        os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
