"""What is promised of reporters: told of a run, they change nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["PROMISES"]

PROMISES: list[Callable[[Any], float]] = []
