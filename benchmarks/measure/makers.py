"""What a worker can be asked to prepare, from settings that fit through a pipe."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from measure.cases import Case, Data, data
from measure.work import Work

PEERS = {
    "netkit": "netkit_fit:trainer",
    "torch": "torch_eager:trainer",
    "torch-loader": "torch_loader:trainer",
    "torch-compile": "torch_compiled:trainer",
    "jax": "jax_step:trainer",
    "jax-scan": "jax_scan:trainer",
    "sklearn": "sklearn_mlp:trainer",
    "keras": "keras_jax:trainer",
    "thinc": "thinc_chain:trainer",
    "skorch": "skorch_net:trainer",
    "gemms": "gemms:trainer",
    "leaky-relu": "netkit_stranger:leaky_relu",
    "swish": "netkit_stranger:swish",
}
"""Who trains, and where in `measure.peers`."""

SLOW_TO_COMPILE = ("4-32-3@8", "784-512-256-10@128")
"""The networks that torch-compile is asked for: it takes 10 to 20 s for each, and the others wait."""


def case_from(settings: dict[str, Any]) -> Case:
    """A case that has been through JSON."""
    return Case(**settings | {"sizes": tuple(settings["sizes"])})


def train(peer: str, case: dict[str, Any], rows: Data | None = None) -> Work:
    """Training of this case by this peer, on these rows or on new ones."""
    module, _, function = PEERS[peer].partition(":")
    chosen = case_from(case)
    work: Work = getattr(import_module(f"measure.peers.{module}"), function)(chosen, rows or data(chosen))
    return work


def predict(peer: str, **settings: Any) -> Work:
    """Prediction by this peer; see `measure.predictors`."""
    from measure import predictors

    work: Work = predictors.predictor(peer, **settings)
    return work
