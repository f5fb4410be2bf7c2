"""Reporters in a run: each is told of it until it raises, and nothing that one raises stops anybody."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import torch

from netkit import spec
from netkit.engine.training import Run
from netkit.errors import DataError, PluginError, SettingError, UnknownComponent
from netkit.kinds import Component, Epoch, Reporter, RunInfo
from netkit.registry.guard import guarded
from netkit.registry.owner import owner_of

__all__ = ["Reporters", "plain", "reporting"]


@contextmanager
def reporting(run: Run, reporters: Sequence[Reporter], settings: Mapping[str, Any]) -> Iterator[Reporters]:
    """While this lasts reporters are told of a run. What they started they end, whatever ends the run.

    settings: of the run, beside those that it knows itself. Raises `SettingError` or `DataError` where one refuses.
    """
    told, trouble = Reporters(reporters), None
    try:
        if reporters:
            told.start(_about(run, settings))
        run.on_batches = told.batches if told.wants_batches else None
        yield told
    except BaseException as error:
        trouble = error
        raise
    finally:
        told.end(trouble)


def _about(run: Run, settings: Mapping[str, Any]) -> RunInfo:
    own = {"layers": run.network.layers, "loss": run.loss, "optimizer": run.optimizer, "alpha": run.alpha}
    return RunInfo(plain({**settings, **own}), run.network, run.recipe.epochs, run.epoch)


def plain(value: Any) -> Any:
    """Settings as plain data: a component as text, and what is neither text nor number by its type alone."""
    if isinstance(value, Component):
        try:
            return spec.text(value)
        except UnknownComponent:  # it, or one in its settings, was never registered
            return repr(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    return value if value is None or isinstance(value, (str, int, float)) else type(value).__name__


class Reporters:
    """The reporters of one run, with what each has started."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = reporters
        self._started: list[tuple[Reporter, Any]] = []

    def start(self, about: RunInfo) -> None:
        """Before the first epoch. Raises what refuses the run."""
        for reporter in self._reporters:
            with _surviving(reporter, self._leave, refusing=True):
                self._started.append((reporter, reporter.start(about)))

    @property
    def wants_batches(self) -> bool:
        """Whether one of them has more to hear than epochs."""
        return any(_hears_batches(reporter) for reporter, _ in self._started)

    def batches(self, last: int, losses: list[float]) -> None:
        """After a few batches: the number of the last, and the loss of each."""
        with torch.inference_mode(False):
            for reporter, state in [each for each in self._started if _hears_batches(each[0])]:
                with _surviving(reporter, self._leave):
                    for number, loss in enumerate(losses, last - len(losses) + 1):
                        reporter.batch(state, number, loss)

    def epochs(self, records: Iterable[Epoch]) -> Iterator[Epoch]:
        """The same records; each is told."""
        for record in records:
            for reporter, state in [*self._started]:
                with _surviving(reporter, self._leave):
                    reporter.epoch(state, record)
            yield record

    def end(self, trouble: BaseException | None) -> None:
        """When the run is over."""
        for reporter, state in [*self._started]:
            with _surviving(reporter, self._leave):
                reporter.end(state, trouble)

    def _leave(self, reporter: Reporter) -> None:
        self._started = [each for each in self._started if each[0] is not reporter]


def _hears_batches(reporter: Reporter) -> bool:
    return type(reporter).batch is not Reporter.batch


@contextmanager
def _surviving(reporter: Reporter, leave: Callable[[Reporter], None], refusing: bool = False) -> Iterator[None]:
    """A reporter that raises is left out from then on, and a warning says so. refusing: it may refuse the run."""
    try:
        with guarded():
            yield
    except PluginError as error:
        refusal = error.__cause__
        leave(reporter)
        if refusing and isinstance(refusal, (SettingError, DataError)):
            raise refusal from None
        warnings.warn(f"{owner_of(type(reporter))}: {error}; training goes on without it", stacklevel=1)
