"""What is promised of readers: rows in order, whatever the size of the pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["PROMISES"]

PROMISES: list[Callable[[Any], float]] = []
