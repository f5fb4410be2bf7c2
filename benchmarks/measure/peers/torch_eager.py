"""torch with its tape: a plain loop over batches gathered from a permutation."""

from __future__ import annotations

from torch.nn.functional import cross_entropy

from measure.cases import Case, Data
from measure.peers import torch_common as common
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    net = common.module(case.sizes)
    optimizer, (x, y) = common.optimizer(case, net), common.tensors(rows)

    def epoch() -> None:
        for inputs, wanted in common.shuffled(x, y, case.batch):
            optimizer.zero_grad()
            cross_entropy(net(inputs), wanted).backward()
            optimizer.step()

    return training(epoch, lambda x: common.probabilities(net, x), rows, case.epochs, common.threads())
