"""Standard streams that are closed, or full: lost output is an error, and lost notes are none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from netkit.cli.leaving import leave_in_time


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize(
    ("streams", "code", "told"),
    [
        (">/dev/full", 1, "netkit: standard output cannot be written: No space left on device\n"),
        (">&-", 1, "netkit: standard output cannot be written: Bad file descriptor\n"),
        (">&- 2>&-", 1, ""),
        ("2>&-", 0, ""),
    ],
)
def test_output_that_is_lost_is_an_error(streams: str, code: int, told: str) -> None:
    command = f"'{sys.executable}' -m netkit list-plugins {streams}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, told)
    assert bool(ended.stdout) is (code == 0)


def test_a_reader_that_has_gone_is_told_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "netkit", "list-plugins"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("said", ["libtorch.so: failed to map segment from shared object", "Cannot allocate memory"])
@pytest.mark.parametrize("kind", [ImportError, OSError])
def test_too_little_memory_for_a_library_is_one_line(
    kind: type[Exception], said: str, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: Any, ctx: Any, name: str) -> None:
        raise kind(said)

    monkeypatch.setattr("netkit.cli.Commands.get_command", none)
    words = "there is not enough memory for this table or this network; fewer units, columns or rows need less"
    assert cli("list-plugins") == (1, "", f"netkit: {words}\n")


def test_without_a_thread_the_end_comes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    leave_in_time(0)


def test_a_training_whose_notes_go_nowhere_is_saved(tmp_path: Path, penguins: Path) -> None:
    command = f"'{sys.executable}' -m netkit train '{penguins}' --target species --epochs 1 --out m >&- 2>&-"
    ended = subprocess.run(["sh", "-c", command], check=False, cwd=tmp_path)
    assert ended.returncode == 1 and (tmp_path / "m").exists()
