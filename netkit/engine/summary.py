"""A model at a glance: a line, and a table of its layers."""

from __future__ import annotations

from collections.abc import Sequence

from netkit.engine.network import Network
from netkit.engine.reporting import plain
from netkit.engine.text_table import TextTable
from netkit.kinds import Layer, Loss, Shape

__all__ = ["line", "summary"]

MOST = 8
"""Layers whose sizes are named in a line."""


def line(network: Network | None, layers: Sequence[Layer], loss: Loss) -> str:
    """`Model(4-32-3, loss=categorical_cross_entropy, 227 parameters)`: the sizes of a row from layer to layer, or the
    number of layers while the size of the input is not known."""
    if network is None:
        return f"Model({len(layers)} layers, loss={plain(loss)}, not built: the input size is not known yet)"
    shapes = [network.in_shape, *(link.out_shape for link in network.links)]
    sizes = ["x".join(map(str, shape)) or "1" for shape in shapes]
    if len(sizes) > MOST + 1:
        sizes = [*sizes[: MOST // 2], "...", *sizes[-MOST // 2 :]]
    return f"Model({'-'.join(sizes)}, loss={plain(loss)}, {network.params.numel()} parameters)"


def summary(network: Network | None, layers: Sequence[Layer], loss: Loss) -> TextTable:
    """Each layer with its settings, the shape of its outputs for n rows and the number of its parameters, and the sum.

    The number of a layer is the one in the names of its parameters, such as `0.W`.
    """
    caption, head = line(network, layers, loss), ["", "layer", "output", "parameters"]
    if network is None:
        return TextTable(caption, head, [[str(n), plain(layer), "?", "?"] for n, layer in enumerate(layers)])
    rows = [["", "input", _rows_of(network.in_shape), "0"]]
    for number, link in enumerate(network.links):
        count = sum(each.numel() for each in link.trained.values())
        rows.append([str(number), plain(link.layer), _rows_of(link.out_shape), str(count)])
    rows.append(["", "total", "", str(network.params.numel())])
    if kept := network.state.numel():
        rows.append(["", "state, not trained", "", str(kept)])
    return TextTable(caption, head, rows)


def _rows_of(shape: Shape) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"
