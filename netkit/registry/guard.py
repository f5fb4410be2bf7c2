"""Strangers' code and text, made safe: what a plugin raises, what it says, and what torch would trip over."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from netkit.errors import PluginError

__all__ = ["cause", "guarded", "printable", "shield_torch"]


@contextmanager
def guarded(who: str = "", module: str = "") -> Iterator[None]:
    """What a plugin raises is a `PluginError`: SystemExit too, and KeyboardInterrupt unless somebody pressed Ctrl-C.
    Of a module that is imported the message says the line."""
    with _ctrl_c() as pressed:
        try:
            yield
        except (PluginError, GeneratorExit):
            raise
        except BaseException as error:
            if pressed and isinstance(error, KeyboardInterrupt):
                raise
            raise PluginError(f"{who}{cause(error)}{_line(error, module) if module else ''}") from error


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


def _line(error: BaseException, module: str) -> str:
    """The last line of a module, or of its package, that an exception came through; and the class at fault where it is
    a dataclass that others can change."""
    frames = list(traceback.walk_tb(error.__traceback__))
    package = module.partition(".")[0]
    own = [each for each in frames if str(each[0].f_globals.get("__name__")).partition(".")[0] == package]
    if not own:
        return ""
    frame, line = own[-1]
    open_to_all = "non-frozen dataclass" in cause(error) and frames[-1][0].f_locals.get("cls")
    cure = f": write @dataclass(frozen=True) above class {open_to_all.__qualname__}" if open_to_all else ""
    return f" (line {line} of {Path(frame.f_code.co_filename).name}{cure})"


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
