"""Plugins under observation: each is imported in a process of its own, with a time limit, and watched for what it changes.

`python -m netkit.doctor REPORT MODULE ...` is that process: it imports the modules and writes what it saw to REPORT.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from netkit.discovery import Plugin, printable

__all__ = ["Diagnosis", "examine"]


@dataclass(frozen=True)
class Diagnosis:
    """How one plugin fared when it was imported."""

    distribution: str
    version: str
    entry_point: str
    status: str
    """ok, changes, raises, exits, crashes or hangs; or why it was not imported, in the words of `Plugin.status`."""
    reason: str = ""
    seconds: float | None = None
    """Time of the import, torch and netkit not counted."""
    changes: list[str] = field(default_factory=list)
    """What it left changed in the process: the default dtype, threads, random state, warning filters, sys.path, output."""


def examine(plugin: Plugin, limit: float) -> Diagnosis:
    """Import one plugin in a fresh process that has `limit` seconds, and say what came of it."""
    about = (plugin.distribution, plugin.version, plugin.entry_point)
    if plugin.status in ("blocked", "incompatible", "unreadable"):
        return Diagnosis(*about, plugin.status, plugin.reason)
    references = [value for names in plugin.announced.values() for value in names.values()] or [plugin.value]
    modules = sorted({reference.partition(":")[0] for reference in references})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "netkit.doctor", str(report), *modules]
        try:
            done = subprocess.run(command, capture_output=True, timeout=limit, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return Diagnosis(*about, "hangs", f"its import took more than {limit:g} s")
        if not report.exists():
            return Diagnosis(*about, *_death(done.returncode))
        seen: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    changes = [*seen["changes"], *(["output"] if (done.stdout + done.stderr).strip() else [])]
    status = "raises" if seen["error"] else "changes" if changes else "ok"
    return Diagnosis(*about, status, printable(seen["error"]), seen["seconds"], changes)


def _death(code: int) -> tuple[str, str]:
    """What ended a process that left no report."""
    if code < 0:
        named = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        return "crashes", f"its import ends the process by signal {-code}{named}"
    return "exits", f"its import ends the process with exit code {code}"


def _watched() -> Iterator[tuple[str, Any]]:
    import torch

    yield "the default dtype", torch.get_default_dtype()
    yield "the number of threads", torch.get_num_threads()
    yield "deterministic algorithms", torch.are_deterministic_algorithms_enabled()
    yield "gradient mode", torch.is_grad_enabled()
    yield "torch's random state", torch.get_rng_state().tolist()
    yield "Python's random state", random.getstate()
    yield "warning filters", list(warnings.filters)
    yield "sys.path", list(sys.path)
    yield "the working folder", os.getcwd()
    yield "the environment's variables", dict(os.environ)
    yield "the handler of Ctrl-C", signal.getsignal(signal.SIGINT)


def _observe(report: str, modules: list[str]) -> None:
    import_module("netkit.model")  # not to be counted as the plugin's own
    before, error, start = dict(_watched()), "", time.perf_counter()
    try:
        for module in modules:
            import_module(module)
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
    seconds = time.perf_counter() - start
    changes = [name for name, value in _watched() if value != before[name]]
    Path(report).write_text(json.dumps({"error": error, "seconds": seconds, "changes": changes}), encoding="utf-8")


if __name__ == "__main__":
    _observe(sys.argv[1], sys.argv[2:])
