"""Epochs as they pass by: a progress bar, for the command line and for `Model.fit`."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator

from tqdm import tqdm

from netkit.engine.training import Epoch

__all__ = ["shown"]


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


def _words(epoch: Epoch) -> str:
    pairs = {"loss": epoch.loss, **epoch.metrics} | {f"validation {k}": v for k, v in epoch.validation.items()}
    return ", ".join(f"{name} {value:.4g}" for name, value in pairs.items())
