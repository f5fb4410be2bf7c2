"""Coverage-guided fuzzing, for as long as you like: `python tests/fuzz/fuzz.py TARGET FOLDER [-max_total_time=300]`.

FOLDER keeps the inputs that reached new lines of netkit; more options are libFuzzer's. Needs `pip install atheris`,
which netkit itself does not. What it finds lies in a file crash-..., which belongs into tests/test_fuzz.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["netkit"]):
    from targets import TARGETS, seeds


def begin() -> None:
    if len(sys.argv) < 3 or sys.argv[1] not in TARGETS:
        sys.exit(f"fuzz.py: a target and a folder are needed, got {sys.argv[1:]}; targets are {', '.join(TARGETS)}")
    name = sys.argv.pop(1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (folder / f"seed{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], "-timeout=20", "-rss_limit_mb=4096", *sys.argv[1:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    begin()
