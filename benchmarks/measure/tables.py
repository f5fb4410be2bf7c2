"""Rows of results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from measure.growth_law import exponent, last

Row = dict[str, Any]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)) + "\n"


def distinct(rows: Iterable[Row], key: str) -> list[Any]:
    """The values of a key, in the order in which they first come."""
    return list(dict.fromkeys(row[key] for row in rows))


def figure(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def ratio(row: Row | None) -> str:
    """netkit / peer with its quartiles, bold where netkit is faster."""
    if row is None or "missing" in row:
        return "–"
    text = f"{row['ratio']:.2f}"
    return f"{f'**{text}**' if row['ratio'] < 1 else text} ({row['low']:.2f}–{row['high']:.2f})"


def seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            break
    return f"{figure(value * scale)} {unit}"


def size(value: float) -> str:
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= scale:
            break
    return f"{figure(max(value, 0) / scale)} {unit}"


def ratios(rows: list[Row]) -> str:
    """Networks down, peers across."""
    peers, found = distinct(rows, "peer"), {(row["case"], row["peer"]): row for row in rows}
    lines = ([case, *(ratio(found.get((case, peer))) for peer in peers)] for case in distinct(rows, "case"))
    return table(["netkit /", *peers], lines)


def steps(rows: list[Row]) -> str:
    """Microseconds a step; netkit's are its fastest of the medians, one for each peer it was paired with."""
    peers, found = distinct(rows, "peer"), {(row["case"], row["peer"]): row for row in rows if "missing" not in row}
    lines = []
    for case in distinct(found.values(), "case"):
        ours = min(row["ours"] / row["steps"] for (name, _), row in found.items() if name == case)
        theirs = [_micros(found.get((case, peer))) for peer in peers]
        lines.append([case, figure(ours * 1e6), *theirs])
    return table(["µs a step", "netkit", *peers], lines)


def _micros(row: Row | None) -> str:
    return "–" if row is None else figure(row["theirs"] / row["steps"] * 1e6)


def cores(rows: list[Row]) -> str:
    """Peers down: threads as they say, and the cores that were busy on each network."""
    measured = [row for row in rows if "missing" not in row]
    cases, lines = distinct(measured, "case"), []
    ours = {case: max(row["ours_cores"] for row in measured if row["case"] == case) for case in cases}
    lines.append(["netkit", "as torch", *(f"{ours[case]:.1f}" for case in cases)])
    for peer in distinct(measured, "peer"):
        found = {row["case"]: row for row in measured if row["peer"] == peer}
        remarks = " / ".join(distinct(found.values(), "remark"))
        lines.append([peer, remarks, *(f"{found[c]['theirs_cores']:.1f}" if c in found else "–" for c in cases)])
    return table(["", "threads", *cases], lines)


def products(rows: list[Row]) -> str:
    lines = [
        [
            row["case"],
            row["optimizer"],
            seconds(row["ours"] / row["steps"]),
            seconds(row["theirs"] / row["steps"]),
            ratio(row),
            row["remark"],
        ]
        for row in rows
        if "missing" not in row
    ]
    return table(["network", "optimizer", "netkit's step", "its products", "step / products", "products by"], lines)


def predictions(rows: list[Row]) -> str:
    lines = [
        [
            row["case"],
            f"{row['rows']:,}",
            row["peer"],
            ratio(row),
            seconds(row["ours"] / row["calls"]),
            seconds(row["theirs"] / row["calls"]),
            row["remark"],
        ]
        for row in rows
        if "missing" not in row
    ]
    return table(["network", "rows", "peer", "netkit / peer", "netkit", "peer", "peer's threads"], lines)


def strangers(rows: list[Row]) -> str:
    lines = [
        [
            row["peer"],
            f"{1 / row['ratio']:.2f} ({1 / row['high']:.2f}–{1 / row['low']:.2f})",
            seconds(row["ours"] / row["steps"]),
            seconds(row["theirs"] / row["steps"]),
        ]
        for row in rows
        if "missing" not in row
    ]
    return table(["stranger's", "stranger / relu", "step with relu", "step with it"], lines)


def startups(rows: list[Row]) -> str:
    lines = ([row["command"], f"{row['seconds']:.3f} s ({row['low']:.3f}–{row['high']:.3f})"] for row in rows)
    return table(["command", "time"], lines)


def growths(rows: list[Row], form: Any) -> str:
    """Peers down, sizes across, exponents at the end; all rows are of one `what`."""
    sizes, lines = distinct(rows, "size"), []
    for peer in distinct(rows, "peer"):
        found = {row["size"]: row["value"] for row in rows if row["peer"] == peer and "value" in row}
        laws = [f"{law(found):.2f}" if len(found) > 1 else "–" for law in (exponent, last)]
        lines.append([peer, *(form(found[s]) if s in found else "–" for s in sizes), *laws])
    return table(["", *(f"{each:,}" for each in sizes), "exponent", "at the end"], lines)
