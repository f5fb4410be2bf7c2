"""`netkit predict` and `netkit evaluate`: a saved model on another table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit.cli.options import ComponentText, csv_options, refuse_inputs

if TYPE_CHECKING:
    from torch import Tensor

    from netkit.tables.model import TableModel

__all__ = ["evaluate", "notes", "predict"]


@click.command()
@click.argument("model")
@click.argument("data")
@csv_options
@click.option("--out", metavar="FILE", help="Where to write the CSV; standard output by default.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of each class.")
def predict(model: str, data: str, out: str | None, probabilities: bool, **written: Any) -> None:
    """Write the prediction for every row of DATA, labels as they were in the training file."""
    from netkit.cli.predictions import write_csv

    refuse_inputs({"out": out}, model, data)
    table_model = _loaded(model)
    target = table_model.target
    _refuse_values(table_model, probabilities)
    names = [target.name, *(f"{target.name}={each}" for each in target.classes if probabilities)]
    portions = (
        [table_model.labels(outputs), *(_probabilities(outputs) if probabilities else ())]
        for outputs in table_model.portions(data, **written)
    )
    write_csv(out, names, portions)
    notes(table_model.features.notes)


@click.command()
@click.argument("model")
@click.argument("data")
@csv_options
@click.option(
    "--metric", multiple=True, type=ComponentText("metric"), help="Instead of the loss's own; may be repeated."
)
def evaluate(model: str, data: str, metric: tuple[Any, ...], **written: Any) -> None:
    """Score the predictions for DATA against its target column."""
    table_model = _loaded(model)
    rows = table_model.passage(data, **written)
    scores = table_model.evaluate(rows, list(metric) or None)
    notes(rows.notes)
    for name, value in scores.items():
        click.echo(f"{name} {value:.6g}")


def notes(lines: list[str]) -> None:
    """Things to know about the data, on stderr."""
    for line in lines:
        click.echo(f"note: {line}", err=True)


def _loaded(model: str) -> TableModel:
    from netkit.tables.model import TableModel

    return TableModel.load(model)


def _refuse_values(table_model: TableModel, probabilities: bool) -> None:
    from netkit.errors import SettingError

    head = table_model.model.network.links[-1].activation
    if probabilities and (head is None or head.outputs == "real"):
        name = table_model.target.name
        raise SettingError(f"{name}: this model has no class probabilities, its outputs are plain values")


def _probabilities(outputs: Tensor) -> list[list[float]]:
    """A column for each class."""
    columns = outputs.T if outputs.shape[1] > 1 else [1 - outputs[:, 0], outputs[:, 0]]
    return [values.tolist() for values in columns]
