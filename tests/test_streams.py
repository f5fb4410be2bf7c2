"""Standard streams that are closed, or full: lost output is an error, and lost notes are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


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
