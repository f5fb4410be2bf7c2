"""How long the command takes to answer: a process from its start to its end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from measure.conductor import environment, middle

Row = dict[str, Any]
TABLE = "a,b,kind\n" + "".join(f"{i},{i % 3},{'even' if i % 2 == 0 else 'odd'}\n" for i in range(10))
COMMAND = str(Path(sys.executable).with_name("netkit"))
TRAIN = [COMMAND, "train", "table.csv", "--target", "kind", "--epochs", "1", "--quiet"]
COMMANDS = {
    "netkit --help": [COMMAND, "--help"],
    "netkit list-plugins": [COMMAND, "list-plugins"],
    "netkit train, 10 rows, 1 epoch": TRAIN,
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
    "python -c 'import sklearn.neural_network'": [sys.executable, "-c", "import sklearn.neural_network"],
}
"""netkit's commands, and below them what no Python command, and none that needs torch, could do without."""


def startup(repeats: int) -> Iterator[Row]:
    """Seconds for each command; they take turns, and the first round only warms the disk's cache."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "table.csv").write_text(TABLE)
        rounds = [{name: _seconds(command, folder) for name, command in COMMANDS.items()} for _ in range(repeats + 1)]
    for name in COMMANDS:
        low, median, high = middle([each[name] for each in rounds[1:]])
        yield {"part": "startup", "command": name, "seconds": median, "low": low, "high": high}


def _seconds(command: list[str], folder: str) -> float:
    start = perf_counter()
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
    return perf_counter() - start
