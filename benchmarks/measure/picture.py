"""All results as one picture: ratios as tinted numbers, growth as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm

from measure.growth_law import last
from measure.tables import distinct

Row = dict[str, Any]

FASTER, SLOWER, INK, PALE = "#2166ac", "#b2182b", "#222222", "#8a8a8a"
TINTS = LinearSegmentedColormap.from_list("tints", [FASTER, "#92c5de", "#f7f7f7", "#f4a582", SLOWER])
COLORS = {"netkit": FASTER, "torch": "#e08214", "Jacobian": PALE}
LINES = (
    ("epoch", "Time of an epoch", "rows", "seconds", 1.0),
    ("step", "Time of a step", "classes", "milliseconds", 1e3),
    ("memory over rows", "Memory beyond the data", "rows", "MiB", 2.0**-20),
    ("memory over classes", "Memory beyond the data", "classes", "MiB", 2.0**-20),
)
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PALE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "svg.hashsalt": "netkit",
}


def picture(results: list[Row], machine: dict[str, str], path: Path) -> None:
    """Write the picture, as SVG or whatever the path's ending says."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(13, 9.2), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
        top, bottom = figure.subfigures(2, 1, height_ratios=[1.18, 1])
        _ratios(top, [row for row in results if row["part"] == "training"])
        _growth(bottom, [row for row in results if row["part"] in ("growth", "memory")])
        figure.text(
            0.995,
            0.995,
            f"{machine['processor']}, {machine['cores']} cores, {machine['date']}",
            ha="right",
            va="top",
            fontsize=8.5,
            color=PALE,
        )
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
        plt.close(figure)


def _ratios(figure: Any, rows: list[Row]) -> None:
    figure.suptitle(
        "An epoch of training: netkit's time over the peer's  (blue, below 1: netkit is faster)",
        x=0.008,
        ha="left",
        fontsize=13,
        fontweight="bold",
    )
    optimizers = distinct(rows, "optimizer") or ["sgd"]
    axes = figure.subplots(1, len(optimizers), squeeze=False, sharey=True)[0]
    for axis, optimizer in zip(axes, optimizers):
        _grid(axis, [row for row in rows if row["optimizer"] == optimizer], optimizer)


def _grid(axis: Axes, rows: list[Row], title: str) -> None:
    """Networks down, peers across, each cell tinted by how far its ratio is from 1."""
    cases, peers = distinct(rows, "case"), distinct(rows, "peer")
    grid = np.full((max(len(cases), 1), max(len(peers), 1)), np.nan)
    for row in rows:
        grid[cases.index(row["case"]), peers.index(row["peer"])] = row.get("ratio", np.nan)
    axis.imshow(grid, cmap=TINTS, norm=LogNorm(0.1, 10), aspect="auto")
    for (y, x), value in np.ndenumerate(grid):
        strong = np.isfinite(value) and abs(np.log(value)) > np.log(4.5)
        axis.text(x, y, _short(value), ha="center", va="center", color="white" if strong else INK)
    axis.set_title(title)
    axis.set_ylabel("network@batch" if axis.get_subplotspec().colspan.start == 0 else "")
    axis.set_xticks(range(len(peers)), [_label(peer) for peer in peers], rotation=35, ha="left", rotation_mode="anchor")
    axis.set_yticks(range(len(cases)), cases)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xticks(np.arange(len(peers) - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(len(cases) - 1) + 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=2)
    axis.tick_params(which="minor", length=0)


def _label(peer: str) -> str:
    return "bare products" if peer == "gemms" else peer


def _short(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f}" if value < 9.95 else f"{value:.0f}"


def _growth(figure: Any, rows: list[Row]) -> None:
    figure.suptitle(
        "How costs grow  (in brackets the exponent at the large end)",
        x=0.008,
        ha="left",
        fontsize=13,
        fontweight="bold",
    )
    for axis, (what, title, across, unit, scale) in zip(figure.subplots(1, len(LINES)), LINES):
        axis.set(xscale="log", yscale="log", title=title, xlabel=across, ylabel=unit)
        axis.grid(color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        _lines(axis, [row for row in rows if row["what"] == what and "value" in row], scale)


def _lines(axis: Axes, rows: list[Row], scale: float) -> None:
    for peer in distinct(rows, "peer"):
        found = {row["size"]: row["value"] for row in rows if row["peer"] == peer}
        law = f" ({last(found):.2f})" if len(found) > 1 else ""
        values = [max(value, 1) * scale if scale < 1 else value * scale for value in found.values()]
        width, dash = 2 if peer == "netkit" else 1.5, "--" if peer == "Jacobian" else "-"
        look = {"color": COLORS[peer], "marker": "o", "markersize": 5, "linewidth": width, "label": peer + law}
        axis.plot(list(found), values, dash, **look)
    if rows:
        axis.legend(frameon=False, loc="upper left", handlelength=1.4)
