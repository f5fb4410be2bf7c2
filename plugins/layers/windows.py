"""Layers that slide a window along a signal or over an image: convolution and pooling.

An image is (channels, height, width), a signal (channels, length). Along an axis of d values a window of `kernel`
values that moves by `stride` has (d - kernel) / stride + 1 places, rounded down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product, repeat
from math import prod
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Initializer, Layer, Params, Shape, ShapeError, spec

__all__ = ["AveragePool1d", "AveragePool2d", "Conv1d", "Conv2d", "MaxPool1d", "MaxPool2d"]

Size = Annotated[int, Meta(ge=1)]
AXES = {1: "length", 2: "height, width"}
CONVOLVE: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d}
SPREAD: dict[int, Callable[..., Tensor]] = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
LARGEST: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d}
MEAN: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d}
"""torch's operations by the number of axes that the window moves along."""


@dataclass(frozen=True)
class _Convolution(Layer):
    """Every output value is a product of W with one window of x, so backward is that of dense, window by window."""

    axes: ClassVar[int]
    channels: Size
    kernel: Size = 3
    stride: Size = 1
    padding: Annotated[int, Meta(ge=0)] = 0
    activation: Activation | str | None = "identity"
    bias: bool = True
    initializer: Initializer | str = "glorot_uniform"

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        places = _places(self, self.axes, in_shape, self.kernel, self.stride, self.padding)
        shape = (self.channels, in_shape[0], *[self.kernel] * self.axes)
        fans = prod(shape[1:]), self.channels * prod(shape[2:])
        params = {"W": spec.make("initializer", self.initializer)(shape, *fans, rng)}
        return params | ({"b": torch.zeros(self.channels)} if self.bias else {}), (self.channels, *places)

    def fitted(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        initializer: Initializer = spec.make("initializer", self.initializer)
        return {"W": initializer.fitted(params["W"], lambda W: self.forward({**params, "W": W}, x)[0])}

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Tensor]:
        return CONVOLVE[self.axes](x, params["W"], params.get("b"), self.stride, self.padding), x

    def backward(self, params: Params, saved: Tensor, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        rest = [(size + 2 * self.padding - self.kernel) % self.stride for size in saved.shape[2:]]  # no window saw it
        dx = SPREAD[self.axes](grad, params["W"], None, self.stride, self.padding, rest)
        return dx, self.param_grads(params, saved, grad)

    def param_grads(self, params: Params, saved: Tensor, grad: Tensor) -> dict[str, Tensor]:
        weights = self._weight_grads(saved, grad) if len(saved) else torch.zeros_like(params["W"])
        return {"W": weights} | ({"b": grad.transpose(0, 1).flatten(1).sum(1)} if self.bias else {})

    def _weight_grads(self, x: Tensor, grad: Tensor) -> Tensor:
        """Each channel of x convolved with each channel of grad, where the rows are what is added up."""
        x, grad = x.transpose(0, 1), grad.transpose(0, 1)
        inside: tuple[Any, ...] = (..., *[slice(self.kernel)] * self.axes)
        return CONVOLVE[self.axes](x, grad, None, 1, self.padding, self.stride)[inside].transpose(0, 1)


@dataclass(frozen=True)
class Conv1d(_Convolution):
    """a = f(z), z_o[t] = b_o + sum_c sum_i W_oc[i] x_c[s t + i - p], (n, c, length) to (n, channels, places).

    s is `stride` and p `padding`, zeros at either end; W (channels, c, kernel), b (channels,) starting at 0. dx is dz
    spread by the transposed convolution, dW x convolved with dz, db the sum of dz over rows and places. Raises
    `ShapeError` for rows of other axes, or shorter than the window. Weights: Glorot and Bengio 2010 by default.

    Source: Waibel et al. 1989.
    """

    axes = 1

    @classmethod
    def examples(cls) -> Iterator[Conv1d]:
        yield from (cls(2), cls(3, kernel=2, stride=2, padding=1, activation="tanh", bias=False), cls(1, 1))


@dataclass(frozen=True)
class Conv2d(_Convolution):
    """a = f(z), z_o[t, u] = b_o + sum_c sum_ij W_oc[i, j] x_c[s t + i - p, s u + j - p]: images to images.

    (n, c, height, width) to (n, channels, ...); s is `stride` and p `padding`, zeros at every edge; W (channels, c,
    kernel, kernel), b (channels,) starting at 0. dx is dz spread by the transposed convolution, dW x convolved with
    dz, db the sum of dz over rows and places. Raises `ShapeError` for rows of other axes, or smaller than the window.
    Weights: Glorot and Bengio 2010 by default.

    Source: LeCun et al. 1989.
    """

    axes = 2

    @classmethod
    def examples(cls) -> Iterator[Conv2d]:
        yield from (cls(2), cls(3, kernel=2, stride=3, padding=1, activation="tanh", bias=False), cls(1, 1))


@dataclass(frozen=True)
class _Pool(Layer):
    """One value for each window of each channel."""

    axes: ClassVar[int]
    kernel: Size = 2
    stride: Size | None = None

    @classmethod
    def examples(cls) -> Iterator[_Pool]:
        yield from (cls(), cls(kernel=3, stride=1), cls(kernel=2, stride=3), cls(kernel=1))

    @property
    def _step(self) -> int:
        return self.kernel if self.stride is None else self.stride

    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        return {}, (*in_shape[:1], *_places(self, self.axes, in_shape, self.kernel, self._step))


class _MaxPool(_Pool):
    """dx is dy at the place that each largest value came from, and 0 elsewhere."""

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, tuple[Tensor, Shape]]:
        y, places = LARGEST[self.axes](x, self.kernel, self._step, return_indices=True)
        return y, (places, tuple(x.shape))

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        places, shape = saved
        dx = grad.new_zeros(shape)
        dx.flatten(2).scatter_add_(2, places.flatten(2), grad.flatten(2))
        return dx, {}


