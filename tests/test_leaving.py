"""The end of the command: whatever a plugin leaves running, it comes, with its exit code and all of its output."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

LEFT = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from netkit import Reporter, registry


def spin(seconds):
    time.sleep(seconds)


def fails():
    raise ValueError("no\\nluck")


@dataclass(frozen=True)
class Leaves(Reporter):
    '''Leaves something behind.'''

    what: str

    def start(self, about):
        if self.what in ("thread", "short"):
            threading.Thread(target=spin, args=(600 if self.what == "thread" else 1,), name="uploads").start()
        if self.what == "pool":
            self.pools.append(ThreadPoolExecutor(1))
            self.pools[0].submit(int)
        if self.what == "exit":
            atexit.register(spin, 600)
        if self.what == "raises":
            atexit.register(fails)

    def epoch(self, state, epoch):
        pass


Leaves.pools = []
"""
MAIN = """
import sys, leaves
from netkit import registry
from netkit.cli import main
registry.reporters.register("leaves", leaves.Leaves)
main()
"""
SAID = {
    "thread": "the thread 'uploads' of leaves still runs; netkit does not wait for it",
    "exit": "an exit handler of leaves still runs; netkit does not wait for it",
    "raises": "leaves: ignored at the end: ValueError: no luck",
    "short": "",
    "pool": "",
}


@pytest.mark.parametrize("what", SAID)
def test_what_a_plugin_leaves_behind_does_not_hold_up_the_command(what, tmp_path, penguins):
    (tmp_path / "leaves.py").write_text(LEFT)
    (tmp_path / "main.py").write_text(MAIN)
    train = ["train", penguins, "--target", "species", "--epochs", "1", "--quiet", "--report", f"leaves:what={what}"]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "main.py", *train], cwd=tmp_path, text=True, capture_output=True, timeout=120
    )
    assert done.returncode == 0 and time.monotonic() - start < 100
    assert re.findall("^netkit: .*", done.stderr, re.M) == [f"netkit: {SAID[what]}"] * bool(SAID[what])
    assert "Traceback" not in done.stderr and done.stdout.endswith("saved penguins.netkit\n")


def test_the_exit_code_is_that_of_the_command(tmp_path):
    (tmp_path / "main.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
        "from netkit.cli import main\nmain()\n"
    )
    command = [sys.executable, "main.py", "train"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=120)
    first, last = done.stderr.splitlines()
    assert (
        done.returncode == 2 and first == "netkit: data: a table is needed, such as netkit train table.csv --target y"
    )
    assert re.fullmatch(r"netkit: the thread 'Thread-1 \(sleep\)' still runs; netkit does not wait for it", last)


def test_a_program_that_calls_the_command_goes_on(tmp_path):
    code = """
import threading, time
from netkit.cli import leaving, main
leaving.GRACE = 0.1
try:
    main(["--version"])
except SystemExit as end:
    time.sleep(0.5)
    print("went on", end.code, [thread.name for thread in threading.enumerate()])
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "went on 0 ['MainThread']" and not done.stderr


def test_nobody_left_to_read_is_no_reason_to_stay(tmp_path):
    (tmp_path / "main.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
        "from netkit.cli import main\nmain()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "main.py", "list-plugins"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    process.stderr.close()
    assert process.wait(120) == 1
