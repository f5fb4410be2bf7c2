"""How time and memory grow: over rows at a fixed batch, and over classes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from measure.cases import Case
from measure.conductor import HERE, Effort, Failed, environment
from measure.training import compare

Row = dict[str, Any]

ROWS = (1_000, 10_000, 100_000, 1_000_000)
CLASSES = (10, 100, 1_000, 10_000)
NET, BATCH = (30, 128, 64, 2), 64
FEATURES, CLASS_BATCH = 8, 128
PEERS = ("torch",)


def over_rows(rows: int) -> Case:
    return Case(NET, BATCH, steps=rows // BATCH)


def over_classes(classes: int) -> Case:
    """One layer, softmax and cross-entropy; several epochs a turn, since an epoch is short."""
    return Case((FEATURES, classes), CLASS_BATCH, steps=8, epochs=10)


def time_growth(rows: Sequence[int], classes: Sequence[int], effort: Effort) -> Iterator[Row]:
    """Seconds an epoch over rows, seconds a step over classes; netkit and torch take turns."""
    for what, sizes, case_of in (("epoch", rows, over_rows), ("step", classes, over_classes)):
        for size in sizes:
            case = case_of(size)
            parts = case.epochs if what == "epoch" else case.steps * case.epochs
            for row in compare([case], ["sgd"], PEERS, effort):
                if "missing" in row:
                    yield {"part": "growth", "what": what, "size": size} | row
                    continue
                for peer, seconds in (("netkit", row["ours"]), (row["peer"], row["theirs"])):
                    yield {"part": "growth", "what": what, "size": size, "peer": peer, "value": seconds / parts}


def memory_growth(rows: Sequence[int], classes: Sequence[int], repeats: int) -> Iterator[Row]:
    """Bytes that training needs beyond its data, and what an (n, k, k) Jacobian alone would need."""
    for what, sizes, case_of in (("memory over classes", classes, over_classes), ("memory over rows", rows, over_rows)):
        for size in sizes:
            about = {"part": "memory", "what": what, "size": size}
            for peer in ("netkit", *PEERS):
                try:
                    yield about | {"peer": peer, "value": _bytes(peer, case_of(size), repeats)}
                except Failed as error:
                    yield about | {"peer": peer, "missing": str(error)}
            if what == "memory over classes":
                yield about | {"peer": "Jacobian", "value": CLASS_BATCH * size * size * 4}


def _bytes(peer: str, case: Case, repeats: int) -> float:
    command = [sys.executable, "-m", "measure.footprint", peer, json.dumps(asdict(case))]
    found = []
    for _ in range(repeats):
        done = subprocess.run(command, env=environment(), cwd=HERE, capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"code {done.returncode}")
        found.append(int(done.stdout))
    return median(found)
