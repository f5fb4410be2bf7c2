"""Learning rates, weight decays and settings of layers, as they are at a step of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.engine import parameters
from netkit.engine.network import Network
from netkit.errors import SettingError, nearest
from netkit.kinds import Layer, Optimizer, Schedule

__all__ = ["LayerSettings", "Rates"]

DECAY = "weight_decay"
"""What a setting of weight decay is called, in an optimizer and among the schedules."""


class Rates:
    """The learning rate and the optimizer of every step. Where a layer has factors for its parameters, alpha and the
    weight decay become flat vectors; where the decay changes on the way, the optimizer is one of each step.

    schedule: of the learning rate; schedules: of other numbers by their names. steps: how many the run has.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        alpha: float,
        schedule: Schedule | None,
        schedules: Mapping[str, Schedule],
        steps: int,
    ) -> None:
        alphas, decays = _factors(network)
        self.alpha, self._steps = alpha, steps
        self._alpha: float | Tensor = alpha if alphas is None else alpha * alphas
        self._schedule, self._decay = schedule, schedules.get(DECAY)
        if self._decay is not None and all(each.name != DECAY for each in fields(optimizer)):
            raise SettingError(f"schedules: {spec.name(optimizer)} has no {DECAY} to change")
        self.optimizer = optimizer
        if decays is not None and optimizer.weight_decay:
            self.optimizer = _decayed(optimizer, decays)
        self.plain = alphas is None and self.optimizer is optimizer and self._decay is None
        """Whether alpha is a number and the optimizer always the same, as its bound form needs."""

    @property
    def constant(self) -> bool:
        """Whether the learning rate stays."""
        return self._schedule is None

    def at(self, number: int) -> float | Tensor:
        """The learning rate of a step, by its number from 0."""
        return self._alpha if self._schedule is None else self._alpha * self._schedule(self._done(number))

    def optimizer_at(self, number: int) -> Optimizer:
        """The optimizer of a step."""
        return self.optimizer if self._decay is None else _decayed(self.optimizer, self._decay(self._done(number)))

    def _done(self, number: int) -> float:
        return min(number / self._steps, 1.0)


class LayerSettings:
    """The settings of layers that change from epoch to epoch, such as `1.rate`, the rate of the second layer. Raises
    `SettingError` where there is no such number, or where it breaks its rule in some epoch."""

    def __init__(self, network: Network, schedules: Mapping[str, Schedule], epochs: int) -> None:
        self._network, self._epochs = network, epochs
        self._before = [link.layer for link in network.links]
        self._schedules = {name: each for name, each in schedules.items() if name != DECAY}
        if self._schedules:
            for epoch in range(epochs):
                for _ in self._layers(epoch):
                    """Each is checked as it is made."""

    def set(self, epoch: int) -> bool:
        """Set them for an epoch, by its number from 0; returns whether any is set."""
        for place, layer in self._layers(epoch):
            self._set(place, layer)
        return bool(self._schedules)

    def reset(self) -> None:
        """As they were."""
        for place, layer in enumerate(self._before if self._schedules else []):
            self._set(place, layer)

    def _set(self, place: int, layer: Layer) -> None:
        self._network.links[place] = replace(self._network.links[place], layer=layer)

    def _layers(self, epoch: int) -> Any:
        changed: dict[int, dict[str, Any]] = {}
        for name, schedule in self._schedules.items():
            place, setting, value = self._number(name)
            changed.setdefault(place, {})[setting] = value * schedule(epoch / self._epochs)
        for place, values in changed.items():
            yield place, spec.make("layer", replace(self._before[place], **values))

    def _number(self, name: str) -> tuple[int, str, float]:
        """The place, the setting and the value of a layer's number by a name such as `1.rate`."""
        known = {
            f"{place}.{each.name}": (place, each.name, value)
            for place, layer in enumerate(self._before)
            for each in fields(layer)
            if isinstance(value := getattr(layer, each.name), float)
        }
        if name not in known:
            has = nearest(name, [DECAY, *known]) or f"; there are {', '.join([DECAY, *known])}"
            raise SettingError(f"schedules: there is no number {name!r}{has}")
        return known[name]


def _decayed(optimizer: Optimizer, factor: float | Tensor) -> Optimizer:
    changes: dict[str, Any] = {DECAY: optimizer.weight_decay * factor}
    return replace(optimizer, **changes)


def _factors(network: Network) -> tuple[Tensor | None, Tensor | None]:
    """The factors of learning rate and weight decay as flat vectors, None where all are 1. Raises `SettingError`."""
    vectors = torch.ones_like(network.params), torch.ones_like(network.params)
    for number, link in enumerate(network.links):
        for name in link.grads:
            for vector, factor in zip(vectors, link.layer.factors(name), strict=True):
                if not 0 <= factor < math.inf:
                    raise SettingError(f"layer {number}: factors of {name}: at least 0 and finite, got {factor}")
                if factor != 1:
                    parameters.placed(parameters.place(link.trained), vector)[name].fill_(factor)
    alphas, decays = (None if bool((vector == 1).all()) else vector for vector in vectors)
    return alphas, decays
