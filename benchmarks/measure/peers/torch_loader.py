"""torch with its tape, fed by a shuffling DataLoader without worker processes."""

from __future__ import annotations

from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from measure.cases import Case, Data
from measure.peers import torch_common as common
from measure.work import Work, training


def trainer(case: Case, rows: Data) -> Work:
    net = common.module(case.sizes)
    optimizer = common.optimizer(case, net)
    loader = DataLoader(TensorDataset(*common.tensors(rows)), batch_size=case.batch, shuffle=True)

    def epoch() -> None:
        for inputs, wanted in loader:
            optimizer.zero_grad()
            cross_entropy(net(inputs), wanted).backward()
            optimizer.step()

    return training(epoch, lambda x: common.probabilities(net, x), rows, case.epochs, common.threads())
