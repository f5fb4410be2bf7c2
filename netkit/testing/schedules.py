"""What is promised of schedules: a factor at every place of a run."""

from __future__ import annotations

import math

from netkit.kinds import Schedule
from netkit.testing.comparing import need

__all__ = ["PROMISES"]


def factors(component: Schedule) -> float:
    """a finite factor of at least 0 at every place of a run, above 0 at one, and a function of the place alone"""
    places = [number / 1000 for number in range(1001)]
    forth = [component(done) for done in places]
    for done, factor in zip(places, forth):
        need(isinstance(factor, float), f"a factor must be a float, got {type(factor).__name__} at done = {done}")
        need(0 <= factor < math.inf, f"a factor must be finite and at least 0, got {factor} at done = {done}")
    need(max(forth) > 0, "a factor of 0 all the way: nothing would be learnt")
    back = [component(done) for done in reversed(places)][::-1]
    need(forth == back, "the same place gives another factor in another order: something is remembered")
    return 0.0


PROMISES = [factors]
