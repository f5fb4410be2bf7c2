"""The memory that one training needs beyond its data, in a process of its own.

What a library loads at its first step (code, threads) is there before: two batches of the same network are trained and
thrown away first. Then the kernel's high-water mark of the process is set back, the model is built and trained, and
the mark is read again. Where the mark cannot be set back it is the one of the whole process, and what the libraries
needed while they were loaded can hide a small training.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from measure.cases import data
from measure.makers import PEERS, case_from, train


def set_back() -> None:
    """Give free memory back, and begin a new high-water mark where the kernel lets us."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def high_water() -> int:
    """Bytes of memory that this process has had at most."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def footprint(peer: str, settings: dict[str, object]) -> int:
    """Bytes beyond the data, (n, features) float32 and both forms of the classes, for building and training a model."""
    case = case_from(settings)
    train(peer, vars(replace(case, steps=min(case.steps, 2)))).turn()
    rows = data(case)
    rows.onehot.sum()
    set_back()
    before = high_water()
    train(peer, vars(case), rows).turn()
    return high_water() - before


if __name__ == "__main__":
    assert sys.argv[1] in PEERS
    print(footprint(sys.argv[1], json.loads(sys.argv[2])))
