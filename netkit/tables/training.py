"""The one road from a table to a trained model: read, split, encode, build, fit, score, save."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from netkit import spec
from netkit.engine.rows import Dataset
from netkit.engine.training import Epoch
from netkit.errors import DataError, ModelFileError, NetkitError, SettingError, ShapeError
from netkit.files.atomic import check_writable
from netkit.files.checkpoint import Began, newest
from netkit.files.model_file import sources
from netkit.kinds import Loss
from netkit.model import Model
from netkit.registry import current
from netkit.registry.discovery import DISTRIBUTION
from netkit.registry.requirements import following
from netkit.tables import memory, split_before
from netkit.tables.dataset import dataset
from netkit.tables.features import Features
from netkit.tables.first_pass import FirstPass, first_pass
from netkit.tables.interruption import Interrupted
from netkit.tables.model import TableModel
from netkit.tables.read import source_of
from netkit.tables.run import Fitted, fit, recipe, same_folder
from netkit.tables.settings import Settings, rules_in
from netkit.tables.split import Split
from netkit.tables.store import Store
from netkit.tables.target import Target
from netkit.tables.weights import RowWeights

__all__ = ["Prepared", "prepare", "train"]

logger = logging.getLogger("netkit")
PATHS = ("out", "log", "validation")


def train(
    data: Any = None,
    target: str | None = None,
    *,
    resume: str | Path | None = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    **settings: Any,
) -> TableModel:
    """A model of the column `target` of a table, trained and scored as `netkit train` does it, to the same bits.

    data: a path, a folder or a pattern of files (CSV, Parquet, Arrow, JSON lines), a table of polars, pandas or pyarrow,
    or an array. settings: the options of `netkit train` by their names, such as epochs=50, optimizer="adam:beta1=0.8",
    hidden=[64, 32], validation=0.2; `netkit.tables.settings.Settings` has all of them. resume: a folder of checkpoints;
    the run that was saved there goes on. callbacks: each is called with the record of every epoch; one that returns True
    ends the run. What there is to know about the table goes to the logger `netkit`.

    Raises `SettingError` for a setting, `DataError` for a table that cannot be used, `DivergenceError`, and on Ctrl-C
    `Interrupted`, a KeyboardInterrupt whose `model` has the best weights so far.
    """
    given = settings if target is None else {"target": target, **settings}
    if resume is None:
        with following(rules_in(given)):
            return _trained(data, Settings.of(given), callbacks)
    saved = _newest(resume)
    with following(rules_in({"plugins": saved.state.began.plugins})):
        chosen = _begun(resume, saved).changed(given)
        data = saved.state.began.options.get("data") if data is None else data
        return _trained(data, chosen, callbacks, saved)


class _Saved(NamedTuple):
    """A checkpoint of a run that goes on."""

    folder: str
    state: Any
    tensors: Any


def _newest(folder: str | Path) -> _Saved:
    state, tensors, notes = newest(folder)
    for line in notes:
        logger.warning(line)
    return _Saved(str(folder), state, tensors)


def _begun(folder: str | Path, saved: _Saved) -> Settings:
    """What a run was begun with. Raises `ModelFileError`."""
    options = {name: value for name, value in saved.state.began.options.items() if value is not None and name != "data"}
    try:
        return Settings.of({**options, "plugins": saved.state.began.plugins})
    except NetkitError as error:
        raise ModelFileError(f"{folder}: cannot be resumed: {error}") from None


def _trained(
    data: Any, settings: Settings, callbacks: Sequence[Callable[[Epoch], Any]], saved: _Saved | None = None
) -> TableModel:
    _check_paths(data, settings)
    prepared = prepare(data, settings, saved is not None and saved.state.format == 1)
    model = prepared.model
    _name_strangers(model.model, settings)
    fitted = _fitted(data, prepared, settings, callbacks, saved)
    fitted.check()
    _score(prepared, settings, fitted)
    if settings.out is not None:
        model.save(settings.out)
        logger.info("saved %s", settings.out)
    if isinstance(fitted.trouble, Interrupted):
        fitted.trouble.model = model
    if fitted.trouble:
        raise fitted.trouble
    return model


def _fitted(
    data: Any, prepared: Prepared, settings: Settings, callbacks: Sequence[Any], saved: _Saved | None
) -> Fitted:
    began = Began(_options(data, prepared.settings), settings.plugins.to_json())
    fresh, resumed = True, None
    if saved:
        resumed = saved.state, saved.tensors
        folder = settings.checkpoint or saved.folder
        settings, fresh = replace(settings, checkpoint=folder), not same_folder(folder, saved.folder)
    parts = prepared.training, prepared.validation
    return fit(prepared.model.model, *parts, settings, began, resumed, fresh, callbacks)


def _options(data: Any, settings: Settings) -> dict[str, Any]:
    """How to begin the run anew, wherever it is taken up: a table that is no file has to be given again."""
    options = {"data": data if isinstance(data, (str, Path)) else None, **settings.to_json()}
    paths = {
        name: os.path.abspath(options[name]) for name in ("data", *PATHS) if isinstance(options[name], (str, Path))
    }
    return {**options, **paths}


def _check_paths(data: Any, settings: Settings) -> None:
    """Refuse a path that cannot be written before an hour of training, not after."""
    for name in ("out", "log"):
        path = getattr(settings, name)
        if path is None:
            continue
        check_writable(path)
        for table in (data, settings.validation):
            if isinstance(table, (str, Path)) and same_folder(path, table):
                raise SettingError(f"{name}: another file than one that is read is needed, got {path!r}")


class Prepared(NamedTuple):
    """A model that is ready to train, and the rows for it."""

    model: TableModel
    training: Dataset
    validation: Dataset | None
    settings: Settings
    """As they were given, and the memory that was found."""


def prepare(data: Any, settings: Settings, before: bool = False) -> Prepared:
    """Read, split and encode a table, and build the network for it. before: hold out the rows that 0.1 held out."""
    source = source_of(data, settings.separator, settings.decimal, settings.columns)
    settings = replace(settings, memory=memory.settled(source, settings.memory))
    budget = None if settings.memory is None else memory.Budget(settings.memory)
    task = settings.loss.task if settings.loss else settings.task
    _check_task(settings)
    found = first_pass(
        source, settings.target, settings.columns, settings.roles, _split(settings, task, before), budget
    )
    target = Target.of(settings.target, found.labels, task).scaled(found.scale)
    if settings.balanced and not target.classes:
        raise SettingError(f"balanced: a target with classes is needed, {target.name} is for {target.task}")
    features = Features.of(found.survey)
    for note in [*found.notes, *features.notes]:
        logger.warning(note)
    model = TableModel(features, _network(features, target, settings), target)
    logger.info(_about(source.where, found, model))
    weights = RowWeights.of(settings.weights, settings.balanced, found.training, target)
    window = budget and _window(budget, found.training, model, settings.batch)
    training = dataset(found.training, features, target, weights, "training", window)
    if window:
        logger.info("streamed: %s rows in windows of %s", f"{len(training):,}", f"{min(window, len(training)):,}")
    return Prepared(model, training, _validation(model, found, weights, settings, budget, window), settings)


def _split(settings: Settings, task: str | None, before: bool) -> Callable[[], Split] | None:
    """How rows are held out; nothing where none are."""
    if not settings.share:
        return None
    by, grouped = settings.group or settings.target, settings.group is not None
    if before:
        return split_before.split(by, settings.share, settings.seed, grouped, settings.memory is not None, task)
    return lambda: Split(by, settings.share, settings.seed, grouped)


def _check_task(settings: Settings) -> None:
    loss = settings.loss
    if loss is not None and settings.task not in (None, loss.task):
        raise SettingError(f"task: {spec.name(loss)} is for {loss.task}, got {settings.task}")


def _validation(
    model: TableModel, found: FirstPass, weights: RowWeights, settings: Settings, budget: Any, window: int | None
) -> Dataset | None:
    """The rows that validate: those held out, or those of a table of their own, whose mistakes name it."""
    if settings.share:
        return dataset(found.held_out, model.features, model.target, weights, "validation", window)
    if isinstance(settings.validation, float):
        return None
    source = source_of(settings.validation, settings.separator, settings.decimal, text=model.text)
    roles = {"weights": settings.weights} if settings.weights else {}
    try:
        own = first_pass(source, settings.target, {}, roles, None, budget)
        rows = dataset(own.training, model.features, model.target, weights, "validation", window)
        notes = [*own.notes, *rows.check()]
    except DataError as error:
        said = str(error)
        raise DataError(said if said.startswith(source.where) else f"{source.where}: {said}") from None
    for note in notes:
        logger.warning("%s: %s", source.where, note)
    return rows


def _window(budget: memory.Budget, training: Store, model: TableModel, batch: int) -> int:
    network = model.model.network
    values = batch * sum(prod(link.out_shape) for link in network.links)
    return budget.window(training, model.features.width, model.target.width, network.params.numel(), values)


def _network(features: Features, target: Target, settings: Settings) -> Model:
    loss = settings.loss_for(target.task)
    layers = [*settings.layers] or _layers(target.width, loss, settings)
    model = Model([*features.first_layers(layers[0]), *layers], loss, seed=settings.seed)
    network = model.build((features.width,))
    if network.out_shape != (target.width,):
        raise ShapeError(f"layers: the last one gives {network.out_shape}, {target.name} needs ({target.width},)")
    return model


def _layers(width: int, loss: Loss, settings: Settings) -> list[Any]:
    """Numbers become netkit's first kind of layer; the last is the head that the loss asks for."""
    kind = current().layers.first()
    activation = settings.activation or current().activations.first()
    hidden = [
        {"type": kind, "units": part, "activation": activation} if isinstance(part, int) else part
        for part in settings.hidden
    ]
    return [*hidden, {"type": kind, "units": width, "activation": loss.head}]


