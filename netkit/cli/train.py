"""`netkit train`: a table to a trained, scored and saved model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from netkit.cli.options import Columns, ComponentText, Hidden, csv_options
from netkit.cli.toml_file import read_config

if TYPE_CHECKING:
    from torch import Tensor

    from netkit.data.preparing import Features
    from netkit.kinds import Loss
    from netkit.model import Model
    from netkit.table import TableModel
    from netkit.training import Epoch

__all__ = ["loss_for", "train"]

Rows = tuple["Tensor", "Tensor"]


class _Job(NamedTuple):
    """A model that is ready to train, and the rows for it."""

    table_model: TableModel
    training: Rows
    validation: Rows | None


@click.command()
@click.argument("data")
@click.option("--config", callback=read_config, is_eager=True, metavar="FILE", help="TOML with these options as keys.")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--task", type=click.Choice(["binary", "multiclass", "regression"]), help="Else read off the target.")
@click.option("--columns", type=Columns(), metavar="NAME=TYPE,...", help="What columns are: number, text, date, embedding, skip.")
@csv_options
@click.option("--hidden", type=Hidden(), default="100", show_default=True, help="Units of the hidden layers; '' for none.")
@click.option("--layers", type=Hidden(), hidden=True)
@click.option("--activation", type=ComponentText("activation"), help="Of the hidden layers.")
@click.option("--loss", type=ComponentText("loss"), help="What to make small; by default the one for the task.")
@click.option("--optimizer", type=ComponentText("optimizer"), help="Such as NAME:setting=value.")
@click.option("--metric", multiple=True, type=ComponentText("metric"), help="What to show; may be repeated.")
@click.option("--alpha", type=click.FloatRange(min=0, min_open=True), help="Learning rate; by default the optimizer's own.")
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Rows a step.")
@click.option("--epochs", type=click.IntRange(min=1), default=100, show_default=True, help="Passes over the training rows.")
@click.option("--validation", type=click.FloatRange(0, 1, max_open=True), default=0.1, show_default=True,
              help="Share of rows held out, 0 for none.")  # fmt: skip
@click.option("--patience", type=click.IntRange(min=1), help="Stop after so many epochs without a better one; by default never.")
@click.option("--clip", type=click.FloatRange(min=0, min_open=True), help="Scale gradients down to this norm; by default never.")
@click.option("--log", metavar="FILE", help="Where a line of JSON for each epoch goes.")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True,
              help="Of the operands of large products; bfloat16 is faster and right to three digits.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Same seed, same model.")
@click.option("--out", metavar="FILE", help="Where the model goes; by default DATA's name with .netkit, here.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(data: str, target: str, out: str | None, precision: str, **options: Any) -> None:
    """Train a model on the table DATA and save it: CSV, Parquet, Arrow or JSON lines, one file or a folder of them."""
    from netkit.errors import DivergenceError
    from netkit.registry import current

    current().find()  # before torch is imported: see `discovery.find`
    out = out or f"{Path(data).stem}.netkit"
    _writable(out)
    job = _prepare(data, target, options)
    recipe = _recipe(options, precision)
    _strangers(job.table_model.model, recipe.optimizer, options["metric"])
    best: Epoch | None = None
    last: Epoch | None = None
    trouble: Exception | KeyboardInterrupt | None = None
    run = _run(job, recipe, options)
    with closing(run):
        try:
            for last in run:
                best = last if last.best else best
        except (KeyboardInterrupt, DivergenceError) as error:
            trouble = error
    if last is None or best is None:
        raise trouble or DivergenceError("training: the loss was never finite")
    stopped = "stopped by Ctrl-C: " if isinstance(trouble, KeyboardInterrupt) else ""
    click.echo(f"{stopped}kept the weights of epoch {best.number} of {last.number}", err=bool(stopped))
    _finish(job, options, out)
    if isinstance(trouble, DivergenceError):
        raise trouble
    if trouble:
        raise SystemExit(130)


def _strangers(model: Model, optimizer: Any, metrics: tuple[Any, ...]) -> None:
    """Say which parts come from elsewhere: what a model is made of should never be a surprise."""
    from netkit import spec
    from netkit.checkpoint import sources
    from netkit.discovery import DISTRIBUTION

    parts = [*model.layers, model.loss, optimizer, *(spec.make("metric", each) for each in metrics)]
    for name, source in {name: source for part in parts for name, source in sources(part)}.items():
        if source.distribution != DISTRIBUTION:
            click.echo(f"using {source.kind} {name} ({source.distribution} {source.version})")


def _writable(out: str) -> None:
    """Refuse a path that cannot be written before an hour of training, not after."""
    from netkit.errors import DataError

    path, parent = Path(out), Path(out).absolute().parent
    if path.is_dir():
        raise DataError(f"{out}: cannot be written: it is a folder")
    if not parent.is_dir():
        raise DataError(f"{out}: cannot be written: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise DataError(f"{out}: cannot be written: no permission in {parent}")


def _recipe(options: dict[str, Any], precision: str) -> Any:
    from netkit import spec
    from netkit.registry import current
    from netkit.training import Recipe

    chosen = options["optimizer"]
    if chosen is None:
        chosen = current().optimizers.first(lambda optimizer: optimizer.adaptive)
    optimizer = spec.make("optimizer", chosen)
    return Recipe(options["batch"], options["epochs"], options["alpha"], optimizer, shuffle=True, keep_best=True, patience=options["patience"],
                  clip=options["clip"], precision=precision)  # fmt: skip


def _prepare(data: str, name: str, options: dict[str, Any]) -> _Job:
    from netkit.cli.use import notes
    from netkit.data.columns import column, refuse_infinite, rows_with
    from netkit.data.preparing import Features, text_among
    from netkit.data.reading import read
    from netkit.data.target import Target
    from netkit.table import TableModel

    columns = options["columns"] or {}
    table = read(data, separator=options["separator"], decimal=options["decimal"], text=text_among(columns))
    refuse_infinite(table)
    table, dropped = rows_with(table, name)
    loss_given = _loss_given(options)
    task = loss_given.task if loss_given else options["task"]
    target = Target.fit(name, column(table, name), task)
    train_table, held_out = _parts(table, target, options)
    target = target.rescaled(column(train_table, name))
    features = Features.fit(train_table, exclude=(name,), types=columns)
    loss = loss_given or loss_for(target.task)
    notes([*dropped, *features.notes])
    model = _model(features, target, loss, options)
    click.echo(_about(data, table.num_rows, target, model))
    table_model = TableModel(features, model, target)
    training = _rows(table_model, train_table)
    return _Job(table_model, training, _rows(table_model, held_out) if held_out is not None else None)


def _parts(table: Any, target: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    from netkit.data.columns import column
    from netkit.data.preparing import split

    share = options["validation"]
    if share == 0:
        return table, None
    strata = target.encode(column(table, target.name)) if target.classes else None
    kept, held_out = split(table.num_rows, share, options["seed"], strata)
    return table.take(kept.numpy()), table.take(held_out.numpy())


def _rows(table_model: TableModel, table: Any) -> Rows:
    from netkit.data.columns import column

    target = table_model.target
    return table_model.features.transform(table), target.encode(column(table, target.name))


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
    return (f"{data}: {rows} rows; target {target.name}: {what}; loss {spec.name(model.loss)}; "
            f"network {sizes}, {model.network.params.numel()} parameters")


def _run(job: _Job, recipe: Any, options: dict[str, Any]) -> Any:
    from netkit.progress import logged, shown
    from netkit.tensors import generator
    from netkit.training import fit, make_metrics

    model, seed = job.table_model.model, options["seed"]
    metrics = make_metrics(model.loss, list(options["metric"]) or None)
    sources = generator(seed, 1), generator(seed, 2)
    run: Iterator[Epoch] = fit(model.network, model.loss, job.training, recipe, *sources, metrics, job.validation)
    run = run if options["log"] is None else logged(run, options["log"])
    return shown(run, recipe.epochs, not options["quiet"])


def _finish(job: _Job, options: dict[str, Any], out: str) -> None:
    """Score the weights that are kept, save them, and say both."""
    metrics = list(options["metric"]) or None
    parts = {"validation": job.validation, "training": job.training}
    scores = {name: dict(job.table_model.evaluate(*rows, metrics)) for name, rows in parts.items() if rows}
    job.table_model.scores = scores
    job.table_model.training = {"seed": options["seed"], "rows": len(job.training[0])}
    job.table_model.save(out)
    for name, values in scores.items():
        click.echo(f"{name:>10}  " + "  ".join(f"{metric} {value:.4g}" for metric, value in values.items()))
    click.echo(f"saved {out}")