class _AveragePool(_Pool):
    """dx is dy divided among the values of its window."""

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Shape]:
        return MEAN[self.axes](x, self.kernel, self._step), tuple(x.shape)

    def backward(self, params: Params, saved: Shape, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dx, part = grad.new_zeros(saved), grad / self.kernel**self.axes
        for starts in product(range(self.kernel), repeat=self.axes):  # each place within the windows
            ends = [start + self._step * places for start, places in zip(starts, grad.shape[2:])]
            seen: tuple[Any, ...] = (..., *map(slice, starts, ends, repeat(self._step)))
            dx[seen] += part
        return dx, {}


@dataclass(frozen=True)
class MaxPool1d(_MaxPool):
    """The largest value of each window of `kernel` values, (n, c, length) to (n, c, places).

    `stride` is `kernel` unless it is given. The derivative goes to the first of equal values. Raises `ShapeError` for
    rows of other axes, or shorter than the window.
    """

    axes = 1


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """The largest value of each window of kernel x kernel values, (n, c, height, width) to (n, c, ...).

    `stride` is `kernel` unless it is given. The derivative goes to the first of equal values. Raises `ShapeError` for
    rows of other axes, or smaller than the window. Source: Riesenhuber and Poggio 1999.
    """

    axes = 2


@dataclass(frozen=True)
class AveragePool1d(_AveragePool):
    """The mean of each window of `kernel` values, (n, c, length) to (n, c, places).

    `stride` is `kernel` unless it is given. Raises `ShapeError` for rows of other axes, or shorter than the window.
    """

    axes = 1


@dataclass(frozen=True)
class AveragePool2d(_AveragePool):
    """The mean of each window of kernel x kernel values, (n, c, height, width) to (n, c, ...).

    `stride` is `kernel` unless it is given. Raises `ShapeError` for rows of other axes, or smaller than the window.
    Source: LeCun et al. 1989.
    """

    axes = 2


def _places(layer: Layer, axes: int, in_shape: Shape, kernel: int, stride: int, padding: int = 0) -> Shape:
    """How many places the window has along each axis."""
    if len(in_shape) != axes + 1:
        raise ShapeError(f"{spec.name(layer)}: rows of (channels, {AXES[axes]}) are needed, got {in_shape}")
    sizes = [size + 2 * padding for size in in_shape[1:]]
    if min(sizes) < kernel:
        raise ShapeError(
            f"{spec.name(layer)}: a window of {kernel} does not fit into {in_shape} with {padding} of padding"
        )
    return tuple((size - kernel) // stride + 1 for size in sizes)
