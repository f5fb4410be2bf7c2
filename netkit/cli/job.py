"""From the options of `netkit train` to a model that is ready to train, and the rows for it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from netkit.engine.rows import Dataset
    from netkit.kinds import Loss
    from netkit.model import Model
    from netkit.tables.features import Features
    from netkit.tables.first_pass import Gathered
    from netkit.tables.model import TableModel
    from netkit.tables.store import Spill

__all__ = ["Job", "loss_for", "prepare"]


class Job(NamedTuple):
    """A model that is ready to train, and the rows for it."""

    table_model: TableModel
    training: Dataset
    validation: Dataset | None


def prepare(data: str, name: str, options: dict[str, Any]) -> Job:
    """Read, split and prepare the table, and build the network for it."""
    from netkit.cli.parts import aside, check_columns, parts, weighed
    from netkit.cli.use import notes
    from netkit.tables.columns import column, refuse_infinite, rows_with
    from netkit.tables.features import Features, text_among
    from netkit.tables.first_pass import check_types
    from netkit.tables.model import TableModel
    from netkit.tables.read import read
    from netkit.tables.target import Target

    if options["memory"] is not None:
        return _streamed(data, name, options)
    columns = options["columns"] or {}
    table = read(data, separator=options["separator"], decimal=options["decimal"], text=text_among(columns))
    refuse_infinite(table)
    check_types(table, columns)
    chosen = aside(name, options)
    check_columns(table, chosen)
    table, dropped = rows_with(table, name)
    loss_given = _loss_given(options)
    task = loss_given.task if loss_given else options["task"]
    target = Target.fit(name, column(table, name), task)
    train_table, judging, parted = parts(table, target, options)
    target = target.rescaled(column(train_table, name))
    features = Features.fit(train_table, exclude=(name, *chosen.values()), types=columns)
    loss = loss_given or loss_for(target.task)
    notes([*dropped, *parted, *features.notes])
    model = _model(features, target, loss, options)
    click.echo(_about(data, table.num_rows, target, model))
    table_model = TableModel(features, model, target)
    training, validation, found = weighed(table_model, train_table, judging, options)
    notes(found)
    return Job(table_model, training, validation)


def _streamed(data: str, name: str, options: dict[str, Any]) -> Job:
    """The same with the rows in a file, and only as many of them in memory as fit."""
    from netkit.cli.parts import aside, check_balanced
    from netkit.cli.use import notes
    from netkit.tables.features import Features
    from netkit.tables.memory import Budget, frugal
    from netkit.tables.model import TableModel
    from netkit.tables.stream import Streamed
    from netkit.tables.target import Target
    from netkit.tables.weights import Weighing, balance_of

    frugal()
    budget, loss_given, chosen = Budget(options["memory"]), _loss_given(options), aside(name, options)
    share = options["validation"] if isinstance(options["validation"], float) else 0.0
    found = _gathered(data, name, options, budget.piece, share, chosen)
    target = Target.of(name, found.labels, loss_given.task if loss_given else options["task"]).scaled(found.scale)
    check_balanced(target, options)
    features = Features.of(found.survey)
    notes([*found.notes, *features.notes])
    model = _model(features, target, loss_given or loss_for(target.task), options)
    table_model = TableModel(features, model, target)
    judging = found.held_out if share == options["validation"] else _judging(table_model, options, budget.piece, chosen)
    values = options["batch"] * sum(prod(link.out_shape) for link in model.network.links)
    size = budget.window(found.training, features.width, target.width, model.network.params.numel(), values)
    weighing = Weighing(chosen.get("weights"), balance_of(found.training, target) if options["balanced"] else None)
    training, validation = (
        Streamed(spill, features, target, size, weighing.scaled(spill, target, part))
        for part, spill in (("training", found.training), ("validation", judging))
    )
    click.echo(_about(data, found.rows - found.lost, target, model))
    click.echo(f"streamed: {len(training):,} rows in windows of {min(size, len(training)):,}")
    return Job(table_model, training, validation if len(validation) else None)


def _gathered(
    data: str, name: str, options: dict[str, Any], piece: int, share: float, chosen: dict[str, str], **more: Any
) -> Gathered:
    from netkit.tables.features import text_among
    from netkit.tables.first_pass import gather
    from netkit.tables.sources import Files
    from netkit.tables.store import spill_folder

    types = more.get("types", options["columns"] or {})
    files = Files(data, options["separator"], options["decimal"], tuple(more.get("text", text_among(types))))
    return gather(files, piece, name, types, share, options["seed"], spill_folder(options["out"]), chosen)


def _judging(model: TableModel, options: dict[str, Any], piece: int, chosen: dict[str, str]) -> Spill:
    """The rows of the table that judges. What is wrong with them names the file."""
    from netkit.cli.use import notes
    from netkit.errors import DataError
    from netkit.tables.columns import column

    path = options["validation"]
    try:
        found = _gathered(path, model.target.name, options, piece, 0.0, chosen, types={}, text=model.text)
        for _, table in model.prepared(found.training.tables()):
            model.target.encode(column(table, model.target.name))
    except DataError as error:
        raise DataError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    notes([f"{path}: {each}" for each in [*found.notes, *model.features.notes]])
    return found.training


def _loss_given(options: dict[str, Any]) -> Loss | None:
    from netkit import spec
    from netkit.errors import SettingError

    if options["loss"] is None:
        return None
    loss: Loss = spec.make("loss", options["loss"])
    if options["task"] not in (None, loss.task):
        raise SettingError(f"task: {spec.name(loss)} is for {loss.task}, got {options['task']}")
    return loss


def loss_for(task: str) -> Loss:
    """netkit's own loss for a task."""
    from netkit import spec
    from netkit.registry import current

    loss: Loss = spec.make("loss", current().losses.first(lambda loss: loss.task == task))
    return loss


