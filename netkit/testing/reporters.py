"""What is promised of reporters: told of a run, they change nothing of it, and leave nothing open behind."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from netkit.engine.network import Network
from netkit.errors import DivergenceError
from netkit.kinds import Epoch, Layer, Params, Reporter, RunInfo, Shape
from netkit.testing.comparing import need, rng

__all__ = ["PROMISES"]


@dataclass(frozen=True)
class _Line(Layer):
    """x W, (n, d) to (n, 2): the smallest network that there is something to look at in."""

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        return {"W": torch.randn(*in_shape, 2, generator=rng)}, (2,)

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        return x @ params["W"], x

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad @ params["W"].t(), {"W": saved.t() @ grad}


@contextmanager
def _folder() -> Iterator[None]:
    """An empty folder to work in for a while, so that the files of an example lie nowhere else."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        here = os.getcwd()
        try:
            yield
            need(os.getcwd() == here, "changes the working folder, which the whole process shares")
        finally:
            os.chdir(before)


def _records(first: int, last: int, validation: bool) -> Iterator[Epoch]:
    for number in range(first, last + 1):
        scores = {"score": 1 - 0.5 / number}
        held_out = {"loss": 1.5 / number, **scores} if validation else {}
        yield Epoch(number, 1 / number, scores if validation else {}, held_out, number != 2)


def _told(
    component: Reporter,
    done: int = 0,
    epochs: int = 3,
    last: int = 3,
    validation: bool = True,
    trouble: BaseException | None = None,
) -> None:
    """Tell a reporter of a made-up run, three batches an epoch."""
    network = Network([_Line()], (3,), rng(3))
    network.grads.copy_(network.params.flip(0))
    settings = {"batch": 2, "alpha": 0.1, "optimizer": "plain:rate=0.5", "layers": ["line"], "schedule": None}
    look = partial(_unchanged, component, network, settings)
    with look("start"):
        state = component.start(RunInfo(settings, network, epochs, done))
    for record in _records(done + 1, last, validation):
        network.params.add_(network.grads)  # training goes on
        with look("batch"):
            for number in range(3 * record.number - 2, 3 * record.number + 1):
                component.batch(state, number, 1 / number)
        with look("epoch", record):
            component.epoch(state, record)
    with look("end"):
        component.end(state, trouble)


@contextmanager
def _unchanged(
    component: Reporter, network: Network, settings: dict[str, Any], method: str, record: Epoch | None = None
) -> Iterator[None]:
    """Hold a method to changing nothing while this lasts."""

    def held() -> dict[str, str]:
        return {
            "the network's parameters": str(network.params.tolist()),
            "the network's gradients": str(network.grads.tolist()),
            "the settings of the run": str(settings),
            "the record of the epoch": str(record),
            "the reporter itself, which should return from start what it remembers": str(vars(component)),
        }

    before = held()
    yield
    for name, value in held().items():
        need(value == before[name], f"{method} changes {name}")


def told_of_a_run(component: Reporter) -> float:
    """start, batch, epoch and end change neither the run (parameters, gradients, settings, records) nor the reporter"""
    with _folder():
        _told(component)
    return 0.0


def told_of_any_run(component: Reporter) -> float:
    """runs without a validation set, those that end before their first epoch or too early, and those of one epoch"""
    with _folder():
        _told(component, validation=False)
        _told(component, last=0, trouble=KeyboardInterrupt())
        _told(component, epochs=9, last=2, trouble=DivergenceError("training diverged in epoch 3"))
        _told(component, epochs=1, last=1)
    return 0.0


def told_again(component: Reporter) -> float:
    """a second run after the first, and a run that is resumed: where its files are, and where they are gone"""
    with _folder():
        _told(component)
        _told(component)
        _told(component, done=3, epochs=5, last=5)
    with _folder():
        _told(component, done=3, epochs=5, last=5)
    return 0.0


def closes(component: Reporter) -> float:
    """end closes all that start opened: no file stays open and no thread runs"""
    with _folder():
        _told(component)  # what is opened once for the whole process, such as a library
        files, threads = _open_files(), set(threading.enumerate())
        _told(component)
        _told(component, epochs=9, last=1, trouble=KeyboardInterrupt())
        left = [thread.name for thread in threading.enumerate() if thread not in threads]
        need(_open_files() <= files, "end leaves a file open")
        need(not left, f"end leaves a thread running: {', '.join(left)}")
    return 0.0


def _open_files() -> int:
    folder = f"/{'proc/self' if sys.platform == 'linux' else 'dev'}/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


PROMISES = [told_of_a_run, told_of_any_run, told_again, closes]
