"""The rows to train on and those to validate by, from a table and the settings."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from netkit.engine.network import Network
from netkit.engine.rows import Dataset
from netkit.errors import DataError, SettingError
from netkit.tables import split_before
from netkit.tables.dataset import dataset
from netkit.tables.encoders import SKIP
from netkit.tables.encoding import Encoding
from netkit.tables.features import text_among, unseen_notes
from netkit.tables.first_pass import FirstPass, first_pass, no_check
from netkit.tables.memory import Budget, budget_for
from netkit.tables.read import source_of
from netkit.tables.settings import HELD_OUT, Settings
from netkit.tables.split import Split
from netkit.tables.store import FileStore, MemoryStore, Store, temporary_folder
from netkit.tables.summaries import NumberSummary
from netkit.tables.weights import RowWeights, class_weights

__all__ = ["FoundRows", "Parts", "find_rows"]

logger = logging.getLogger("netkit")


class Parts(NamedTuple):
    """Encoded rows, by what they are for."""

    training: Dataset
    validation: Dataset | None
    test: Dataset | None


@dataclass(frozen=True)
class FoundRows:
    """A table that was gone through once: what was found, and where its rows are."""

    where: str
    found: FirstPass
    budget: Budget | None
    settings: Settings

    def parts(self, encoding: Encoding, network: Network) -> Parts:
        """The rows to train a network on, and those to validate by. Raises `DataError`, `SettingError`."""
        settings, found, target = self.settings, self.found, encoding.target
        if settings.balanced and not target.classes:
            raise SettingError(f"balanced: a target with classes is needed, {target.name} is for {target.task}")
        classes = class_weights(found.training, target) if settings.balanced else None
        weights = RowWeights(target, settings.weights, classes)
        window = None
        if self.budget and isinstance(found.training, FileStore):
            window = self.budget.window(found.training, encoding.features.width, target.width, network, settings.batch)
        training = dataset(found.training, encoding, weights, "training", window)
        if window:
            logger.info("streamed: %s rows in windows of %s", f"{len(training):,}", f"{min(window, len(training)):,}")
        held_out: dict[str, Dataset | None] = dict.fromkeys(HELD_OUT)
        for part, store in found.held_out.items():
            held_out[part] = dataset(store, encoding, weights, part, window)
        for part, table in settings.tables.items():
            held_out[part] = self._own(part, table, encoding, weights, window)
        return Parts(training, **held_out)

    def _own(self, part: str, table: Any, encoding: Encoding, weights: RowWeights, window: int | None) -> Dataset:
        """The rows of a table of their own; what is wrong with them names it."""
        settings = self.settings
        source = source_of(table, encoding.text, encoding.exact, **_dialect(settings))
        roles = {"weights": settings.weights} if settings.weights else {}
        size = self.budget.piece if self.budget else None
        try:
            unseen, store = Counter[str](), _store(settings)
            check = partial(encoding.check, unseen=unseen)
            own = first_pass(source, settings.target, {}, roles, {}, store, size, check=check)
            rows = dataset(own.training, encoding, weights, part, window)
        except DataError as error:
            said = str(error)
            raise DataError(said if said.startswith(source.where) else f"{source.where}: {said}") from None
        for note in [*own.notes, *unseen_notes(unseen)]:
            logger.warning("%s: %s", source.where, note)
        return rows


def find_rows(data: Any, settings: Settings, encoding: Encoding | None = None, before: bool = False) -> FoundRows:
    """Read a table once: check its rows, hold some out, summarise the columns of the others and store them.

    encoding: what the columns are, where that is known. before: hold out the rows that 0.1 held out.
    Raises `DataError`, `SettingError`.
    """
    roles, task = settings.roles, settings.known_task
    for table in settings.tables.values():
        if isinstance(table, (str, Path)):  # whether it is there, before the other table is read
            source_of(table, **_dialect(settings)).readables  # noqa: B018
    spelled = [settings.target, *([settings.group] if settings.group else [])]
    types = {} if encoding else settings.columns
    text = encoding.text if encoding else text_among(types)
    source = source_of(data, text, spelled, **_dialect(settings))
    for reader in dict.fromkeys(each.stranger for each in source.readables if each.stranger):
        logger.info("using %s", reader)
    budget = budget_for(source, settings.memory)
    settings = replace(settings, memory=budget.total if budget else None)
    splits = _splits(settings, task, before)
    size = budget.piece if budget else None
    block = None if before else NumberSummary.block
    check = partial(encoding.check, unseen=Counter()) if encoding else no_check
    found = first_pass(source, settings.target, types, roles, splits, _store(settings), size, block, check)
    return FoundRows(source.where, found, budget, settings)


def _dialect(settings: Settings) -> dict[str, Any]:
    """What readers are told."""
    return {name: getattr(settings, name) for name in ("separator", "decimal", "reader")}


def _splits(settings: Settings, task: str | None, before: bool) -> dict[str, Split]:
    """How rows are held out, by what for."""
    by, grouped, seed = settings.group or settings.target, settings.group is not None, settings.seed
    if before:
        rule = partial(split_before.split, by, grouped=grouped, streamed=settings.memory is not None, task=task)
        return {part: rule(share, seed) for part, share in settings.shares.items()}
    seeds = {"validation": seed, "test": 2**63 + seed}
    return {part: Split(by, share, seeds[part], grouped) for part, share in settings.shares.items()}


def _store(settings: Settings) -> Callable[[], Store]:
    """Where rows are kept: in memory, or in a file of which only a window is."""
    if settings.memory is None:
        return MemoryStore
    skipped = {name for name, kind in settings.columns.items() if kind == SKIP}
    return lambda: FileStore(temporary_folder(settings.out), skipped)
