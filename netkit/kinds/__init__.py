"""THE PROMISES: one base class for each kind of component.

`component` has what all share, `network` what a network consists of, `training` what trains it, `reporting` who is told
of it, and `table` what stands between a table and a network. `KINDS` is the one list of them.
"""

from __future__ import annotations

from netkit.kinds.component import Call, Component, Params, Shape
from netkit.kinds.network import Activation, Layer, Loss, Metric
from netkit.kinds.reporting import Epoch, Reporter, RunInfo
from netkit.kinds.table import Encoder, Reader, TextReader
from netkit.kinds.training import Initializer, Optimizer, Schedule

__all__ = [
    "KINDS",
    "Activation",
    "Call",
    "Component",
    "Encoder",
    "Epoch",
    "Initializer",
    "Layer",
    "Loss",
    "Metric",
    "Optimizer",
    "Params",
    "Reader",
    "Reporter",
    "RunInfo",
    "Schedule",
    "Shape",
    "TextReader",
]

KINDS: dict[str, type[Component]] = {
    kind.kind: kind
    for kind in (Activation, Layer, Loss, Metric, Optimizer, Initializer, Schedule, Encoder, Reader, Reporter)
}
"""Every kind by its name; the order is the order of `netkit list-plugins`."""