def _about(where: str, found: FirstPass, model: TableModel) -> str:
    network, target = model.model.network, model.target
    what = f"{target.task}, {len(target.classes)} classes" if target.classes else target.task
    sizes = "-".join(str(shape[-1]) for shape in [network.in_shape, *(link.out_shape for link in network.links)])
    return (
        f"{where}: {found.rows - found.lost} rows; target {target.name}: {what}; loss {spec.name(model.model.loss)}; "
        f"network {sizes}, {network.params.numel()} parameters"
    )


def _name_strangers(model: Model, settings: Settings) -> None:
    """Say which parts come from elsewhere: what a model is made of should never be a surprise."""
    chosen = recipe(settings)
    extra = [part for part in (chosen.optimizer, chosen.schedule) if part is not None]
    parts = [*model.layers, model.loss, *extra, *settings.metric]
    for name, source in {name: source for part in parts for name, source in sources(part)}.items():
        if source.distribution != DISTRIBUTION:
            logger.info("using %s %s (%s %s)", source.kind, name, source.distribution, source.version)


def _score(prepared: Prepared, settings: Settings, fitted: Fitted) -> None:
    """Score the weights that are kept, and say what they are worth."""
    model, parts = prepared.model, {"validation": prepared.validation, "training": prepared.training}
    metrics = settings.metric or None
    model.scores = {name: model.score_of(rows, metrics) for name, rows in parts.items() if rows is not None}
    model.training = {"seed": settings.seed, "rows": len(prepared.training)}
    model.history = fitted.history
    for name, values in model.scores.items():
        logger.info("%10s  %s", name, "  ".join(f"{metric} {value:.4g}" for metric, value in values.items()))
