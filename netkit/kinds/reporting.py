"""Who is told of a run while it trains, and what of: reporters, runs and epochs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netkit.kinds.component import Component

__all__ = ["Epoch", "Reporter", "RunInfo"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows. Losses are means over rows; `loss` that of each row when it was learned from."""

    number: int
    loss: float
    metrics: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    """`loss` and the metrics on the validation set; empty without one."""
    best: bool = False
    """Whether this is better than every epoch before it, by validation loss, or by `loss` without a validation set."""


@dataclass(frozen=True)
class RunInfo:
    """What there is to know of a run before its first epoch."""

    settings: Mapping[str, Any]
    """How it trains, in plain data, each component as text."""
    network: Any
    """The network: `parameters()` and `gradients()` are tensors by name, such as `0.W`, to look at."""
    epochs: int
    """How many are planned in all."""
    done: int = 0
    """How many of them were done before, where a run is resumed."""


class Reporter(Component):
    """Told of a run while it trains; what it raises is told once and stops nobody. Only those that are named report."""

    kind, plural = "reporter", "reporters"

    def start(self, about: RunInfo) -> Any:
        """Before the first epoch. What it returns is handed to the other methods as `state`. It may refuse the run with
        a `SettingError` or a `DataError`, such as for a file that cannot be written."""

    @abstractmethod
    def epoch(self, state: Any, epoch: Epoch) -> None:
        """After every epoch, while the network has the parameters that its record speaks of."""

    def batch(self, state: Any, number: int, loss: float) -> None:
        """Soon after every batch: its number, from 1 on over all epochs, and the mean loss of its rows. Optional."""

    def end(self, state: Any, trouble: BaseException | None) -> None:
        """When the run is over, and what ended it too early; the network has the parameters that are kept."""
