"""The random numbers and settings that the whole process shares: remembered, and put back."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch

__all__ = ["one_thread", "put_back", "restored", "shared"]


def shared() -> dict[str, Any]:
    """All of it as it is, for `put_back`."""
    return {name: get() for name, (get, _) in SHARED.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread for a while: on small tensors many only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def restored() -> Iterator[None]:
    """What was changed while this lasted is put back, and nobody hears of it."""
    before = shared()
    try:
        yield
    finally:
        put_back(before)


def put_back(before: dict[str, Any]) -> str:
    """The first of the shared things that has changed, or nothing; all are as before again."""
    changed = [name for name, (get, _) in SHARED.items() if get() != before[name]]
    for name in changed:
        SHARED[name][1](before[name])
    return changed[0] if changed else ""


def _torch_numbers() -> bytes:
    return torch.get_rng_state().numpy().tobytes()


def _set_torch_numbers(state: bytes) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _numpy_numbers() -> tuple[Any, ...]:
    name, keys, *rest = numpy.random.get_state(legacy=True)
    return name, numpy.asarray(keys).tobytes(), *rest


def _set_numpy_numbers(state: tuple[Any, ...]) -> None:
    numpy.random.set_state((state[0], numpy.frombuffer(state[1], dtype=numpy.uint32), *state[2:]))


SHARED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch's global random numbers": (_torch_numbers, _set_torch_numbers),
    "numpy's global random numbers": (_numpy_numbers, _set_numpy_numbers),
    "Python's global random numbers": (random.getstate, random.setstate),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": (torch.get_default_device, torch.set_default_device),
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "torch's grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's choice of deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "torch's precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "numpy's error state": (numpy.geterr, lambda state: numpy.seterr(**state)),
    "the working folder": (os.getcwd, os.chdir),
}
"""How each of them is read and put back."""
