"""The one road from a table to a trained model: read, split, encode, build, fit, score, save."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netkit import spec
from netkit.engine.progress import check_callbacks
from netkit.errors import ModelFileError, NetkitError, SettingError, ShapeError
from netkit.files.atomic import check_writable, same_path
from netkit.files.checkpoint import FORMAT, Began, Checkpoint, Checkpoints, newest
from netkit.files.lock import locked
from netkit.files.places import absolute, is_read_from
from netkit.files.provenance import Source, absent, changes, sources
from netkit.kinds import Epoch, Loss
from netkit.model import Model
from netkit.registry import current
from netkit.registry.culprit import naming_plugins
from netkit.registry.discovery import DISTRIBUTION
from netkit.registry.requirements import following
from netkit.tables.features import Features
from netkit.tables.first_pass import FirstPass
from netkit.tables.model import TableModel
from netkit.tables.rows import FoundRows, find_rows
from netkit.tables.run import recipe
from netkit.tables.settings import HELD_OUT, Settings, options, rules_in
from netkit.tables.target import Target

__all__ = ["prepare", "train"]

logger = logging.getLogger("netkit")


@naming_plugins
def train(
    data: Any = None,
    target: str | None = None,
    *,
    resume: str | Path | None = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    **settings: Any,
) -> TableModel:
    """A model of the column `target` of a table, trained and scored as `netkit train` does it, to the same bits.

    data: a path, a folder or a pattern of files (CSV, Parquet, Arrow, JSON lines), a URI that a plugin reads, a table
    of polars, pandas or pyarrow, or an array. settings: the options of `netkit train` by their names, such as
    epochs=50, optimizer="adam:beta1=0.8", hidden=[64, 32]; `netkit.tables.settings.Settings` has all of them.
    resume: a folder of checkpoints; the run that was saved there goes on. callbacks: each is called with the record of
    every epoch; one that returns True ends the run. What there is to know about the table goes to the logger `netkit`.

    Raises `SettingError` for a setting, `DataError` for a table that cannot be used, `DivergenceError`, and on Ctrl-C
    `Interrupted`, a KeyboardInterrupt whose `model` has the best weights so far.
    """
    check_callbacks(callbacks)
    given = settings if target is None else {"target": target, **settings}
    if resume is None:
        with following(rules_in(given)):
            chosen = Settings.of(given)
            with locked(chosen.checkpoint):
                return _trained(data, chosen, callbacks)
    if not isinstance(resume, (str, Path)) or not str(resume):
        raise SettingError(f"resume: a folder of checkpoints is needed, got {resume!r}")
    saved = newest(resume)
    for line in saved.notes:
        logger.warning(line)
    began, folder = saved.state.began, resume if given.get("checkpoint") is None else given["checkpoint"]
    with following(rules_in({"plugins": began.plugins})):
        chosen = _begun(resume, began, given).changed({**given, "checkpoint": folder})
        for distribution, _, said in changes(began.components, "the run was begun"):
            if distribution != DISTRIBUTION:
                logger.warning("%s: %s", resume, said)
        data = began.options.get("data") if data is None else data
        with locked(folder):
            return _trained(data, chosen, callbacks, saved, fresh=not same_path(folder, resume))


def _begun(folder: str | Path, began: Began, given: Mapping[str, Any]) -> Settings:
    """What a run was begun with. Raises `ModelFileError`, `SettingError`."""
    options = {name: value for name, value in began.options.items() if value is not None and name != "data"}
    for part in HELD_OUT:
        if began.options.get(part, 0) is None:
            if part not in given:
                raise SettingError(f"{part}: the table in memory has to be given again, got none")
            options[part] = given[part]
    try:
        return Settings.of({**options, "plugins": began.plugins})
    except NetkitError as error:
        reason = absent(began.components, [began.options]) or error
        raise ModelFileError(f"{folder}: cannot be resumed: {reason}") from None


def _trained(
    data: Any,
    settings: Settings,
    callbacks: Sequence[Callable[[Epoch], Any]],
    resumed: Checkpoint | None = None,
    fresh: bool = True,
) -> TableModel:
    """resumed: the checkpoint to go on from. fresh: the folder of checkpoints may hold no other run's."""
    _check_paths(data, settings)
    model, rows = prepare(data, settings, resumed is not None and resumed.state.begun_by_0_1)
    components = _components(model, settings)
    _name_strangers(components)
    checkpoints = None
    if settings.checkpoint is not None:
        began = Began(_options(data, rows.settings), settings.plugins.to_json(), components)
        format = resumed.state.format if resumed else FORMAT
        checkpoints = Checkpoints(settings.checkpoint, began, settings.keep, fresh, format)
    if settings.out is not None and resumed is None and os.path.isfile(settings.out):
        logger.warning("%s is there already and will be replaced; out names another file", settings.out)
    return model.trained(rows, checkpoints, resumed, callbacks)


