"""Starting values that look at data, before the first step of a network."""

from __future__ import annotations

from torch import Generator

from netkit import spec
from netkit.engine.chain import fit
from netkit.engine.network import Network
from netkit.engine.parameters import write
from netkit.engine.rows import Dataset
from netkit.kinds import Initializer

__all__ = ["see_data"]

FIRST = 1024
"""Rows that are seen at most."""


def see_data(network: Network, source: Dataset) -> None:
    """Let the initializers of a network that never learnt look at a few rows from everywhere, always the same of the
    same rows."""
    parts = [part for layer in network.layers for part in spec.components(layer)]
    if network.fresh and any(isinstance(part, Initializer) and part.sees_data for part in parts):
        window = next(iter(source.windows(Generator().manual_seed(0))))
        x = window.rows[window.picked(0, min(FIRST, len(window.rows)))].x
        for link, fitted in zip(network.links, fit(network.links, x)):
            write(link.trained, fitted)
    network.fresh = False
