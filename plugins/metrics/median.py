"""A median that adds up over batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from netkit import Metric, like

__all__ = ["MedianAbsoluteError"]

OCTAVE = 64
"""Bins between a power of 2 and the next."""
LOWEST, HIGHEST = -1073, 1024
"""The exponents of float64, as frexp has them."""
BINS = 1 + (HIGHEST - LOWEST + 1) * OCTAVE


@dataclass(frozen=True)
class MedianAbsoluteError(Metric):
    """The median of |y - p| over rows, in the target's unit; the mean over the columns. Of an even number of rows the
    mean of the two in the middle.

    It is approximate, since medians do not add up: errors are counted and added up in bins that are 1/64 of their lower
    end wide at most, over all of float64, and the mean of a bin stands for the errors in it. So it is off by less than
    1/64 (1.6 %) of itself, and not at all, but for rounding, where those in the bin are equal. A tally takes 2.1 MB a
    column. The bins are those of an HDR histogram; Masson et al., arXiv:1908.10693, has the bound.
    """

    reported = True
    tasks, higher_is_better = ("regression",), False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        target = like(prediction, target)
        errors = (target.double() - prediction.double()).abs().reshape(len(target), -1)
        mantissa, exponent = torch.frexp(errors)  # errors = mantissa 2^exponent, the mantissa in [1/2, 1)
        place = 1 + (exponent.long() - LOWEST) * OCTAVE + ((2 * mantissa - 1) * OCTAVE).long()
        place = torch.where(errors > 0, place, 0) + BINS * torch.arange(errors.shape[1], device=errors.device)
        size = BINS * errors.shape[1]
        ones = torch.ones_like(errors)
        return torch.cat([place.flatten().bincount(each.flatten(), size) for each in (ones, errors)])

    def score(self, tally: Tensor) -> float:
        rows, sums = tally.reshape(2, -1, BINS)
        upto = rows.cumsum(1)
        last = upto[:, -1:]
        middle = torch.cat([((last - 1) / 2).floor(), (last / 2).floor()], 1)
        place = torch.searchsorted(upto, middle, right=True)
        return float((sums.gather(1, place) / rows.gather(1, place)).mean())
