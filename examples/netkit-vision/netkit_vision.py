"""Blocks of convolutions for netkit: layers that are chains of netkit's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta
from torch import Generator, Tensor

from netkit import Activation, Chain, ChainLayer, Params, SettingError

Size = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True)
class ConvBlock(ChainLayer):
    """Convolution, batch_norm, max pooling, activation: (n, c, height, width) to (n, channels, places, places).

    The convolution pads its input, so that it keeps height and width, which takes an odd `kernel`. Raises
    `SettingError` for an even one. Source: Simonyan and Zisserman 2014, arXiv:1409.1556.
    """

    channels: Size
    kernel: Size = 3
    pool: Size = 2
    activation: Activation | str | None = "relu"

    @classmethod
    def examples(cls) -> Iterator["ConvBlock"]:
        yield from (cls(2, activation="tanh"), cls(3, kernel=1, pool=1, activation=None))

    @property
    def chain(self) -> Chain:
        pool = [f"max_pool2d:kernel={self.pool}"] if self.pool > 1 else []
        return Chain([*_convolution(self.channels, self.kernel), *pool])


@dataclass(frozen=True)
class ResidualBlock(ChainLayer):
    """y = f(x + g(x)), g two convolutions with batch_norm and relu between them, (n, c, height, width) to the same.

    Raises `SettingError` for an even `kernel`. Source: He et al. 2015, arXiv:1512.03385.
    """

    channels: Size
    kernel: Size = 3
    activation: Activation | str | None = "relu"
    keeps_shape = True

    @classmethod
    def examples(cls) -> Iterator["ResidualBlock"]:
        yield from (cls(2, activation="tanh"), cls(2, kernel=1, activation=None))

    @property
    def chain(self) -> Chain:
        first, norm = _convolution(self.channels, self.kernel)
        return Chain([first, f"{norm}:activation=relu", *_convolution(self.channels, self.kernel)])

    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        y, saved = super().forward(params, x, rng)
        return x + y, saved

    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dx, grads = super().backward(params, saved, grad)
        return grad + dx, grads


def _convolution(channels: int, kernel: int) -> list[str]:
    if kernel % 2 == 0:
        raise SettingError(f"kernel: an odd one is needed, which has a middle, got {kernel}")
    return [f"conv2d:channels={channels},kernel={kernel},padding={kernel // 2},bias=false", "batch_norm"]
