"""Ctrl-C and SIGTERM while a model trains: the first is taken when the network is at rest, the second at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "Signals", "signals"]


class Interrupted(KeyboardInterrupt):
    """Somebody wanted the run to end. `model` has the weights that were kept; the exit code is the one that shells give
    to the signal."""

    def __init__(self, number: int) -> None:
        super().__init__("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
        self.exit_code = 128 + number
        self.model: Any = None


class Signals:
    """The signal that came, if one did."""

    def __init__(self) -> None:
        self.came: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.came is not None:
            os._exit(128 + number)
        self.came = number

    def check(self) -> None:
        """Raise `Interrupted` when one came."""
        if self.came is not None:
            raise Interrupted(self.came)


@contextmanager
def signals() -> Iterator[Signals]:
    """Take SIGINT and SIGTERM while this lasts; they reach the main thread alone. One that is ignored stays so: shells
    have what runs in the background ignore the Ctrl-C that is meant for another."""
    taken = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield taken
        return
    heeded = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.signal(number, taken) for number in heeded}
    try:
        yield taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
