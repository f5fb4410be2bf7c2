"""The exponent of growth: cost ~ size^exponent, a straight line in logarithms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def exponent(costs: Mapping[int, float]) -> float:
    """The slope of the least-squares line through all points (size, cost), in logarithms."""
    sizes, values = np.log(list(costs)), np.log(np.maximum(list(costs.values()), 1e-12))
    return float(np.polyfit(sizes, values, 1)[0])


def last(costs: Mapping[int, float]) -> float:
    """The slope between the two largest sizes, where what a small size costs anyway no longer counts."""
    return exponent(dict(sorted(costs.items())[-2:]))
