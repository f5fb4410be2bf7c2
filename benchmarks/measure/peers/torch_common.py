"""What the peers on torch share: the module, the optimizer, the probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from numpy import ndarray
from torch import Tensor, nn

from measure.cases import Case, Data


def module(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with relu between them; the outputs are logits."""
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def optimizer(case: Case, net: nn.Module) -> torch.optim.Optimizer:
    """Plain SGD, or Adam in its fused form."""
    if case.optimizer == "adam":
        return torch.optim.Adam(net.parameters(), lr=case.alpha, fused=True)
    return torch.optim.SGD(net.parameters(), lr=case.alpha)


def tensors(rows: Data) -> tuple[Tensor, Tensor]:
    """The rows and their class numbers, without a copy."""
    return torch.from_numpy(rows.x), torch.from_numpy(rows.labels)


def shuffled(x: Tensor, y: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of batches, each gathered by its part of a permutation."""
    for picked in torch.randperm(len(x)).split(batch):
        yield x[picked], y[picked]


@torch.inference_mode()
def probabilities(net: nn.Module, x: ndarray) -> ndarray:
    return torch.softmax(net(torch.from_numpy(x)), 1).numpy()


def threads() -> str:
    return f"{torch.get_num_threads()} threads"
