"""What is promised of encoders: what is fitted is plain data, and each row is encoded alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["PROMISES"]

PROMISES: list[Callable[[Any], float]] = []
