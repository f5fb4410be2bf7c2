"""What outputs are worth: losses and metrics over rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from netkit.engine.decisions import compared, scored
from netkit.engine.network import Network, loss_values
from netkit.engine.program.predict import predictor
from netkit.engine.rows import Rows, RowStream
from netkit.kinds import Loss, Metric

__all__ = ["add_up", "evaluate", "losses"]


def evaluate(
    network: Network,
    loss: Loss,
    rows: RowStream,
    metrics: Mapping[str, Metric],
    decode: Callable[[Tensor], Tensor] = lambda values: values,
) -> dict[str, float]:
    """The mean loss, by weight, and every metric, where all rows count alike, over all rows, in blocks. `decode` takes
    values back to their own units first."""
    total, tallies = 0.0, dict[str, Tensor]()
    for block, outputs, values in losses(network, loss, rows):
        total += float(values.sum())
        add_up(tallies, metrics, loss, decode(outputs), decode(block.target))
    return {"loss": total / len(rows)} | {name: scored(metric, tallies[name]) for name, metric in metrics.items()}


def losses(network: Network, loss: Loss, rows: RowStream) -> Iterator[tuple[Rows, Tensor, Tensor]]:
    """Block by block the rows, their outputs, which hold until the next block, and the loss of each by its weight."""
    fused = network.fuses(loss)
    for window in rows.windows(None):
        for block, z, a in predictor(network).outputs(window.rows):
            values = loss_values(loss, fused, z if fused else a, block.target)
            yield block, a, values if block.weight is None else values * block.weight


def add_up(tallies: dict[str, Tensor], metrics: Mapping[str, Metric], loss: Loss, a: Tensor, target: Tensor) -> None:
    """Add what metrics count of more rows to what they have counted."""
    for name, metric in metrics.items():
        tally = metric.tally(*compared(metric, loss, a, target))
        tallies[name] = tallies[name] + tally if name in tallies else tally
