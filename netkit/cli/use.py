"""`netkit predict` and `netkit evaluate`: a saved model on another table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from netkit.cli.options import chosen, setting_options
from netkit.errors import SettingError

if TYPE_CHECKING:
    from netkit.tables.model import TableModel

__all__ = ["evaluate", "predict"]

DIALECT = ("separator", "decimal", "reader")


@click.command()
@click.argument("model")
@click.argument("data")
@setting_options(*DIALECT)
@click.option("--out", metavar="FILE", help="Where to write the CSV; standard output by default.")
@click.option("--probabilities", is_flag=True, help="Add a column with the probability of each class.")
@click.pass_context
def predict(ctx: click.Context, /, model: str, data: str, out: str | None, probabilities: bool, **dialect: Any) -> None:
    """Write the prediction for every row of DATA, labels as they were in the training file."""
    from netkit.cli.predictions import write_csv
    from netkit.cli.terminal import listening
    from netkit.files.atomic import check_writable
    from netkit.files.places import is_read_from

    ctx.with_resource(listening())
    for path in (model, data):
        if out and is_read_from(path, out):
            raise SettingError(f"out: another file than one that is read is needed, got {out!r}")
    if out:
        check_writable(out)
    table_model = _loaded(model)
    target = table_model.target
    if probabilities:
        table_model.check_probabilities()
    names = [target.name, *(f"{target.name}={each}" for each in target.labels if probabilities)]
    columns = (
        [table_model.labels(outputs), *(table_model.probabilities(outputs) if probabilities else ())]
        for outputs in table_model.batches(data, **_dialect(ctx))
    )
    write_csv(out, names, columns)


@click.command()
@click.argument("model")
@click.argument("data")
@setting_options(*DIALECT, "metric")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the confusion matrix.")
@click.pass_context
def evaluate(
    ctx: click.Context, /, model: str, data: str, metric: tuple[Any, ...], as_json: bool, **dialect: Any
) -> None:
    """Score the predictions for DATA against its target column.

    Without --metric by all metrics that belong to the task, with intervals of 95 % and, as a baseline, the answer of a
    model without inputs; and for classes who is taken for whom.
    """
    from netkit.cli.terminal import listening, say

    ctx.with_resource(listening())
    scores = _loaded(model).evaluate(data, list(metric) or None, **_dialect(ctx))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(scores.report())).decode())
        return
    say(str(scores))


def _dialect(ctx: click.Context) -> dict[str, Any]:
    return {name: value for name, value in chosen(ctx).items() if name in DIALECT}


def _loaded(model: str) -> TableModel:
    from netkit.tables.model import TableModel

    return TableModel.load(model)
