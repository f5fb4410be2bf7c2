"""What several test files need: the real command, and real tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def template(kind):
    """What `netkit new-plugin` writes for a kind."""
    return ROOT / "netkit" / "registry" / "templates" / "kinds" / f"{kind}.py.txt"


@pytest.fixture
def netkit(tmp_path):
    """netkit(argument, ...): run the command in a process of its own, in an empty folder."""

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "netkit", *map(str, arguments)],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            timeout=120,
            **options,
        )

    return run


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """cli(argument, ...): the command in this process, which is faster; (exit code, stdout, stderr)."""
    from netkit.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def penguins():
    return ROOT / "examples" / "penguins.csv"
