"""`netkit doctor`: plugins that hang, crash, exit or change what is not theirs, in a real environment."""

from __future__ import annotations

import json

from environments import Environment

EMPTY = "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {}\n"
PATIENTS = {
    "healthy": (EMPTY, "ok", ""),
    "sleeper": ("import time; time.sleep(60)", "hangs", "its import took more than 10 s"),
    "segfault": (
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "crashes",
        "its import ends the process by signal 11 (SIGSEGV)",
    ),
    "leaver": ("import os; os._exit(7)", "exits", "its import ends the process with exit code 7"),
    "quitter": ("import sys; sys.exit(3)", "raises", "SystemExit: 3"),
    "missing": ("import no_such_module", "raises", "ModuleNotFoundError: No module named 'no_such_module'"),
    "signal": ("import os; os.kill(os.getpid(), 40)", "crashes", "its import ends the process by signal 40"),
    "hook": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return 1 / 0",
        "raises",
        "ZeroDivisionError: division by zero",
    ),
    "nonsense": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return 5",
        "raises",
        "netkit_losses must return a dictionary of names, got 5",
    ),
    "gone": (
        EMPTY.replace("{}", "{'a': 'lab_gone:Gone'}"),
        "raises",
        "loss 'a' of lab-gone 0.1: lab_gone:Gone: the module has no such name",
    ),
    "monkey": (
        "import torch, functools\nold = torch.nn.functional.relu\n@functools.wraps(old)\ndef relu(z):\n    return old(z)\n"
        "torch.nn.functional.relu = relu\n" + EMPTY,
        "changes",
        "",
    ),
    "forks": ("import os, time\nif not os.fork():\n    time.sleep(61)\n    os._exit(0)\n" + EMPTY, "changes", ""),
    "meddler": (
        "import torch, warnings, sys, random\ntorch.set_default_dtype(torch.float64)\ntorch.manual_seed(1)\nrandom.random()\n"
        "warnings.simplefilter('ignore')\nsys.path.append('/x')\nprint('hello')\n" + EMPTY,
        "changes",
        "",
    ),
}


def test_each_plugin_is_watched_in_a_process_of_its_own(tmp_path):
    environment = Environment(tmp_path)
    assert environment.run("doctor").stdout == "no plugins beside netkit's own are installed\n"
    for name, (source, _, _) in PATIENTS.items():
        environment.install(environment.make(f"lab-{name}", source))
    told = json.loads(environment.run("doctor", "--json", "--timeout", 10, code=1).stdout)
    found = {row["distribution"].removeprefix("lab-"): row for row in told}
    assert {name: (row["status"], row["reason"]) for name, row in found.items()} == {
        n: p[1:] for n, p in PATIENTS.items()
    }
    assert found["meddler"]["changes"] == [
        "the default dtype",
        "torch's random state",
        "Python's random state",
        "warning filters",
        "sys.path",
        "output",
    ]
    assert found["monkey"]["changes"] == ["torch's functions"] and found["forks"]["changes"] == [
        "the processes that run"
    ]
    assert 0 <= found["healthy"]["seconds"] < 5 and found["sleeper"]["seconds"] is None
    lines = environment.run("list-plugins", "--requirements").stdout.splitlines()
    assert lines == sorted(["netkit-nn==0.1.0", *(f"lab-{name}==0.1" for name in PATIENTS)])
    blocked = environment.run(
        "doctor",
        NETKIT_PLUGINS="-lab-sleeper,-lab-segfault,-lab-leaver,-lab-quitter,-lab-missing,-lab-signal,-lab-hook,"
        "-lab-nonsense,-lab-gone",
    ).stdout
    assert "lab-sleeper 0.1 (lab_sleeper): blocked: blocked by name: lab-sleeper" in blocked
    assert "lab-meddler 0.1 (lab_meddler): changes the default dtype, torch's random state" in blocked
