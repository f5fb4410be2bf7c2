"""What a network is trained by: optimizers, initializers and schedules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from netkit.kinds.component import Component, Shape

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["Initializer", "Optimizer", "Schedule"]


class Optimizer(Component):
    """A rule that moves parameters along their gradients. Both are flat vectors of the whole network."""

    kind, plural = "optimizer", "optimizers"
    alpha: ClassVar[float] = 0.01
    """The learning rate when nobody chose another."""
    adaptive: ClassVar[bool] = False
    """True: each parameter has a step size of its own, so one alpha suits most tables."""
    weight_decay: Any = 0.0
    """Weight decay; make it a field to let people choose. As a flat vector it has a decay for each parameter."""

    @abstractmethod
    def start(self, params: Tensor) -> dict[str, Any]:
        """The state before the first step."""

    @abstractmethod
    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        """One step with learning rate alpha: params and state change in place, grads do not. alpha is a number, or a
        flat vector with a rate for each parameter: `params -= alpha * direction` does for both."""

    bind_step: ClassVar[Callable[..., Callable[[float], Any]] | None] = None
    """Optional method `bind_step(params, grads, state)`: the same as a function of alpha alone, which is a number."""


class Initializer(Component):
    """A source of starting values."""

    kind, plural = "initializer", "initializers"

    @abstractmethod
    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        """A float32 tensor of this shape, for a map from fan_in inputs to fan_out outputs; random only through rng."""

    sees_data: ClassVar[bool] = False
    """True: before the first step of training `fitted` is asked as well."""

    def fitted(self, values: Tensor, outputs: Callable[[Tensor], Tensor]) -> Tensor:
        """The values after a look at a batch of rows: `outputs(values)` is what the layer makes of it, (n, ...)."""
        return values


class Schedule(Component):
    """How the learning rate, or another number, changes on the way: a pure function of how far a run is."""

    kind, plural = "schedule", "schedules"

    @abstractmethod
    def __call__(self, done: float) -> float:
        """The factor on the number, at least 0 and finite, where `done` of the steps are done: 0 at the first step of a
        run, and 1 after the last."""
