"""What a run was like, epoch by epoch: records, columns of numbers, a few words, learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, SupportsIndex, overload

from netkit.engine.text_table import TextTable
from netkit.errors import SettingError, nearest
from netkit.kinds import Epoch

__all__ = ["History", "numbers"]

VALIDATION = "validation "


class History(list[Epoch]):
    """The record of every epoch, as a list: `history[-1].loss`. A name gives a column: `history["validation loss"]`.

    `plot` draws learning curves, and `pandas.DataFrame(history.to_dict())` makes a table.
    """

    @property
    def columns(self) -> list[str]:
        """The names of the numbers in the records: `epoch`, `loss`, metrics, and the same of the validation set after
        the word `validation`."""
        return [*dict.fromkeys(["epoch", *(name for epoch in self for name in numbers(epoch))])]

    @property
    def best(self) -> Epoch | None:
        """The best epoch, by validation loss, or by `loss` without a validation set; None where there is none."""
        return next((epoch for epoch in reversed(self) if epoch.best), None)

    def to_dict(self) -> dict[str, list[float]]:
        """Every column by name; nan where an epoch has no such number."""
        return {name: self[name] for name in self.columns}

    @overload
    def __getitem__(self, place: SupportsIndex) -> Epoch: ...
    @overload
    def __getitem__(self, place: slice) -> History: ...
    @overload
    def __getitem__(self, place: str) -> list[float]: ...
    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, str):
            return [*self._column(place)]
        found = super().__getitem__(place)
        return History(found) if isinstance(place, slice) else found

    def _column(self, name: str) -> Iterator[float]:
        if name not in self.columns:
            has = nearest(name, self.columns) or f"; it has {', '.join(self.columns)}"
            raise SettingError(f"history: there is no column {name!r}{has}")
        for epoch in self:
            yield epoch.number if name == "epoch" else numbers(epoch).get(name, math.nan)

    def __repr__(self) -> str:
        if not self:
            return "History of 0 epochs"
        ways = (f"{name} {_way(self[name][0], self[name][-1])}" for name in self.columns[1:])
        said = [f"History of {len(self)} epoch{'s' * (len(self) > 1)}: {', '.join(ways)}"]
        if (best := self.best) is not None:
            said.append(f"best epoch {best.number}: " + ", ".join(f"{k} {v:.4g}" for k, v in numbers(best).items()))
        return "\n".join(said)

    def _repr_html_(self) -> str:
        """First, best and last epoch in a table."""
        picked = {"first": self[0], "best": self.best, "last": self[-1]} if self else {}
        columns = self.columns[1:]
        rows = [
            [which, str(epoch.number), *(f"{numbers(epoch).get(name, math.nan):.4g}" for name in columns)]
            for which, epoch in picked.items()
            if epoch is not None
        ]
        return TextTable(f"History of {len(self)} epochs", ["", "epoch", *columns], rows)._repr_html_()

    def plot(self, *names: str) -> Any:
        """Draw learning curves with matplotlib: one axes for each name (`loss` and all metrics by default), the
        training rows and the validation set in it, and a line at the best epoch. Returns the axes, an array.

        Raises `SettingError` for an unknown name, and where matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot
        except ImportError:
            raise SettingError("history.plot: matplotlib is not installed: pip install matplotlib") from None
        chosen = names or [name for name in self.columns[1:] if not name.startswith(VALIDATION)]
        curves = [(name, self[name]) for name in chosen]
        axes = pyplot.subplots(1, len(curves), squeeze=False, figsize=(5 * len(curves), 4))[1][0]
        for ax, (name, values) in zip(axes, curves):
            ax.plot(self["epoch"], values, label="training")
            if VALIDATION + name in self.columns:
                ax.plot(self["epoch"], self[VALIDATION + name], label="validation")
            if self.best is not None:
                ax.axvline(self.best.number, linestyle=":", color="gray", label="best epoch")
            ax.set(xlabel="epoch", ylabel=name)
            ax.legend()
        return axes


def numbers(epoch: Epoch) -> dict[str, float]:
    """All numbers of an epoch by the names of their columns."""
    validation = {VALIDATION + name: value for name, value in epoch.validation.items()}
    return {"loss": epoch.loss, **epoch.metrics, **validation}


def _way(first: float, last: float) -> str:
    return f"{first:.4g}" if first == last else f"{first:.4g} -> {last:.4g}"
