"""The weights that count in a run: the averaged ones, those of the best epoch, and the last that were finite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from netkit.engine.network import Network

__all__ = ["Weights"]


class Weights:
    """Copies of a network's parameters and of its state, as they are when a run begins. decay: of the moving average of
    the parameters; None takes the last ones."""

    def __init__(self, network: Network, decay: float | None) -> None:
        self.network, self._decay = network, decay
        self.kept, self.kept_state = network.params.clone(), network.state.clone()
        """Those of the best epoch."""
        self.averaged = network.params if decay is None else network.params.clone()
        """The parameters that count."""
        self._finite, self._finite_state = network.params.clone(), network.state.clone()

    @property
    def averages(self) -> bool:
        """Whether a mean is taken."""
        return self._decay is not None

    @property
    def finite(self) -> bool:
        """Whether the parameters are."""
        return bool(torch.isfinite(self.network.params).all())

    def average(self, number: int) -> None:
        """Take the parameters after a step, by its number from 0, into their running mean."""
        if self._decay is not None:
            decay = min(self._decay, (1 + number) / (10 + number))
            self.averaged.lerp_(self.network.params, 1 - decay)

    def keep(self) -> None:
        """Remember the network's as the best."""
        self.kept.copy_(self.network.params)
        self.kept_state.copy_(self.network.state)

    def remember(self) -> None:
        """Remember those that count as finite."""
        self._finite.copy_(self.averaged)
        self._finite_state.copy_(self.network.state)

    def recover(self) -> None:
        """Back to the last finite ones."""
        self.network.state.copy_(self._finite_state)
        for params in (self.network.params, self.averaged):
            params.copy_(self._finite)

    def leave(self, best: bool) -> None:
        """Leave the best behind in the network, or else those that count."""
        self.network.params.copy_(self.kept if best else self.averaged)
        if best:
            self.network.state.copy_(self.kept_state)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Those that count are the network's while this lasts."""
        params = self.network.params
        learning: Tensor | None = None if self.averaged is params else params.clone()
        params.copy_(self.averaged)
        try:
            yield
        finally:
            if learning is not None:
                params.copy_(learning)
