"""All results as one page of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from measure import tables

Row = dict[str, Any]
GROWTH = {
    "epoch": ("Seconds an epoch over rows", "30-128-64-2, batch 64, sgd.", tables.seconds),
    "step": ("Seconds a step over classes", "One layer from 8 features, batch 128, sgd.", tables.seconds),
    "memory over classes": (
        "Memory over classes",
        "The high-water mark of a process that builds and trains this layer on 1,024 rows, beyond its data. The "
        "Jacobian is computed: the (128, k, k) float32 numbers of a softmax without a shortcut.",
        tables.size,
    ),
    "memory over rows": ("Memory over rows", "30-128-64-2, batch 64, beyond the data.", tables.size),
}


def report(results: list[Row], machine: dict[str, str]) -> str:
    """The page; parts that were not run are left out."""
    return "\n".join(["# Speed", "", *_head(machine), *_parts(results)]).rstrip() + "\n"


def parts(results: list[Row]) -> str:
    """The tables alone."""
    return "\n".join(_parts(results))


def _head(machine: dict[str, str]) -> Iterator[str]:
    yield (
        "The output of `python benchmarks/speed.py`; how it measures is said in `benchmarks/measure/conductor.py`, "
        "what each peer does in `benchmarks/measure/peers/`. A ratio is netkit's time over the peer's for the same "
        "rows: the median, and the quartiles, over turns taken one right after the other. **Bold**: netkit is "
        "faster.\n\n![netkit against its peers, and how its costs grow](speed.svg)\n"
    )
    yield from (f"- {name}: {value}" for name, value in machine.items())
    yield ""


def _parts(results: list[Row]) -> Iterator[str]:
    of: Callable[[str], list[Row]] = lambda part: [row for row in results if row["part"] == part]  # noqa: E731
    yield from _training(of("training"))
    for part, title, text, form in SIMPLE:
        if rows := of(part):
            yield from (f"## {title}\n", f"{text}\n", form(rows))
    yield from _growth(of("growth") + of("memory"))
    yield from _missing(results)


def _training(rows: list[Row]) -> Iterator[str]:
    peers = [row for row in rows if row["peer"] != "gemms"]
    if peers:
        yield (
            "## Training\n\nAn epoch of shuffled rows; relu, softmax, categorical cross-entropy, `network@batch`. "
            "netkit through `Model.fit(..., metrics=[])`, all that `fit` does before its first step included. "
            "torch-compile is asked for two networks only, as it compiles for 10 to 20 s.\n"
        )
    for optimizer in tables.distinct(peers, "optimizer"):
        chosen = [row for row in peers if row["optimizer"] == optimizer]
        yield from (f"### {optimizer}\n", tables.ratios(chosen), tables.steps(chosen))
    if peers:
        text = "Threads that spin in a wait count as busy.\n"
        yield from ("### Cores that were busy\n", text, tables.cores(peers))
    if products := [row for row in rows if row["peer"] == "gemms"]:
        yield from (
            "## A whole step over its matrix products\n",
            "The products of the step, each alone in a loop by the fastest route that torch has for it.\n",
            tables.products(products),
        )


def _growth(rows: list[Row]) -> Iterator[str]:
    for what in tables.distinct(rows, "what"):
        title, text, form = GROWTH[what]
        chosen = [row for row in rows if row["what"] == what]
        yield from (f"## {title}\n", f"{text}\n", tables.growths(chosen, form))


def _missing(results: list[Row]) -> Iterator[str]:
    missing = [row for row in results if "missing" in row]
    if missing:
        yield "## Not measured\n"
    for row in missing:
        where = " ".join(str(row[key]) for key in ("part", "what", "case", "size", "rows", "optimizer") if key in row)
        yield f"- {row['peer']}, {where}: {row['missing']}"


SIMPLE: tuple[tuple[str, str, str, Callable[[list[Row]], str]], ...] = (
    (
        "predict",
        "Prediction",
        "The same weights everywhere; torch.nn in inference mode, many rows in the blocks that suit each.",
        tables.predictions,
    ),
    (
        "stranger",
        "An activation that is no part of netkit",
        "30-128-64-2, batch 64, sgd: registered at run time, plain forward and backward, in place of the built-in relu.",
        tables.strangers,
    ),
    ("startup", "Start-up", "A process from start to end.", tables.startups),
)
