"""For authors: a chain of layers as one, so that a layer can hold layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor

from netkit.engine import links
from netkit.engine.links import Link, Step
from netkit.errors import SettingError
from netkit.kinds import Layer, Params, Shape

__all__ = ["Chain", "ChainLayer", "fit"]


class Chain:
    """Layers after each other as one: for a layer that holds some, whose methods hand on to these.

    layers: components, texts or tables. A parameter is called by the place of its layer and its name there, `0.W`.
    Chains of components and texts are remembered, so that a layer can make its own anew in every step.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        if not layers:
            raise SettingError("layers: at least one layer is needed, got none")
        try:
            self._links = _made(tuple(layers))
        except TypeError:  # a table cannot be hashed
            self._links = _made.__wrapped__(tuple(layers))

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        """New parameters by name, and the shape of one output row. Raises `ShapeError`, `SettingError`."""
        params, _, shape = self._built(in_shape, rng)
        return params, shape

    def state(self, in_shape: Shape) -> dict[str, Tensor]:
        """The state of all layers by name."""
        return self._built(in_shape, torch.Generator())[1]

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, list[Step]]:
        """(y, saved), through every layer and its activation."""
        steps = links.forward(self._with(params), x, rng)
        return steps[-1].a, steps

    def backward(self, params: Params, saved: list[Step], grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(dL/dx, dL/dparameter by name), where grad = dL/dy."""
        passed = [*links.backward(self._with(params), saved, grad)]
        grads = _numbered(enumerate(each.params for each in reversed(passed)))
        return passed[-1].dx, grads

    def next_state(self, params: Params, saved: list[Step]) -> dict[str, Tensor]:
        """The state after a batch of training, by name."""
        every = zip(self._with(params), saved)
        after = (link.layer.next_state(link.params, step.saved) for link, step in every)
        return _numbered(enumerate(after))

    def factors(self, name: str) -> tuple[float, float]:
        """The factors of the learning rate and of the weight decay of a parameter."""
        number, _, own = name.partition(".")
        return self._links[int(number)].layer.factors(own)

    def fitted(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        """The parameters after a look at a batch of inputs, layer by layer."""
        return _numbered(enumerate(fit(self._with(params), x)))

    @property
    def in_shape(self) -> Shape | None:
        """The shape of one input row where the first layer fixes it, else None."""
        return self._links[0].layer.in_shape

    @property
    def mixes_rows(self) -> bool:
        """Whether any layer lets rows depend on each other in training."""
        return any(link.layer.mixes_rows for link in self._links)

    def _built(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], dict[str, Tensor], Shape]:
        built: list[Link] = []
        for number, link in enumerate(self._links):
            built.append(links.build(number, link, built[-1].out_shape if built else in_shape, rng))
        params, states = (_numbered(enumerate(own)) for own in zip(*((each.trained, each.state) for each in built)))
        return params, states, built[-1].out_shape

    def _with(self, params: Params) -> list[Link]:
        """The links with their own among the parameters."""
        own: list[dict[str, Tensor]] = [{} for _ in self._links]
        for name, each in params.items():
            number, _, rest = name.partition(".")
            own[int(number)][rest] = each
        return [replace(link, params=each) for link, each in zip(self._links, own)]


class ChainLayer(Layer):
    """A layer that is a chain of others. Authors say in `chain` of which, and change what is done with what comes out;
    as it stands it is the chain."""

    @property
    @abstractmethod
    def chain(self) -> Chain:
        """The layers after each other, from the settings."""

    @property
    def in_shape(self) -> Shape | None:
        return self.chain.in_shape

    @property
    def mixes_rows(self) -> bool:
        return self.chain.mixes_rows

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        return self.chain.build(in_shape, rng)

    def state(self, in_shape: Shape) -> dict[str, Tensor]:
        return self.chain.state(in_shape)

    def next_state(self, params: Params, saved: Any) -> dict[str, Tensor]:
        return self.chain.next_state(params, saved)

    def fitted(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        return self.chain.fitted(params, x)

    def factors(self, name: str) -> tuple[float, float]:
        return self.chain.factors(name)

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        return self.chain.forward(params, x, rng)

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.chain.backward(params, saved, grad)


def fit(chain: Sequence[Link], x: Tensor) -> Iterator[dict[str, Tensor]]:
    """The parameters of each link that a look at a batch of its inputs changes; each sees what those before it make."""
    for link in chain:
        fitted = link.layer.fitted(link.params, x)
        yield fitted
        [(_, _, x)] = links.forward([replace(link, params={**link.params, **fitted})], x)


@lru_cache(maxsize=256)
def _made(layers: tuple[Any, ...]) -> list[Link]:
    return [link for _, link in links.links_of(layers)]


def _numbered(numbered: Any) -> dict[str, Tensor]:
    """Tensors by the number of their layer and their name there."""
    return {f"{number}.{name}": each for number, own in numbered for name, each in own.items()}
