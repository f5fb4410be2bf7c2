"""`netkit train`: a table to a trained, scored and saved model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netkit.cli.memory import Memory, settled
from netkit.cli.options import Columns, ComponentText, Hidden, Number, Validation, csv_options, refuse_inputs
from netkit.cli.saving import Every, Saver, began, read_checkpoint, refuse_changes
from netkit.cli.stopping import Stopped, signals
from netkit.cli.toml_file import read_config

if TYPE_CHECKING:
    from netkit.cli.job import Job
    from netkit.engine.training import Epoch, Recipe, Run
    from netkit.model import Model

__all__ = ["train"]


@click.command()
@click.argument("data")
@click.option("--config", callback=read_config, is_eager=True, metavar="FILE", help="TOML with these options as keys.")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--task", type=click.Choice(["binary", "multiclass", "regression"]), help="Else read off the target.")
@click.option(
    "--columns", type=Columns(), metavar="NAME=TYPE,...", help="What columns are: number, text, date, embedding, skip."
)
@csv_options
@click.option(
    "--hidden", type=Hidden(), default="100", show_default=True, help="Units of the hidden layers; '' for none."
)
@click.option("--layers", type=Hidden(), hidden=True)
@click.option("--activation", type=ComponentText("activation"), help="Of the hidden layers.")
@click.option("--loss", type=ComponentText("loss"), help="What to make small; by default the one for the task.")
@click.option("--optimizer", type=ComponentText("optimizer"), help="Such as NAME:setting=value.")
@click.option("--metric", multiple=True, type=ComponentText("metric"), help="What to show; may be repeated.")
@click.option("--alpha", type=Number(min=0, min_open=True), help="Learning rate; by default the optimizer's own.")
@click.option("--schedule", type=ComponentText("schedule"), help="How alpha changes on the way; by default it stays.")
@click.option(
    "--average",
    type=Number(0, 1, max_open=True),
    help="Decay of a running mean of the parameters, such as 0.999, to judge and keep.",
)
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Rows a step.")
@click.option(
    "--epochs", type=click.IntRange(min=1), default=100, show_default=True, help="Passes over the training rows."
)
@click.option(
    "--validation",
    type=Validation(),
    default=0.1,
    show_default=True,
    metavar="SHARE|FILE",
    help="Share of rows held out, 0 for none; or a table of its own.",
)
@click.option(
    "--group", metavar="COLUMN", help="Hold out whole groups of rows: a column that is no input, such as the patient."
)
@click.option(
    "--weights",
    metavar="COLUMN",
    help="What rows count in the loss: a column that is no input. Metrics and `evaluate` count all alike.",
)
@click.option(
    "--balanced",
    is_flag=True,
    help="Let all classes count alike in the loss: rows weigh n / (classes * rows of their class).",
)
@click.option(
    "--patience", type=click.IntRange(min=1), help="Stop after so many epochs without a better one; by default never."
)
@click.option("--clip", type=Number(min=0, min_open=True), help="Scale gradients down to this norm; by default never.")
@click.option("--log", metavar="FILE", help="Where a line of JSON for each epoch goes.")
@click.option("--checkpoint", metavar="FOLDER", help="Where the run is saved while it trains, to be resumed.")
@click.option(
    "--every", type=Every(), default="5min", show_default=True, help="How often: 30s, 5min, 2h, or a number of epochs."
)
@click.option("--keep", type=click.IntRange(min=1), default=3, show_default=True, help="Checkpoints that stay.")
@click.option(
    "--resume",
    callback=read_checkpoint,
    is_eager=True,
    metavar="FOLDER",
    help="Go on with the run saved there, to the same bits.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the operands of large products; bfloat16 is faster and right to three digits.",
)
@click.option(
    "--memory",
    type=Memory(),
    metavar="SIZE",
    help="All that may be taken, such as 2GB; by default what the table needs.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Same seed, same model.")
@click.option("--out", metavar="FILE", help="Where the model goes; by default DATA's name with .netkit, here.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def train(ctx: click.Context, /, data: str, target: str, out: str | None, precision: str, **options: Any) -> None:
    """Train a model on the table DATA and save it: CSV, Parquet, Arrow or JSON lines, one file or a folder of them."""
    from netkit.cli.job import prepare
    from netkit.registry import current

    current().find()  # before torch is imported: see `discovery.find`
    if options["resume"]:
        refuse_changes(ctx)
    out = ctx.params["out"] = out or f"{Path(data).stem}.netkit"
    _writable(out)
    refuse_inputs({"out": out, "log": options["log"]}, data, options["validation"])
    options["memory"] = ctx.params["memory"] = settled(data, options)
    job = prepare(data, target, {**options, "out": out})
    recipe = _recipe(options, precision)
    _strangers(job.table_model.model, recipe, options["metric"])
    with signals() as taken:
        saver = Saver(options, began(ctx), taken)
        run, trouble = _trained(ctx, job, recipe, options, saver)
    _tell(run, saver, trouble)
    _finish(job, options, out)
    if isinstance(trouble, Stopped):
        raise SystemExit(trouble.exit_code)
    if trouble:
        raise trouble


def _trained(
    ctx: click.Context, job: Job, recipe: Any, options: dict[str, Any], saver: Saver
) -> tuple[Run, Exception | None]:
    """The run when it has ended, and what ended it too early."""
    from netkit.errors import DataError, DivergenceError, MemoryExhausted

    run = _run(job, recipe, options, saver)
    if options["resume"]:
        from netkit.files.checkpoint import restore

        restore(run, *ctx.meta["netkit.files.model_file"])
        click.echo(f"goes on after epoch {run.epoch}" + (f" and {run.row} rows" if run.row else ""), err=True)
    try:
        with closing(run.epochs()) as records:
            for _ in _watched(records, run, options):
                pass
    except (Stopped, DivergenceError, DataError, MemoryExhausted) as error:
        return run, error
    return run, None


def _tell(run: Run, saver: Saver, trouble: Exception | None) -> None:
    """Which weights are kept. Ends the program when there are none that were judged."""
    from netkit.errors import DivergenceError

    stopped = f"stopped by {trouble}: " if isinstance(trouble, Stopped) else ""
    if saver.last and trouble:
        click.echo(f"{stopped}netkit train --resume {saver.last.parent} goes on", err=True)
    if isinstance(trouble, DivergenceError) and not run.best_epoch:
        raise DivergenceError(f"{trouble}; nothing is saved")
    if not run.best_epoch:
        raise trouble or DivergenceError("training: the loss was never finite")
    click.echo(f"{stopped}kept the weights of epoch {run.best_epoch} of {run.epoch}", err=bool(stopped))


def _strangers(model: Model, recipe: Recipe, metrics: tuple[Any, ...]) -> None:
    """Say which parts come from elsewhere: what a model is made of should never be a surprise."""
    from netkit import spec
    from netkit.files.model_file import sources
    from netkit.registry.discovery import DISTRIBUTION

    chosen = [each for each in (recipe.optimizer, recipe.schedule) if each is not None]
    parts = [*model.layers, model.loss, *chosen, *(spec.make("metric", each) for each in metrics)]
    for name, source in {name: source for part in parts for name, source in sources(part)}.items():
        if source.distribution != DISTRIBUTION:
            click.echo(f"using {source.kind} {name} ({source.distribution} {source.version})")


def _writable(out: str) -> None:
    """Refuse a path that cannot be written before an hour of training, not after."""
    from netkit.errors import DataError

    path, parent = Path(out), Path(out).absolute().parent
    if os.path.isdir(path):  # unlike Path.is_dir, it bears any path
        raise DataError(f"{out}: cannot be written: it is a folder")
    if not os.path.isdir(parent):
        raise DataError(f"{out}: cannot be written: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise DataError(f"{out}: cannot be written: no permission in {parent}")


def _recipe(options: dict[str, Any], precision: Any) -> Recipe:
    from netkit import spec
    from netkit.engine.training import Recipe
    from netkit.registry import current

    chosen = options["optimizer"]
    if chosen is None:
        chosen = current().optimizers.first(lambda optimizer: optimizer.adaptive)
    optimizer = spec.make("optimizer", chosen)
    schedule = None if options["schedule"] is None else spec.make("schedule", options["schedule"])
    given = {name: options[name] for name in ("batch", "epochs", "alpha", "patience", "clip", "average")}
    return Recipe(**given, optimizer=optimizer, schedule=schedule, keep_best=True, precision=precision)


def _run(job: Job, recipe: Any, options: dict[str, Any], saver: Saver) -> Run:
    from netkit.engine.scoring import make_metrics
    from netkit.engine.training import Run
    from netkit.tensors import generator

    model, seed = job.table_model.model, options["seed"]
    metrics = make_metrics(model.loss, list(options["metric"]) or None)
    sources = generator(seed, 1), generator(seed, 2)
    return Run(model.network, model.loss, job.training, recipe, *sources, metrics, job.validation, saver)


def _watched(records: Iterator[Epoch], run: Run, options: dict[str, Any]) -> Iterator[Epoch]:
    """The same records, while they are logged and shown."""
    from netkit.engine.progress import logged, shown

    if options["log"] is not None:
        records = logged(records, options["log"], run.epoch)
    return shown(records, run.recipe.epochs, not options["quiet"], run.epoch)


def _finish(job: Job, options: dict[str, Any], out: str) -> None:
    """Score the weights that are kept, save them, and say both."""
    metrics = list(options["metric"]) or None
    parts = {"validation": job.validation, "training": job.training}
    scores = {name: dict(job.table_model.evaluate(rows, metrics)) for name, rows in parts.items() if rows is not None}
    job.table_model.scores = scores
    job.table_model.training = {"seed": options["seed"], "rows": len(job.training)}
    job.table_model.save(out)
    for name, values in scores.items():
        click.echo(f"{name:>10}  " + "  ".join(f"{metric} {value:.4g}" for metric, value in values.items()))
    click.echo(f"saved {out}")
