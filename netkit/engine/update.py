"""What a step does with the gradients of a batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from netkit.engine.network import Network
from netkit.engine.rates import Rates
from netkit.engine.weights import Weights

__all__ = ["Update"]


class Update:
    """Clip the gradients, let the optimizer move the parameters along them, and take these into their running mean.

    state: what the optimizer remembers. clip: the largest norm of all gradients together; None lets all pass.
    """

    def __init__(
        self, network: Network, state: dict[str, Any], rates: Rates, weights: Weights, clip: float | None
    ) -> None:
        self._vectors = network.params, network.grads, state
        self._rates, self._weights, self._clip = rates, weights, clip

    def __call__(self, number: int) -> None:
        """The step of this number, from 0."""
        self._shorten()
        self._rates.optimizer_at(number).step(*self._vectors, self._rates.at(number))
        self._weights.average(number)

    def bound(self, first: int) -> Callable[[], Any]:
        """The same from step to step, beginning with this one, and with the optimizer bound to its vectors."""
        rates, optimizer = self._rates, self._rates.optimizer
        if not rates.plain:
            return partial(_counted, self, count(first))
        step: Callable[..., Any] = partial(optimizer.step, *self._vectors)
        if optimizer.bind_step:
            step = optimizer.bind_step(*self._vectors)
        if rates.constant and self._clip is None and not self._weights.averages:
            return partial(step, rates.alpha)

        def whole_step(number: int) -> None:
            self._shorten()
            step(rates.at(number))
            self._weights.average(number)

        return partial(_counted, whole_step, count(first))

    def _shorten(self) -> None:
        if self._clip is not None:
            grads = self._vectors[1]
            norm = float(grads.norm())
            if norm > self._clip:
                grads.mul_(self._clip / norm)


def _counted(step: Callable[[int], Any], numbers: count[int]) -> None:
    step(next(numbers))
