"""torch.compile over network and loss, forward and backward; the optimizer stays eager. Compiles for 10 to 20 s."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from measure.cases import Case, Data
from measure.peers import torch_common as common
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    net = common.module(case.sizes)
    optimizer, (x, y) = common.optimizer(case, net), common.tensors(rows)

    @torch.compile
    def loss(inputs: Tensor, wanted: Tensor) -> Tensor:
        return cross_entropy(net(inputs), wanted)

    def epoch() -> None:
        for inputs, wanted in common.shuffled(x, y, case.batch):
            optimizer.zero_grad()
            loss(inputs, wanted).backward()
            optimizer.step()

    return training(epoch, lambda x: common.probabilities(net, x), rows, case.epochs, common.threads())
