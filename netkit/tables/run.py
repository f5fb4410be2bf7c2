"""A model that learns from encoded rows: shown, reported, saved on the way and interrupted in good order."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from netkit import spec
from netkit.engine.exclusive import training_alone
from netkit.engine.history import History
from netkit.engine.progress import shown, with_callbacks
from netkit.engine.recipe import Recipe
from netkit.engine.reporting import plain, reporting
from netkit.engine.spot_check import spot_check
from netkit.engine.targets import make_metrics
from netkit.engine.training import Run
from netkit.errors import DataError, DivergenceError, MemoryExhausted
from netkit.files.checkpoint import Checkpoint, Checkpoints, restore
from netkit.kinds import Epoch, Reporter
from netkit.model import Model
from netkit.registry import current
from netkit.tables.interruption import Interrupted, Signals, signals
from netkit.tables.option import INTERVAL
from netkit.tables.rows import Parts
from netkit.tables.settings import Settings, own_optimizer
from netkit.tensors import generator

__all__ = ["Fitted", "Saver", "fit", "recipe"]

logger = logging.getLogger("netkit")
SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass
class Fitted:
    """A run when it has ended, and what ended it too early."""

    run: Run
    history: History
    seconds: float = 0.0
    trouble: BaseException | None = None

    def record(self, settings: Settings) -> dict[str, Any]:
        """How it trained, for the model file: the same for the same model."""
        run = self.run
        told = {"optimizer": plain(run.optimizer), "alpha": run.alpha, "batch": settings.batch, "seed": settings.seed}
        others = {name: value for name, value in settings.chosen.items() if name not in told}
        return told | others | {"epochs": run.epoch, "best_epoch": run.best_epoch}

    def check(self) -> None:
        """Say which weights are kept. Raises what ended the run where none were validated."""
        best, trouble = self.run.best_epoch, self.trouble
        if isinstance(trouble, DivergenceError) and not best:
            raise DivergenceError(f"{trouble}; nothing is saved")
        if not best:
            raise trouble or DivergenceError("training: the loss was never finite")
        kept = f"kept the weights of epoch {best} of {self.run.epoch}, {self.seconds:.3g} s of training"
        if isinstance(trouble, Interrupted):
            logger.warning("stopped by %s: %s", trouble, kept)
        else:
            logger.info(kept)


def fit(
    model: Model,
    parts: Parts,
    settings: Settings,
    checkpoints: Checkpoints | None = None,
    resumed: Checkpoint | None = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    decode: Callable[[Tensor], Tensor] = lambda values: values,
) -> Fitted:
    """Train on parts of the rows as the settings say. checkpoints: where they are written; resumed: the one to go on
    from. decode: takes outputs and targets to the units that metrics are told in."""
    with signals() as taken, training_alone(model.network):
        saver = Saver(settings.every, checkpoints, taken)
        metrics = make_metrics(model.loss, settings.metric or None)
        shuffling, noise = generator(settings.seed, 1), generator(settings.seed, 2)
        told_by = metrics, parts.validation, saver, decode
        run = Run(model.network, model.loss, parts.training, recipe(settings), shuffling, noise, *told_by)
        if resumed:
            restore(run, resumed.state, resumed.tensors)
            rows = f" and {run.row} rows" if run.row else ""
            logger.info("goes on after epoch %d%s", run.epoch, rows)
            if run.epoch >= settings.epochs:
                logger.warning(
                    "epochs: %d are asked for and %d are done, nothing is left to train", settings.epochs, run.epoch
                )
        else:
            spot_check(model.network, model.loss, parts.training)
        logger.info(_about(run, parts, settings))
        fitted, begun = Fitted(run, History()), time.monotonic()
        try:
            with reporting(run, _reporters(settings), vars(settings)) as told, closing(run.epochs()) as records:
                seen = shown(told.epochs(records), run.recipe.epochs, not settings.quiet, run.epoch)
                for epoch in with_callbacks(seen, callbacks):
                    fitted.history.append(epoch)
        except (Interrupted, DivergenceError, DataError, MemoryExhausted) as error:
            fitted.trouble = error
        fitted.seconds = time.monotonic() - begun
    if saver.last and fitted.trouble:
        logger.warning("netkit train --resume %s goes on", saver.last.parent)
    return fitted


def _about(run: Run, parts: Parts, settings: Settings) -> str:
    """What it trains with."""
    rows = ", ".join(f"{len(each):,} {part}" for part, each in parts._asdict().items() if each is not None)
    return (
        f"{spec.text(run.optimizer)}, learning rate {run.alpha:g}; batch {settings.batch}; {run.recipe.epochs} epochs; "
        f"seed {settings.seed}; rows: {rows}"
    )


def recipe(settings: Settings) -> Recipe:
    """What the engine is told of the settings."""
    given = {each.name: getattr(settings, each.name) for each in fields(Recipe) if hasattr(settings, each.name)}
    return Recipe(**given | {"optimizer": settings.optimizer or own_optimizer(), "keep_best": True})


def _reporters(settings: Settings) -> list[Reporter]:
    """Who is told: those that were named, and for a log netkit's own first one, which takes a path."""
    own = [] if settings.log is None else [current().reporters[current().reporters.first()](settings.log)]
    return [*settings.report, *own]


class Saver:
    """What a run calls whenever it is at rest: writes a checkpoint when it is time, or when somebody wants to stop."""

    def __init__(self, every: str, checkpoints: Checkpoints | None, taken: Signals) -> None:
        number, unit = re.findall(INTERVAL, every)[0]
        self._seconds = int(number) * SECONDS[unit] if unit else None
        self._epochs = int(number)
        self._checkpoints, self._signals = checkpoints, taken
        self._time, self._epoch = time.monotonic(), 0
        self.last: Path | None = None
        """The checkpoint that was written last."""

    def __call__(self, run: Run) -> None:
        if self._checkpoints and (self._signals.came or self._due(run)):
            self.last = self._checkpoints.write(run)
            self._time, self._epoch = time.monotonic(), run.epoch
        self._signals.check()

    def _due(self, run: Run) -> bool:
        if run.over:
            return True
        if self._seconds is not None:
            return time.monotonic() - self._time >= self._seconds
        return not run.row and run.epoch - self._epoch >= self._epochs
