"""`netkit predict` and `netkit evaluate`: a saved model on another table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netkit.cli.options import ComponentText, csv_options

if TYPE_CHECKING:
    import pyarrow as pa

    from netkit.table import TableModel

__all__ = ["evaluate", "notes", "predict"]


@click.command()
@click.argument("model")
@click.argument("data")
@csv_options
@click.option("--out", metavar="FILE", help="Where to write the CSV; standard output by default.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of each class.")
def predict(model: str, data: str, out: str | None, probabilities: bool, **written: Any) -> None:
    """Write the prediction for every row of DATA, labels as they were in the training file."""
    from netkit.data.writing import write_csv

    table_model, table = _both(model, data, written)
    outputs = table_model.outputs(table)
    columns: dict[str, Any] = {table_model.target.name: table_model.labels(outputs)}
    if probabilities:
        columns |= _probabilities(table_model, outputs)
    notes(table_model.features.notes)
    write_csv(out, list(columns), list(columns.values()))


@click.command()
@click.argument("model")
@click.argument("data")
@csv_options
@click.option("--metric", multiple=True, type=ComponentText("metric"), help="Instead of the loss's own; may be repeated.")
def evaluate(model: str, data: str, metric: tuple[Any, ...], **written: Any) -> None:
    """Score the predictions for DATA against its target column."""
    from netkit.data.columns import rows_with

    table_model, table = _both(model, data, written)
    table, dropped = rows_with(table, table_model.target.name)
    scores = table_model.evaluate(table_model.rows(table), list(metric) or None)
    notes([*dropped, *table_model.features.notes])
    for name, value in scores.items():
        click.echo(f"{name} {value:.6g}")


def notes(lines: list[str]) -> None:
    """Things to know about the data, on stderr."""
    for line in lines:
        click.echo(f"note: {line}", err=True)


def _both(model: str, data: str, written: dict[str, Any]) -> tuple[TableModel, pa.Table]:
    from netkit.registry import current

    current().find()  # before torch is imported: see `discovery.find`
    from netkit.table import TableModel

    table_model = TableModel.load(model)
    return table_model, table_model.read(data, **written)


def _probabilities(table_model: TableModel, outputs: Any) -> dict[str, Any]:
    from netkit.errors import SettingError

    target = table_model.target
    head = table_model.model.network.links[-1].activation
    if head is None or head.outputs == "real":
        raise SettingError(f"{target.name}: this model has no class probabilities, its outputs are plain values")
    columns = outputs.T if target.width > 1 else [1 - outputs[:, 0], outputs[:, 0]]
    return {f"{target.name}={name}": values.tolist() for name, values in zip(target.classes, columns)}
