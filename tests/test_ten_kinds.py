"""A stranger's package with one component of each of the ten kinds, from the wheel to the day it is uninstalled."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pyarrow.csv as csv
import pytest
from environments import Environment

from netkit.kinds import KINDS

TEN = Path(__file__).parent / "files" / "netkit-ten"
NAMES = {
    "activation": "asinh",
    "layer": "ripple",
    "loss": "cauchy",
    "metric": "relative_gap",
    "optimizer": "peak_descent",
    "initializer": "coin",
    "schedule": "heartbeat",
    "encoder": "corners",
    "reader": "json_columns",
    "reporter": "bars",
}
EPOCHS = 60
TRAIN = [
    *("train", "penguins.columns", "--target", "body_mass_g", "--seed", 3, "--epochs", EPOCHS, "--quiet"),
    *("--columns", "flipper_length_mm=corners,bill_depth_mm=corners"),
    *("--hidden", "16;ripple:initializer=coin:scale=0.3;8", "--activation", "asinh:width=2"),
    *("--loss", "cauchy:scale=2", "--metric", "relative_gap", "--optimizer", "peak_descent:decay=0.9"),
    *("--schedule", "heartbeat:beats=2"),
]


def run_to(name):
    """The command that uses all ten; its model and its report are called `name`."""
    return [*TRAIN, "--out", f"{name}.netkit", "--report", f"bars:path={name}.txt"]


@pytest.fixture
def environment(tmp_path, penguins):
    """A fresh environment that has a wheel of netkit-ten, and the penguins in the format of its reader."""
    made = Environment(tmp_path)
    package = shutil.copytree(TEN, tmp_path / "netkit-ten")  # a build leaves folders beside what it builds
    made.pip("wheel", "--no-deps", "--no-build-isolation", package, "-w", tmp_path / "wheels")
    [wheel] = (tmp_path / "wheels").iterdir()
    made.install(wheel)
    options = csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    table = csv.read_csv(penguins, convert_options=options)
    (tmp_path / "penguins.columns").write_text(json.dumps(table.to_pydict()))
    return made


def stopped(environment, name, after, folder):
    """The training run `name`, stopped as by Ctrl-C when `after` epochs were reported; what it wrote to stderr."""
    command = [environment.python, "-m", "netkit", *run_to(name), "--checkpoint", folder, "--every", 1]
    report = environment.folder / f"{name}.txt"
    with subprocess.Popen(
        [str(word) for word in command],
        cwd=environment.folder,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        try:
            late = time.monotonic() + 60
            while not (report.exists() and report.read_text().count("\n") >= after):
                assert process.poll() is None and time.monotonic() < late, process.stderr.read()
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 130, errors
    return errors


def absent(environment, *command, code=1):
    """The one line with which the command ends when what it names is not installed."""
    done = environment.run(*command, code=code)
    assert done.stdout == "" and done.stderr.count("\n") == 1 and done.stderr.startswith("netkit: "), done
    return done.stderr


def test_a_package_of_all_kinds_has_fewer_than_150_lines():
    assert sum(len((TEN / file).read_text().splitlines()) for file in ("netkit_ten.py", "pyproject.toml")) < 150
    announced = tomllib.loads((TEN / "pyproject.toml").read_text())["project"]["entry-points"]
    assert [list(names) for names in announced.values()] == [[NAMES[kind]] for kind in KINDS]


def test_ten_kinds_from_the_wheel_to_the_end(environment):
    folder = environment.folder

    # It is listed, explained and checked.
    listed = environment.run("list-plugins", "--plugin", "netkit-ten").stdout
    assert re.findall(r"^(\w+) +(\w+) .*netkit-ten 1\.0$", listed, re.M) == list(NAMES.items())
    assert environment.run("show", "ripple").stdout.startswith("layer ripple, from netkit-ten 1.0\n")
    checked = environment.run("check", "--plugin", "netkit-ten").stdout
    assert re.findall(r"^(\w+) +(\w+) +ok ", checked, re.M) == list(NAMES.items())

    # One command trains with all ten.
    said = environment.run(*run_to("whole")).stdout
    used = dict(re.findall(r"^using (\w+) netkit-ten/(\w+) \(netkit-ten 1\.0\)$", said, re.M))
    assert used == NAMES
    report = (folder / "whole.txt").read_text()
    assert [int(line.split()[0]) for line in report.splitlines()] == list(range(1, EPOCHS + 1))

    # Stopped and resumed it comes to the same bits, and reports each epoch once.
    assert "note: netkit train --resume run goes on\n" in stopped(environment, "parts", 5, "run")
    assert (folder / "parts.txt").read_text().count("\n") < EPOCHS
    assert "goes on after epoch " in environment.run("train", "--resume", "run").stdout
    assert (folder / "parts.netkit").read_bytes() == (folder / "whole.netkit").read_bytes()
    assert (folder / "parts.txt").read_text() == report

    # The model says what it is made of, predicts and is scored, from any format.
    described = environment.run("describe", "parts.netkit").stdout
    for kind in ("activation", "layer", "loss", "initializer", "encoder"):
        assert f"  {kind} netkit-ten/{NAMES[kind]} (netkit-ten 1.0)\n" in described
    assert "layer 1: ripple(initializer=coin(scale=0.3))  1.u 16\n" in described
    predicted = environment.run("predict", "parts.netkit", "penguins.columns").stdout.splitlines()
    assert predicted[0] == "body_mass_g" and len(predicted) == 345 and 3000 < float(predicted[1]) < 4500
    scored = environment.run("evaluate", "parts.netkit", "penguins.columns", "--metric", "relative_gap").stdout
    assert 0 < float(re.search(r"^relative_gap +(\S+) ", scored, re.M)[1]) < 0.1

    # In another version the run that goes on, and the model, say so.
    newer = environment.folder / "netkit-ten" / "pyproject.toml"
    newer.write_text(newer.read_text().replace('"1.0"', '"1.1"'))
    environment.install(newer.parent, "--force-reinstall")
    changed = "netkit-ten 1.1 is installed, the run was begun with 1.0\n"
    assert changed in environment.run("train", "--resume", "run").stderr
    assert "the model was saved with 1.0" in environment.run("predict", "whole.netkit", "penguins.columns").stderr

    # Uninstalled, every command says in one line what is missing; describe needs no plugin.
    environment.pip("uninstall", "--yes", "netkit-ten")
    without = described.replace("parts", "whole").replace(
        "(netkit-ten 1.0)", "(netkit-ten 1.0), which is not installed"
    )
    assert environment.run("describe", "whole.netkit").stdout == without
    cure = "netkit: whole.netkit: activation netkit-ten/asinh is not available: pip install 'netkit-ten==1.0'\n"
    assert absent(environment, "predict", "whole.netkit", "penguins.columns") == cure
    assert absent(environment, "evaluate", "whole.netkit", "penguins.columns") == cure
    missing = (
        "netkit: run: cannot be resumed: encoder netkit-ten/corners is not available: pip install 'netkit-ten==1.0'\n"
    )
    assert absent(environment, "train", "--resume", "run") == missing
    again = absent(environment, *run_to("again"), code=2)
    for kind in KINDS:
        if kind == "reader":
            assert "; no reader has .columns; there are .csv, " in absent(environment, "inspect", "penguins.columns")
        elif kind == "initializer":  # the layer that holds it is gone as well
            hidden = ("--hidden", "dense:units=4,initializer=coin")
            assert "initializer 'coin' is unknown" in absent(environment, *TRAIN, *hidden, code=2)
        else:
            assert f"{kind} '{NAMES[kind]}' is unknown" in again
    gone = "no plugin of a distribution 'netkit-ten' is installed\n"
    assert absent(environment, "list-plugins", "--plugin", "netkit-ten") == f"netkit: list-plugins: {gone}"
    assert absent(environment, "check", "--plugin", "netkit-ten") == f"netkit: check: {gone}"
    assert not (folder / "again.netkit").exists()
