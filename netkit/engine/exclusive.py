"""One training at a time for each network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from netkit.engine.network import Network
from netkit.errors import NetkitError

__all__ = ["training_alone"]

_taken, _lock = set[int](), threading.Lock()


@contextmanager
def training_alone(network: Network) -> Iterator[None]:
    """While this lasts nobody else may train the network. Raises `NetkitError` where somebody does."""
    with _lock:
        if id(network) in _taken:
            raise NetkitError("fit: one training at a time is possible, this model is in another, perhaps of a thread")
        _taken.add(id(network))
    try:
        yield
    finally:
        _taken.discard(id(network))
