"""Plugins under observation: each is imported in a process of its own, which shows what the import changes.

`python -m netkit.registry.doctor REPORT PLUGIN` is that process: it imports the modules of the plugin, given as JSON,
calls its hooks, and writes what it saw to REPORT.
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
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from netkit.errors import PluginError
from netkit.registry.discovery import Plugin
from netkit.registry.guard import cause, printable
from netkit.registry.info import without_bad_names
from netkit.registry.lookup import names_of

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
    """What it left changed in the process: the default dtype, threads, random state, warning filters, sys.path, torch's
    functions, output, other processes."""


def examine(plugin: Plugin, limit: float) -> Diagnosis:
    """Import one plugin in a fresh process that has `limit` seconds, ask it for its names, and say what came of it."""
    about = (plugin.distribution, plugin.version, plugin.entry_point)
    if plugin.status in ("blocked", "incompatible", "unreadable"):
        return Diagnosis(*about, plugin.status, plugin.reason)
    with tempfile.TemporaryDirectory() as folder:
        report, output = Path(folder) / "report.json", Path(folder) / "output"
        command = [sys.executable, "-m", "netkit.registry.doctor", str(report), json.dumps(asdict(plugin))]
        code, others = _run(command, output, limit)
        if code is None:
            return Diagnosis(*about, "hangs", f"its import took more than {limit:g} s")
        if not report.exists():
            return Diagnosis(*about, *_death(code))
        seen: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        printed = output.read_bytes().strip()
    changes = [*seen["changes"], *(["output"] if printed else []), *(["the processes that run"] if others else [])]
    status = "raises" if seen["error"] else "changes" if changes else "ok"
    return Diagnosis(*about, status, printable(seen["error"]), seen["seconds"], changes)


def _run(command: list[str], output: Path, limit: float) -> tuple[int | None, bool]:
    """The exit code of a command, None where time ran out; and whether it left processes behind. None survives."""
    with output.open("wb") as file:  # no pipe: a child that keeps one open would look as if it were the plugin
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    others = False
    try:
        code = process.wait(limit)
        others = _survive(process.pid)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return code, others


def _survive(group: int) -> bool:
    """Whether processes of a group go on for half a second after its first has ended."""
    for _ in range(10):
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        time.sleep(0.05)
    return True


def _death(code: int) -> tuple[str, str]:
    """What ended a process that left no report."""
    if code < 0:
        named = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        return "crashes", f"its import ends the process by signal {-code}{named}"
    return "exits", f"its import ends the process with exit code {code}"


def _shared() -> Iterator[tuple[str, Any]]:
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


def _functions() -> dict[tuple[str, str], Any]:
    """What others call in torch, by module and name."""
    modules = [sys.modules[name] for name in ("torch", "torch.nn.functional")]
    return {
        (module.__name__, name): value
        for module in modules
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_")
    }


def _of_torch(value: Any) -> bool:
    """Whether torch itself wrote this, which exchanges some of its own names. What wraps a function claims to be it."""
    name = getattr(value, "__globals__", {}).get("__name__") or getattr(value, "__module__", None)
    return str(name).partition(".")[0] == "torch"


def _asked(plugin: Plugin) -> tuple[str, float]:
    """What goes wrong when a plugin is imported and asked for its components; and the seconds of the import."""
    references = [value for names in plugin.announced.values() for value in names.values()] or [plugin.value]
    start = time.perf_counter()
    seconds = None
    try:
        for module in sorted({reference.partition(":")[0] for reference in references}):
            import_module(module)
        seconds = time.perf_counter() - start
        for info in names_of(without_bad_names(plugin)):
            info.load()
    except PluginError as raised:
        return str(raised), seconds or 0.0
    except BaseException as raised:
        return cause(raised), time.perf_counter() - start if seconds is None else seconds
    return "", seconds


def _observe(report: str, plugin: Plugin) -> None:
    import_module("netkit.model")  # not to be counted as the plugin's own
    before, functions = dict(_shared()), _functions()
    error, seconds = _asked(plugin)
    changes = [name for name, value in _shared() if value != before[name]]
    after = _functions()
    if any(after.get(name) is not value and not _of_torch(after.get(name)) for name, value in functions.items()):
        changes.append("torch's functions")
    Path(report).write_text(json.dumps({"error": error, "seconds": seconds, "changes": changes}), encoding="utf-8")


if __name__ == "__main__":
    _observe(sys.argv[1], Plugin(**json.loads(sys.argv[2])))
