"""Standard output and standard error, which may be closed, or full."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["Output", "open_streams"]


class Output(io.TextIOWrapper):
    """Standard output that remembers, in `lost`, why it could not be written, and lets the work go on: a training
    is saved all the same. A reader that has gone still raises `BrokenPipeError`."""

    lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or remember why not."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or remember why not."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        self.lost = error


def open_streams() -> Output:
    """Standard output as one that remembers. Something takes the place of a closed stream, so that no file opened
    later can get its descriptor: words for a closed standard error go nowhere."""
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    old = sys.stdout
    assert isinstance(old, io.TextIOWrapper)
    how = {name: getattr(old, name) for name in ("encoding", "errors", "line_buffering", "write_through")}
    sys.stdout = output = Output(old.detach(), **how)
    return output
