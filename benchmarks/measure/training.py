"""An epoch of training: netkit's `fit` against every peer, and a stranger's activation against the built-in relu."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from measure.cases import NETWORKS, Case
from measure.conductor import Effort, Failed, Worker, interleave, summary, workers
from measure.makers import SLOW_TO_COMPILE

Row = dict[str, Any]

PEERS = ("torch", "torch-loader", "torch-compile", "jax", "jax-scan", "sklearn", "keras", "thinc", "skorch", "gemms")
STRANGERS = ("leaky-relu", "swish")
STRANGE = NETWORKS[2]
WARM_UP = 8
"""Turns at most until the loss must have gone down; two at least are not timed."""


def training(
    networks: Iterable[Case], optimizers: Sequence[str], peers: Sequence[str], effort: Effort
) -> Iterator[Row]:
    """One row for each network, optimizer and peer."""
    for row in compare(networks, optimizers, peers, effort):
        yield row | {"part": "training"}


def stranger(effort: Effort) -> Iterator[Row]:
    """The same network with relu and with a stranger's activation, both in netkit."""
    for row in compare([STRANGE], ["sgd"], STRANGERS, effort):
        yield row | {"part": "stranger"}


def compare(networks: Iterable[Case], optimizers: Sequence[str], peers: Sequence[str], effort: Effort) -> Iterator[Row]:
    """netkit and each peer in one process for all networks; torch-compile only where it does not compile for long."""
    with workers(["netkit", *peers]) as team:
        for case in [replace(network, optimizer=optimizer) for network in networks for optimizer in optimizers]:
            asked = [peer for peer in peers if peer != "torch-compile" or case.name in SLOW_TO_COMPILE]
            ready, remarks, missing = prepare({name: team[name] for name in ("netkit", *asked)}, case)
            ours = ready.pop("netkit")
            pairs, failed = interleave(ours, ready, effort)
            about = {"case": case.name, "optimizer": case.optimizer, "steps": case.steps * case.epochs}
            for peer in asked:
                found = summary(pairs[peer]) if peer in pairs else {"missing": (missing | failed)[peer]}
                yield about | {"peer": peer, "remark": remarks.get(peer, "")} | found


def prepare(team: dict[str, Worker], case: Case) -> tuple[dict[str, Worker], dict[str, str], dict[str, str]]:
    """The workers that have learnt something, what each says of itself, and why others have not. netkit must."""
    for peer, worker in team.items():  # they prepare in parallel, and are waited for below
        worker.send(maker="measure.makers:train", settings={"peer": peer, "case": asdict(case)})
    said, missing = {}, {}
    for peer, worker in team.items():
        try:
            said[peer] = worker.receive()
        except Failed as error:
            missing[peer] = str(error)
    for peer in list(said):
        try:
            warm_up(team[peer], said[peer]["learns"])
        except Failed as error:
            missing[peer] = str(error)
    if "netkit" in missing:
        raise Failed(f"netkit, {case.name}: {missing['netkit']}")
    ready = {peer: team[peer] for peer in said if peer not in missing}
    return ready, {peer: each["remark"] for peer, each in said.items()}, missing


def warm_up(worker: Worker, learns: bool) -> None:
    """Two turns, and more until the loss has gone down. Raises `Failed` when it has not."""
    before = worker.ask(ask="loss")["loss"]
    for number in range(WARM_UP):
        worker.turn()
        if number >= 1 and (not learns or worker.ask(ask="loss")["loss"] < before * 0.999):
            return
    raise Failed(f"does not learn: the loss began at {before:.4f} and is not below it after {WARM_UP} turns")
