"""One row and a million rows: netkit's `predict` against torch.nn in inference mode, onnxruntime and scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measure.conductor import Effort, Failed, interleave, summary, workers

Row = dict[str, Any]
PEERS = ("torch", "onnxruntime", "sklearn")


def prediction(many: int, effort: Effort) -> Iterator[Row]:
    """One row for each network, number of rows (one or `many`) and peer."""
    for sizes, rows, calls in (((4, 32, 3), 1, 2000), ((4, 32, 3), many, 1), ((30, 128, 64, 2), many, 1)):
        about = {"part": "predict", "case": "-".join(map(str, sizes)), "rows": rows, "calls": calls}
        with workers(["netkit", *PEERS]) as team:
            remarks, missing = {}, {}
            for peer, worker in team.items():
                settings = {"peer": peer, "sizes": sizes, "rows": rows, "calls": calls}
                try:
                    remarks[peer] = worker.ask(maker="measure.makers:predict", settings=settings)["remark"]
                    worker.turn()
                except Failed as error:
                    missing[peer] = str(error)
            if "netkit" in missing:
                raise Failed(f"netkit predicts {about['case']}: {missing['netkit']}")
            pairs, failed = interleave(team["netkit"], {p: team[p] for p in PEERS if p not in missing}, effort)
            for peer in PEERS:
                found = summary(pairs[peer]) if peer in pairs else {"missing": (missing | failed)[peer]}
                yield about | {"peer": peer, "remark": remarks.get(peer, "")} | found