def _options(data: Any, settings: Settings) -> dict[str, Any]:
    """How to begin the run anew, wherever it is taken up; None: a table in memory, which has to be given again."""
    tables = {"data": data, **settings.tables}
    held = {name: None for name, table in tables.items() if not isinstance(table, (str, Path))}
    given = {"data": data, **settings.to_json(), **held}
    named = ["data", *(name for name, option in options().items() if option.path)]
    paths = {name: absolute(path) for name in named if isinstance(path := given.get(name), (str, Path))}
    return {**given, **paths}


def _check_paths(data: Any, settings: Settings) -> None:
    """Refuse a path that cannot be written before an hour of training, not after."""
    for name in ("out", "log"):
        path = getattr(settings, name)
        if path is None:
            continue
        check_writable(path)
        for table in (data, *settings.tables.values()):
            if isinstance(table, (str, Path)) and is_read_from(table, path):
                raise SettingError(f"{name}: another file than one that is read is needed, got {path!r}")


def prepare(data: Any, settings: Settings, before: bool = False) -> tuple[TableModel, FoundRows]:
    """A model for a table that is ready to train, and the rows for it: read, split, summarised, encoded. before: hold
    out the rows that 0.1 held out. Raises `DataError`, `SettingError`, `ShapeError`."""
    rows = find_rows(data, settings, before=before)
    found = rows.found
    target = Target.of(settings.target, found.labels, settings.known_task, found.spelled).scaled(found.scale)
    features = Features.of(found.summary)
    for note in [*found.notes, *features.notes, *target.notes(found.labels, settings.known_task)]:
        logger.warning(note)
    model = TableModel(features, _network(features, target, settings), target)
    logger.info(_about(rows.where, found, model))
    return model, rows


def _network(features: Features, target: Target, settings: Settings) -> Model:
    loss = settings.loss_for(target.task)
    layers = [*settings.layers] or _layers(target.width, loss, settings)
    first = features.layer()
    if first is not None and not isinstance(spec.make("layer", layers[0]), type(first)):
        layers = [first, *layers]
    model = Model(layers, loss, seed=settings.seed)
    network = model.build((features.width,))
    if network.out_shape != (target.width,):
        raise ShapeError(f"layers: the last one gives {network.out_shape}, {target.name} needs ({target.width},)")
    return model


def _layers(width: int, loss: Loss, settings: Settings) -> list[Any]:
    """Numbers become netkit's first layer that has a size; the last is the head that the loss asks for."""
    layers = current().layers
    sized = layers[layers.first(lambda layer: layer.sized is not None)].sized
    activation = settings.activation or current().activations.first()
    hidden = [sized(part, activation) if isinstance(part, int) else part for part in settings.hidden]
    return [*hidden, sized(width, loss.head)]


def _about(where: str, found: FirstPass, model: TableModel) -> str:
    network, target = model.model.network, model.target
    what = f"{target.task}, {len(target.classes)} classes" if target.classes else target.task
    sizes = "-".join(str(shape[-1]) for shape in [network.in_shape, *(link.out_shape for link in network.links)])
    return (
        f"{where}: {found.rows - found.lost} rows; target {target.name}: {what}; loss {spec.name(model.model.loss)}; "
        f"network {sizes}, {network.params.numel()} parameters"
    )


def _components(model: TableModel, settings: Settings) -> dict[str, Source]:
    """Where all components of a run come from."""
    chosen = recipe(settings)
    chosen_parts = [part for part in (chosen.optimizer, chosen.schedule, settings.reader) if part is not None]
    own = [*model.features.encoders, *model.model.layers, model.model.loss]
    parts = [*own, *chosen_parts, *chosen.schedules.values(), *settings.metric, *settings.report]
    return {name: source for part in parts for name, source in sources(part)}


def _name_strangers(components: Mapping[str, Source]) -> None:
    """Say which parts come from elsewhere: what a model is made of should never be a surprise."""
    for name, source in components.items():
        if source.distribution != DISTRIBUTION:
            logger.info("using %s %s (%s %s)", source.kind, name, source.distribution, source.version)
