"""Workers that take turns: every turn of a peer is paired with netkit's turn right before it.

Each worker is a process of its own, so that thread pools cannot meet, and only one is ever asked at a time. The pools
keep their own habits (a passive OpenMP makes small steps slower than anyone would have them): OpenMP's threads spin
for some milliseconds after their last work and then sleep, OpenBLAS's until more than 50 ms later (whoever came next was
twice as slow), hence PAUSE before each turn.
Set OMP_WAIT_POLICY=PASSIVE to have them sleep at once, on a machine that others use too; workers inherit it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from time import perf_counter, sleep
from typing import Any

PAUSE = 0.3
HERE = Path(__file__).resolve().parent.parent
NOT_INHERITED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""A current OpenBLAS picks the right kernel by itself."""


class Failed(Exception):
    """A worker could not do what it was asked; the message is the reason."""


@dataclass(frozen=True)
class Turn:
    seconds: float
    cores: float


@dataclass(frozen=True)
class Effort:
    """How long to go on: until `seconds` have passed, but at least `least` and at most `most` pairs for each peer."""

    seconds: float
    least: int
    most: int


Pairs = list[tuple[Turn, Turn]]


def environment() -> dict[str, str]:
    """The workers' environment: Keras on JAX, JAX on the CPU, BLAS by its own choice."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return kept | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HERE)}


class Worker:
    """One process, asked through a pipe."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "measure.worker"]
        self._process = subprocess.Popen(
            command,
            env=environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def send(self, **request: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the next answer says so
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def receive(self) -> dict[str, Any]:
        """The next answer. Raises `Failed`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {"error": f"ended with code {self._process.wait()}"}
        if "error" in said:
            raise Failed(said["error"])
        return said

    def ask(self, **request: Any) -> dict[str, Any]:
        self.send(**request)
        return self.receive()

    def turn(self) -> Turn:
        sleep(PAUSE)
        return Turn(**self.ask(ask="turn"))

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def workers(names: Iterable[str]) -> Iterator[dict[str, Worker]]:
    """A worker for each name, ended at the end."""
    started = {name: Worker() for name in names}
    try:
        yield started
    finally:
        for worker in started.values():
            worker.close()


def interleave(ours: Worker, others: dict[str, Worker], effort: Effort) -> tuple[dict[str, Pairs], dict[str, str]]:
    """(netkit's turn, the peer's turn) again and again for each peer, and why a peer dropped out."""
    pairs: dict[str, Pairs] = {name: [] for name in others}
    failed: dict[str, str] = {}
    start, rounds = perf_counter(), 0
    while rounds < effort.least or (rounds < effort.most and perf_counter() - start < effort.seconds):
        rounds += 1
        for name in [name for name in others if name not in failed]:
            try:
                pairs[name].append((ours.turn(), others[name].turn()))
            except Failed as error:
                failed[name] = str(error)
    return {name: found for name, found in pairs.items() if name not in failed}, failed


def middle(values: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = quantiles(values, n=4, method="inclusive")
    return low, median, high


def summary(pairs: Pairs) -> dict[str, float]:
    """The ratio netkit / peer over its pairs, and both times."""
    low, ratio, high = middle([ours.seconds / theirs.seconds for ours, theirs in pairs])
    names = {"ratio": ratio, "low": low, "high": high, "pairs": len(pairs)}
    for whose, turns in (("ours", [pair[0] for pair in pairs]), ("theirs", [pair[1] for pair in pairs])):
        names[whose] = middle([turn.seconds for turn in turns])[1]
        names[f"{whose}_cores"] = middle([turn.cores for turn in turns])[1]
    return names
