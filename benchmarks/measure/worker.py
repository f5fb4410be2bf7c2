"""The far end of a pipe: a process that prepares one piece of work at a time and does it when asked.

Requests and answers are lines of JSON. `{"maker": "module:function", "settings": {...}}` prepares, `{"ask": "turn"}`
does it once and answers with seconds and with the cores that were busy, `{"ask": "loss"}` answers with the loss.
While nothing is asked the process sleeps in a read.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from importlib import import_module
from time import perf_counter, process_time
from typing import Any

from measure.work import Work


def prepare(maker: str, settings: dict[str, Any]) -> Work:
    """What `module:function` makes from the settings."""
    module, _, function = maker.partition(":")
    work: Work = getattr(import_module(module), function)(**settings)
    return work


def turn(work: Work) -> dict[str, float]:
    """Do the work once. A core that spins in a wait counts as busy."""
    start, busy = perf_counter(), process_time()
    work.turn()
    seconds = perf_counter() - start
    return {"seconds": seconds, "cores": (process_time() - busy) / seconds}


def answer(work: Work | None, request: dict[str, Any]) -> tuple[Work | None, dict[str, Any]]:
    """The work from now on, and what to say."""
    if "maker" in request:
        del work
        work = prepare(request["maker"], request["settings"])
        return work, {"remark": work.remark, "learns": work.loss is not None}
    assert work is not None
    if request["ask"] == "loss":
        return work, {"loss": work.loss() if work.loss else None}
    return work, turn(work)


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")
    work: Work | None = None
    for line in sys.stdin:
        try:
            work, said = answer(work, json.loads(line))
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(said), file=replies, flush=True)


if __name__ == "__main__":
    main()
