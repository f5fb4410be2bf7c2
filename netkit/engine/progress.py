"""Epochs as they pass by: a progress bar and callbacks, for tables and for `Model.fit`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from netkit.errors import SettingError
from netkit.kinds import Epoch

__all__ = ["check_callbacks", "shown", "with_callbacks", "words"]

TEN, SHORTEST = 10, 5
"""Characters of tqdm's bar where it does not know the width, and of ours beside the words."""


def shown(epochs: Iterator[Epoch], total: int, show: bool = True, done: int = 0) -> Generator[Epoch]:
    """The same epochs, while a bar on stderr, or in a notebook, shows loss and metrics, first those of the validation
    set. In a file it is drawn every 10 seconds."""
    if not show:
        yield from epochs
        return
    with _bar(total, done) as bar:
        for epoch in epochs:
            bar.record = epoch
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


def words(epoch: Epoch, room: int | None = None) -> str:
    """Loss and metrics, first those of the validation set, as many from the left as `room` characters hold."""
    scores = {"validation ": epoch.validation, "training ": {"loss": epoch.loss, **epoch.metrics}}
    if not epoch.validation:
        scores = {"": scores["training "]}
    said = ""
    for whose, values in scores.items():
        for number, (name, value) in enumerate(values.items()):
            before = " " if number else (", " if said else "") + whose
            longer = f"{said}{before}{name} {value:.4g}"
            if room is not None and len(longer) > room:
                return said
            said = longer
    return said


def _bar(total: int, done: int) -> Any:
    """A bar that says of its `record`, whenever it is drawn, what there is room for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a notebook without widgets, where there is a bar of text then
        from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
        record: Epoch | None = None

        @property
        def format_dict(self) -> dict[str, Any]:
            drawn: dict[str, Any] = super().format_dict
            if self.record is not None:
                width = drawn["ncols"]  # None where there is no end of it, as in a file
                bare = self.format_meter(**drawn | {"ncols": None, "postfix": None})
                drawn["postfix"] = words(self.record, width and width - len(bare) + TEN - SHORTEST - len(", "))
            return drawn

    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    return Bar(
        total=total,
        initial=done,
        mininterval=0.1 if seen else 10.0,
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
    )
