"""What a component may not touch: the random numbers and settings that the whole process shares."""

from __future__ import annotations

from collections.abc import Callable

from netkit.registry.surroundings import put_back, shared
from netkit.testing.comparing import BrokenPromise

__all__ = ["unchanged"]


def unchanged(call: Callable[[], float]) -> float:
    """What the call gives. Raises `BrokenPromise` when it changed something that is not its own, and puts that back."""
    before = shared()
    try:
        result = call()
    except KeyboardInterrupt:
        put_back(before)
        raise
    finally:
        if changed := put_back(before):
            cure = "; draw from rng alone" if "random numbers" in changed else ""
            raise BrokenPromise(f"changes {changed}, which the whole process shares{cure}")
    return result
