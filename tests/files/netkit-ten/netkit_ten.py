import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import netkit
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import torch
from msgspec import Meta
from torch import Generator, Tensor


@netkit.derived.activation
def asinh(z: Tensor, width: Annotated[float, Meta(gt=0)] = 1.0) -> Tensor:
    """width asinh(z / width), (n, ...) to the same shape."""
    return width * torch.asinh(z / width)


@dataclass(frozen=True)
class Coin(netkit.Initializer):
    """r or -r, each with probability 1/2, r = scale / sqrt(fan_in), (shape)."""

    scale: Annotated[float, Meta(gt=0)] = 1.0

    def __call__(self, shape: netkit.Shape, fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        return (torch.randint(2, shape, generator=rng) - 0.5) * 2 * self.scale / torch.tensor(fan_in).sqrt()


@dataclass(frozen=True)
class Ripple(netkit.Layer):
    """x + u sin x, (n, ...) to the same shape, u (...) drawn by `initializer`."""

    initializer: netkit.Initializer = Coin(scale=0.5)
    keeps_shape = True

    def build(self, in_shape: netkit.Shape, rng: Generator) -> tuple[dict[str, Tensor], netkit.Shape]:
        return {"u": self.initializer(in_shape, 1, 1, rng)}, in_shape

    def forward(self, params: netkit.Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Tensor]:
        return x + params["u"] * x.sin(), x

    def backward(self, params: netkit.Params, saved: Tensor, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return grad * (1 + params["u"] * saved.cos()), {"u": (grad * saved.sin()).sum(0)}


@netkit.derived.loss
def cauchy(prediction: Tensor, target: Tensor, scale: Annotated[float, Meta(gt=0)] = 1.0) -> Tensor:
    """mean_j log(1 + (d_j / scale)^2), d = p - y, (n, k) to (n,)."""
    return torch.log1p(((prediction - netkit.like(prediction, target)) / scale) ** 2).mean(1)


@dataclass(frozen=True)
class RelativeGap(netkit.Metric):
    """The mean of 2 |p - y| / (|p| + |y|) over rows and columns, 0 where both are 0; from 0 to 2."""

    tasks = ("regression",)
    higher_is_better = False

    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        gaps = 2 * (prediction - target).abs() / (prediction.abs() + target.abs()).clamp(min=1e-30)
        return torch.tensor([gaps.sum(), gaps.numel()], dtype=torch.float64)

    def score(self, tally: Tensor) -> float:
        return float(tally[0] / tally[1])


@dataclass(frozen=True)
class PeakDescent(netkit.Optimizer):
    """w -= alpha g / (peak + 1e-8), peak = max(|g|, decay peak): each step at most alpha."""

    decay: Annotated[float, Meta(ge=0, lt=1)] = 0.95
    alpha = 0.003

    def start(self, params: Tensor) -> dict[str, Any]:
        return {"peak": torch.zeros_like(params)}

    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float | Tensor) -> None:
        torch.maximum(grads.abs(), self.decay * state["peak"], out=state["peak"])
        params -= alpha * (grads / (state["peak"] + 1e-8))


@dataclass(frozen=True)
class Heartbeat(netkit.Schedule):
    """|1 - 2 (beats done mod 1)|: `beats` times straight down to 0 and up again."""

    beats: Annotated[int, Meta(ge=1)] = 3

    def __call__(self, done: float) -> float:
        return abs(1 - 2 * (self.beats * done % 1))


@dataclass(frozen=True)
class Corners(netkit.Encoder):
    """The share of training rows below x, in straight lines between the quartiles, cut off there; 0.5 where x is missing."""

    takes = "number"

    def fit(self, summary: netkit.NumberSummary) -> dict[str, Any] | str:
        return {"at": list(summary.quartiles)} if len(set(summary.quartiles)) == 3 else "two of its quartiles are equal"

    def names(self, column: str, state: dict[str, Any]) -> list[str]:
        return [column]

    def transform(self, state: dict[str, Any], values: Any, inputs: np.ndarray) -> None:
        x = np.interp(values.to_numpy(zero_copy_only=False), state["at"], [0.25, 0.5, 0.75])
        inputs[:, 0] = np.nan_to_num(x, nan=0.5)


@dataclass(frozen=True)
class JsonColumns(netkit.Reader):
    """One JSON object in a file, {name: [value, ...], ...}, with null where a value is missing."""

    suffixes = (".columns",)

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        table = pa.table(json.loads(Path(where).read_text(encoding="utf-8")))
        yield from table.to_batches(max(1, (size or 2**60) // (16 * table.num_columns))) or [table]

    def sample(self, table: pa.Table, folder: Path) -> str:
        (folder / "sample.columns").write_text(json.dumps(table.to_pydict()), encoding="utf-8")
        return str(folder / "sample.columns")


@dataclass(frozen=True)
class Bars(netkit.Reporter):
    """A line for each epoch at the end of the file `path`: its number, and a bar as long as ten times its loss."""

    path: Annotated[str, Meta(min_length=1)] = "bars.txt"

    def epoch(self, state: Any, epoch: netkit.Epoch) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            print(epoch.number, "#" * round(10 * epoch.loss), file=file)
