"""How fast netkit is beside its peers, how much memory it needs, and how both grow.

`python benchmarks/speed.py` measures everything, in about a quarter of an hour, and writes speed.md, speed.svg and the
figures themselves, speed.json, for `--redraw`. With `--only`, `--peers`, `--optimizer` or `--quick` it prints tables
and writes nothing, unless `--out FOLDER` says where.

    python benchmarks/speed.py --only 4-32-3 --peers torch,jax-scan --optimizer sgd
    python benchmarks/speed.py --only memory,startup --quick
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from measure.cases import NETWORKS, Case
from measure.conductor import Effort
from measure.growth import CLASSES, ROWS, memory_growth, time_growth
from measure.machine import LOAD, machine
from measure.prediction import prediction
from measure.report import parts, report
from measure.startup import startup
from measure.training import PEERS, stranger, training

HERE = Path(__file__).resolve().parent
OPTIMIZERS = ("sgd", "adam")
TOLD = ("part", "what", "case", "rows", "size", "command", "optimizer", "peer")
Row = dict[str, Any]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join((*PARTS, *(network.name for network in NETWORKS)))
    parser.add_argument("--only", type=_names, default=[], help=f"some of: {names}; a network also without its batch")
    parser.add_argument("--peers", type=_names, default=[], help=f"in training, some of: {', '.join(PEERS)}")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="in training, one of them; else both")
    quick = "few repeats and rows; sgd alone, no torch-compile and not the largest network unless they are named"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", type=Path, help="the folder to write to")
    parser.add_argument("--redraw", action="store_true", help="write page and picture anew from speed.json")
    chosen = parser.parse_args()
    _check(parser, chosen)
    return chosen


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _check(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    for name in chosen.only:
        if name not in PARTS and not _networks([name]):
            parser.error(f"--only: no part and no network is called {name!r}")
    for peer in chosen.peers:
        if peer not in PEERS:
            parser.error(f"--peers: {peer!r} is none of {', '.join(PEERS)}")


def _networks(names: list[str]) -> Sequence[Case]:
    return [network for network in NETWORKS if {network.name, network.name.partition("@")[0]} & set(names)]


def _training(chosen: argparse.Namespace) -> Iterator[Row]:
    networks = _networks(chosen.only) or NETWORKS
    if chosen.quick:
        few = _networks(chosen.only) or NETWORKS[:-1]
        networks = [replace(network, steps=max(2, network.steps // 4)) for network in few]
    optimizers = [chosen.optimizer] if chosen.optimizer else OPTIMIZERS[:1] if chosen.quick else OPTIMIZERS
    peers = chosen.peers or [peer for peer in PEERS if not (chosen.quick and peer == "torch-compile")]
    effort = Effort(2, least=2, most=3) if chosen.quick else Effort(25, least=5, most=21)
    return training(networks, optimizers, peers, effort)


def _stranger(chosen: argparse.Namespace) -> Iterator[Row]:
    return stranger(Effort(1, 3, 3) if chosen.quick else Effort(20, 9, 31))


def _predict(chosen: argparse.Namespace) -> Iterator[Row]:
    return prediction(10**5, Effort(1, 2, 2)) if chosen.quick else prediction(10**6, Effort(12, 5, 31))


def _startup(chosen: argparse.Namespace) -> Iterator[Row]:
    return startup(1 if chosen.quick else 7)


def _growth(chosen: argparse.Namespace) -> Iterator[Row]:
    sizes = (ROWS[:3], CLASSES) if chosen.quick else (ROWS, CLASSES)
    return time_growth(*sizes, Effort(1, 1, 1) if chosen.quick else Effort(5, 3, 9))


def _memory(chosen: argparse.Namespace) -> Iterator[Row]:
    sizes = (ROWS[:3], CLASSES[:3]) if chosen.quick else (ROWS, CLASSES)
    return memory_growth(*sizes, repeats=1 if chosen.quick else 3)


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "training": _training,
    "predict": _predict,
    "stranger": _stranger,
    "startup": _startup,
    "growth": _growth,
    "memory": _memory,
}


def measure(chosen: argparse.Namespace) -> Iterator[Row]:
    """The rows of all parts that were asked for."""
    asked = {name for name in chosen.only if name in PARTS} | ({"training"} if _networks(chosen.only) else set())
    for name, part in PARTS.items():
        if name in (asked or PARTS):
            yield from part(chosen)


def announced(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each with a line on the terminal as it comes."""
    start = perf_counter()
    for row in rows:
        said = " ".join(str(row[key]) for key in TOLD if key in row)
        print(f"{perf_counter() - start:6.1f} s  {said}", flush=True)
        yield row


def gathered(rows: Iterable[Row], folder: Path | None) -> list[Row]:
    """All rows; the figures are on disk after each, so that a run that is cut off can be drawn."""
    found: list[Row] = []
    for row in rows:
        found.append(row)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"machine": machine(), "results": found}, indent=1)
            (folder / "speed.json").write_text(text + "\n")
    return found


def write(folder: Path, results: list[Row], about: dict[str, str]) -> None:
    """Page and picture."""
    from measure.picture import picture

    (folder / "speed.md").write_text(report(results, about))
    picture(results, about, folder / "speed.svg")


def main() -> None:
    chosen = options()
    partly = chosen.only or chosen.peers or chosen.optimizer or chosen.quick
    folder = chosen.out or (None if partly else HERE)
    if chosen.redraw:
        saved = json.loads(((chosen.out or HERE) / "speed.json").read_text())
        return write(chosen.out or HERE, saved["results"], saved["machine"])
    if LOAD > 0.5:
        print(f"warning: {LOAD:.1f} other processes keep this machine busy; the ratios will be wrong", flush=True)
    results = gathered(announced(measure(chosen)), folder)
    print("\n" + parts(results))
    if folder:
        write(folder, results, machine())


if __name__ == "__main__":
    main()