def _model(features: Features, target: Any, loss: Loss, options: dict[str, Any]) -> Model:
    from netkit.model import Model

    layers = options["layers"] or _layers(target.width, loss, options)
    model = Model([*_decoding(features.codes, layers), *layers], loss, seed=options["seed"])
    network = model.build((features.width,))
    if network.out_shape != (target.width,):
        from netkit.errors import ShapeError

        raise ShapeError(f"layers: the last one gives {network.out_shape}, {target.name} needs ({target.width},)")
    return model


def _layers(width: int, loss: Loss, options: dict[str, Any]) -> list[Any]:
    """Numbers become netkit's first kind of layer; the last is the head that the loss asks for."""
    from netkit.registry import current

    kind = current().layers.first()
    activation = current().activations.first() if options["activation"] is None else options["activation"]
    hidden = [
        {"type": kind, "units": part, "activation": activation} if isinstance(part, int) else part
        for part in options["hidden"]
    ]
    return [*hidden, {"type": kind, "units": width, "activation": loss.head}]


def _decoding(codes: dict[int, tuple[int, int]], layers: list[Any]) -> list[Any]:
    """The layer that takes codes, in front of the others, where columns are coded and the first given layer is none."""
    from netkit import spec
    from netkit.registry import current

    if not codes or spec.make("layer", layers[0]).codes:
        return []
    levels, dimensions = zip(*codes.values())
    kind = current().layers.first(lambda layer: layer.codes)
    return [{"type": kind, "columns": [*codes], "levels": [*levels], "dimensions": [*dimensions]}]


def _about(data: str, rows: int, target: Any, model: Model) -> str:
    from netkit import spec

    what = f"{target.task}, {len(target.classes)} classes" if target.classes else target.task
    sizes = "-".join(str(shape[-1]) for shape in [model.network.in_shape, *(k.out_shape for k in model.network.links)])
    return (
        f"{data}: {rows} rows; target {target.name}: {what}; loss {spec.name(model.loss)}; "
        f"network {sizes}, {model.network.params.numel()} parameters"
    )
