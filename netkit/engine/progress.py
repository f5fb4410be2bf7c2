"""Epochs as they pass by: a progress bar and callbacks, for tables and for `Model.fit`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from netkit.errors import SettingError
from netkit.kinds import Epoch

__all__ = ["check_callbacks", "shown", "with_callbacks"]


def shown(epochs: Iterator[Epoch], total: int, show: bool = True, done: int = 0) -> Generator[Epoch]:
    """The same epochs, while a bar on stderr shows loss and metrics. Off a terminal it is drawn every 10 seconds."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    with tqdm(
        total=total, initial=done, unit="epoch", disable=not show, mininterval=interval, dynamic_ncols=True
    ) as bar:
        for epoch in epochs:
            bar.set_postfix_str(_words(epoch), refresh=False)
            bar.update()
            yield epoch


def check_callbacks(callbacks: Any) -> None:
    """Raise `SettingError` where they are no list of functions."""
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise SettingError(f"callbacks: a list of functions is needed, got {callbacks!r}")


def with_callbacks(epochs: Iterable[Epoch], callbacks: Sequence[Callable[[Epoch], Any]]) -> Iterator[Epoch]:
    """The same epochs; each callback is called after each of them, and the last is the one where one returns True."""
    for epoch in epochs:
        yield epoch
        if any([callback(epoch) is True for callback in callbacks]):  # noqa: C419  # every one is called
            return


def _words(epoch: Epoch) -> str:
    pairs = {"loss": epoch.loss, **epoch.metrics} | {f"validation {k}": v for k, v in epoch.validation.items()}
    return ", ".join(f"{name} {value:.4g}" for name, value in pairs.items())
