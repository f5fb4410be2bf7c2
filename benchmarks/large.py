"""A table that is larger than the memory it is trained with: peak memory and time beside training in memory.

    python benchmarks/large.py [ROWS [FORMAT ...]]      a million by default, csv and parquet

Each line of the output is a row of a Markdown table: one epoch of `netkit train`, reading included, in a process of its own.
The table has 30 columns, numbers and a few of text, some with holes. 10 million rows take 3 GB of disk, and as much again
for the spilled rows; it lies in the folder for temporary files (TMPDIR), and is deleted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

MEMORY = "1GB"
PORTION = 250_000
OPTIONS = ["--target", "y", "--task", "regression", "--epochs", "1", "--batch", "128", "--hidden", "64,32", "--quiet"]


def portion(number, rows):
    """Some of the rows: 20 numbers of four digits, 5 whole ones, 4 texts and a target that follows from a few of them."""
    rng = np.random.default_rng(number)
    columns = {f"x{i}": np.round(rng.normal(i, 1 + i, rows), 4) for i in range(20)}
    columns |= {f"n{i}": rng.integers(0, 10 ** (i + 1), rows) for i in range(5)}
    columns |= {f"w{i}": np.char.add("level", rng.integers(0, 3 * 2**i, rows).astype(str)) for i in range(4)}
    y = columns["x1"] + columns["x2"] * columns["x3"] / 10 + (columns["w0"] == "level1") + rng.normal(0, 0.1, rows)
    holes = {name: rng.random(rows) < 0.02 for name in ("x0", "x5", "n1", "w2")}
    table = {name: pa.array(values, mask=holes.get(name)) for name, values in columns.items()}
    return pa.table(table | {"y": np.round(y, 4)})


def written(path, rows):
    """The whole table in one file."""
    first = portion(0, 1)
    make = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pyarrow.parquet.ParquetWriter
    with make(path, first.schema) as writer:
        for number, start in enumerate(range(0, rows, PORTION)):
            writer.write_table(portion(number, min(PORTION, rows - start)))


COMMAND = """
import re, sys
from netkit.cli import main
try:
    main(sys.argv[1:])
finally:  # ru_maxrss would begin with that of the process that started this one
    print(int(re.search("VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024)
"""


def trained(path, *options):
    """(seconds, peak bytes) of one run."""
    arguments = ["train", str(path), *OPTIONS, *options, "--out", str(path.with_suffix(".netkit"))]
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    print("\n".join(f"    {line}" for line in done.stdout.splitlines()), file=sys.stderr)
    return time.perf_counter() - start, int(done.stdout.split()[-1])


def main(rows="1000000", *formats):
    print("| format | rows | file | peak, streamed | peak, in memory | seconds, streamed | in memory | speed |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in formats or ("csv", "parquet"):
            path = Path(folder) / f"table.{suffix}"
            written(path, int(rows))
            seconds, peak = trained(path, "--memory", MEMORY)
            whole, all_of_it = trained(path)
            print(
                f"| {suffix} | {int(rows):,} | {path.stat().st_size / 1e9:.2f} GB | {peak / 1e9:.2f} GB | {all_of_it / 1e9:.2f} GB "
                f"| {seconds:.1f} | {whole:.1f} | {whole / seconds:.2f} |",
                flush=True,
            )
            path.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
