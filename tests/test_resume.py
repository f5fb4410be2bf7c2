"""Checkpoints: interrupted anywhere and taken up again, a run ends in the same bits, and nothing is ever half written."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit import DataError, Model, ModelFileError, SettingError, registry
from netkit.engine.recipe import Recipe
from netkit.engine.rows import Rows
from netkit.engine.training import Run
from netkit.files.checkpoint import COUNTS, SIGN, Began, Checkpoints, newest, restore
from netkit.files.lock import locked
from netkit.tables.interruption import signals
from netkit.tensors import generator

OPTIONS = ["--target", "y", "--hidden", "8;dropout:rate=0.2;4", "--epochs", "6", "--batch", "7", "--quiet"]


@pytest.fixture
def table(tmp_path):
    rng = random.Random(0)
    rows = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(150)]
    text = "\n".join(",".join(f"{v:.4f}" for v in row) + f",{'ab'[row[0] + row[1] > 0]}" for row in rows)
    (tmp_path / "data.csv").write_text(f"x,u,v,w,y\n{text}\n")
    return tmp_path / "data.csv"


class Enough(Exception):
    pass


def begun(optimizer="adam", epochs=3, plan=True, rest=None, n=300, rate=1.0, **recipe):
    """A run that drops units, keeps means, shuffles and judges, over several chunks an epoch."""
    layers = [
        {"type": "dense", "units": 6, "activation": "tanh"},
        {"type": "dropout", "rate": 0.3},
        "batch_norm",
        {"type": "rates", "layers": ["dense:units=1"], "learning_rate": rate},
    ]
    model = Model(layers, "mean_squared_error", seed=3)
    x = torch.randn(n, 4, generator=generator(1, 0))
    rows, held_out = Rows(x[:-50], x[:-50].sum(1, True)), Rows(x[-50:], x[-50:].sum(1, True))
    recipe = Recipe(
        batch=2, epochs=epochs, optimizer=registry.optimizers[optimizer](), keep_best=True, plan=plan, **recipe
    )
    return Run(model.build((4,)), model.loss, rows, recipe, generator(3, 1), generator(3, 2), {}, held_out, rest)


def ended(run):
    records = list(run.epochs())
    return torch.cat([run.network.params, run.network.state]), [
        (each.number, each.loss, each.validation["loss"], each.best) for each in records
    ]


@settings(max_examples=25, deadline=None)
@given(
    optimizer=st.sampled_from(sorted(registry.optimizers)),
    rests=st.integers(1, 12),
    recipe=st.fixed_dictionaries(
        {
            "plan": st.booleans(),
            "clip": st.sampled_from([None, 0.1]),
            "patience": st.sampled_from([None, 1, 2]),
            "alpha": st.sampled_from([None, 0.05]),
            "epochs": st.sampled_from([3, 6]),
            "schedule": st.sampled_from([None, "warm_up:then=cosine"]),
            "average": st.sampled_from([None, 0.99]),
            "rate": st.sampled_from([1.0, 0.5]),
            "schedules": st.sampled_from([{}, {"1.rate": "cosine"}]),
        }
    ),
)
def test_a_run_taken_up_from_any_rest_ends_in_the_same_bits(tmp_path_factory, optimizer, rests, recipe):
    folder = tmp_path_factory.mktemp("run")
    weights, records = ended(begun(optimizer, **recipe))
    left = rests if recipe["plan"] else 40 * rests

    def rest(run):
        nonlocal left
        left -= 1
        if not left:
            Checkpoints(folder, Began({})).write(run)
            raise Enough

    first = []
    run = begun(optimizer, rest=rest, **recipe)
    try:
        for record in run.epochs():
            first.append(record)
    except Enough:
        state, tensors, _ = newest(folder)
        run = begun(optimizer, **recipe)
        restore(run, state, tensors)
    found, rest_of = ended(run)
    assert torch.equal(found, weights)
    assert [record[:2] for record in records[len(records) - len(rest_of) :]] == [record[:2] for record in rest_of]


def test_the_last_few_checkpoints_stay(tmp_path):
    run = begun()
    keeper = Checkpoints(tmp_path, Began({}), keep=2)
    for run.epoch in range(5):
        keeper.write(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000003-000000000000.checkpoint",
        "000004-000000000000.checkpoint",
    ]
    (tmp_path / ".000004-000000000000.checkpoint.77.part").write_text("cut off by a kill")
    Checkpoints(tmp_path, Began({}))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    run = begun()
    keeper = Checkpoints(tmp_path, Began({}))
    good = keeper.write(run)
    run.epoch = 1
    bad = keeper.write(run)
    whole = bad.read_bytes()
    for damage in (
        whole[:-1],
        whole[: len(whole) // 2],
        b"",
        whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
        b"x" + whole[1:],
    ):
        bad.write_bytes(damage)
        state, _, [note] = newest(tmp_path)
        assert state.counts["epoch"] == 0
        assert note == f"{bad}: damaged checkpoint: its checksum is wrong; the one before it is taken"
    good.write_bytes(b"")
    with pytest.raises(
        ModelFileError, match=re.escape(f"{tmp_path}: cannot be resumed: all of its 2 checkpoints are damaged")
    ):
        newest(tmp_path)


def signed(content):
    return SIGN + hashlib.sha256(content).digest() + content


def test_a_checkpoint_with_a_right_checksum_and_odd_content_is_refused(tmp_path):
    from safetensors.torch import save

    path = Checkpoints(tmp_path, Began({})).write(begun())
    content = path.read_bytes()[len(SIGN) + 32 :]
    said = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["netkit"])
    changes = [
        ({"format": 3}, "format 3 of netkit"),
        ({"format": "x"}, "Expected `int`"),
        ({"counts": {"epoch": 1}}, "does not say where"),
        ({"counts": said["counts"] | {"row": -1}}, "does not say where"),
        ({"more": 1}, "unknown field"),
        ({"began": []}, "Expected `object`"),
        ({"numbers": {"t": "x"}}, "Expected `float`"),
    ]
    for change, words in changes:
        path.write_bytes(signed(save({"a": torch.zeros(1)}, {"netkit": json.dumps(said | change)})))
        with pytest.raises(ModelFileError, match="all of its 1 checkpoints"):
            newest(tmp_path)
        from netkit.files.checkpoint import _unpacked

        with pytest.raises(ModelFileError, match=words):
            _unpacked(path)
    for odd in (
        b"",
        b"\xff" * 40,
        (10**15).to_bytes(8, "little") + b"{}",
        b"\x02" + b"\0" * 7 + b"{}",
        (40000).to_bytes(8, "little") + b"[" * 40000,
    ):
        path.write_bytes(signed(odd))
        with pytest.raises(ModelFileError, match="all of its 1 checkpoints"):
            newest(tmp_path)


def test_other_rows_another_network_or_optimizer_are_refused(tmp_path):
    Checkpoints(tmp_path, Began({})).write(begun())
    state, tensors, _ = newest(tmp_path)
    with pytest.raises(DataError, match="resume: the table or its preparation is not what it was"):
        restore(begun(n=301), state, tensors)
    for other in (begun("sgd"), begun("rmsprop")):
        with pytest.raises(ModelFileError, match="resume: the checkpoint does not fit this network and this optimizer"):
            restore(other, state, tensors)
    tensors["kept"] = tensors["kept"].double()
    with pytest.raises(ModelFileError, match="does not fit"):
        restore(begun(), state, tensors)


def test_an_optimizer_may_remember_numbers_but_nothing_else(tmp_path):
    run = begun()
    run.state["count"] = 3
    Checkpoints(tmp_path, Began({})).write(run)
    state, tensors, _ = newest(tmp_path)
    again = begun()
    again.state["count"] = 0
    restore(again, state, tensors)
    assert again.state["count"] == 3
    run.state["past"] = [1]
    with pytest.raises(SettingError, match="adam: a checkpoint keeps tensors and numbers, its state 'past' is list"):
        Checkpoints(tmp_path, Began({})).write(run)


def test_resume_from_the_shell_gives_the_same_file(cli, table, tmp_path):
    options = ["--patience", "9", "--metric", "f1", "--log"]
    assert cli("train", table, *OPTIONS, "--out", "whole.netkit", *options, "whole.log")[0] == 0
    assert (
        cli(
            "train",
            table,
            *OPTIONS,
            "--out",
            "part.netkit",
            "--checkpoint",
            "run",
            "--every",
            "1",
            "--keep",
            "9",
            *options,
            "part.log",
        )[0]
        == 0
    )
    assert (tmp_path / "whole.netkit").read_bytes() == (tmp_path / "part.netkit").read_bytes()
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert [name[:6] for name in names] == ["000001", "000002", "000003", "000004", "000005", "000006"]
    for name in names[3:]:
        (tmp_path / "run" / name).unlink()
    (tmp_path / "part.netkit").unlink()
    code, out, err = cli("train", "--resume", "run")
    assert code == 0 and "goes on after epoch 3\n" in out
    assert (tmp_path / "whole.netkit").read_bytes() == (tmp_path / "part.netkit").read_bytes()
    logs = [
        [json.loads(line) | {"seconds": 0} for line in (tmp_path / name).read_text().splitlines()]
        for name in ("whole.log", "part.log")
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 6


@pytest.mark.parametrize(
    "given, words",
    [
        (["--batch", "8"], "batch: a resumed run goes on as it was begun, with 7, got 8"),
        (["--target", "x"], "target: a resumed run goes on as it was begun, with 'y', got 'x'"),
        (["--hidden", "8"], "hidden: a resumed run goes on as it was begun, with [8, 'dropout:rate=0.2', 4], got [8]"),
        (["--config", "c.toml"], "config: a resumed run goes on as it was begun, and takes no configuration"),
    ],
)
def test_what_would_make_it_another_run_is_refused(cli, table, tmp_path, given, words):
    (tmp_path / "c.toml").write_text("epochs = 5\n")
    assert cli("train", table, *OPTIONS, "--checkpoint", "run")[0] == 0
    code, _, err = cli("train", "--resume", "run", *given)
    assert (code, err.splitlines()[-1]) == (2, f"netkit: {words}")


def test_a_run_with_a_schedule_may_not(cli, table, tmp_path):
    assert cli("train", table, *OPTIONS, "--checkpoint", "run", "--schedule", "cosine")[0] == 0
    code, _, err = cli("train", "--resume", "run", "--epochs", "9")
    assert (code, err) == (2, "netkit: epochs: the schedule of the run goes by its 6, got 9\n")


def test_another_table_to_judge_by_is_refused(cli, table, tmp_path):
    (tmp_path / "v.csv").write_text(table.read_text())
    assert cli("train", table, *OPTIONS, "--checkpoint", "run", "--validation", "v.csv")[0] == 0
    (tmp_path / "v.csv").write_text(table.read_text().replace("1", "2", 1))
    code, _, err = cli("train", "--resume", "run")
    assert code == 1 and "resume: the table or its preparation is not what it was" in err


def test_a_finished_run_may_be_given_more_epochs(cli, table, tmp_path):
    assert cli("train", table, *OPTIONS, "--checkpoint", "run", "--out", "a.netkit")[0] == 0
    assert cli("train", "--resume", "run", "--epochs", "9")[0] == 0
    assert cli("train", table, *OPTIONS, "--epochs", "9", "--out", "b.netkit")[0] == 0
    weights = [(tmp_path / name).read_bytes()[-300:] for name in ("a.netkit", "b.netkit")]
    assert weights[0] == weights[1]


def test_errors_of_resuming_are_one_line(cli, table, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    cases = {
        ("--resume", "nowhere"): (1, "nowhere: cannot be resumed: no such folder"),
        ("--resume", "empty"): (1, "empty: cannot be resumed: no checkpoint is in it"),
        (table, *OPTIONS, "--checkpoint", "file"): (1, "file: cannot be written: File exists"),
    }
    for arguments, (code, words) in cases.items():
        found, _, err = cli("train", *arguments)
        assert (found, err.splitlines()[-1]) == (code, f"netkit: {words}")
    code, _, err = cli("train", table, *OPTIONS, "--every", "often")
    assert code == 2 and "30s, 5min, 2h or a number of epochs is needed, got 'often'" in err
    assert cli("train", table, *OPTIONS, "--checkpoint", "run")[0] == 0
    code, _, err = cli("train", table, *OPTIONS, "--checkpoint", "run")
    assert (code, err) == (
        1,
        "netkit: run: holds the checkpoints of another run; go on with it by --resume, or name another folder\n",
    )
    table.write_text(table.read_text().replace("1", "2", 1))
    code, _, err = cli("train", "--resume", "run")
    assert (
        code == 1 and "resume: the table or its preparation is not what it was when the checkpoint was written" in err
    )


def started(table, tmp_path, *options):
    command = [sys.executable, "-m", "netkit", "train", *map(str, options)]
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a shell's background job ignores it
    return subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **heed)


def when(there, seconds=60):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number, code, word", [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_a_signal_saves_and_exits_and_the_run_goes_on_to_the_same_bits(cli, table, tmp_path, number, code, word):
    options = [table, *OPTIONS, "--epochs", "400"]
    process = started(table, tmp_path, *options, "--checkpoint", "run", "--out", "a.netkit", "--log", "log")
    when(lambda: (tmp_path / "log").exists() and len((tmp_path / "log").read_text().splitlines()) > 3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert re.fullmatch(
        rf"note: netkit train --resume run goes on\nnote: stopped by {word}: kept the weights of epoch \d+ of \d+, \S+ s of training\n",
        err,
    )
    assert cli("train", "--resume", "run")[0] == 0
    assert cli("train", *options, "--out", "b.netkit")[0] == 0
    assert (tmp_path / "a.netkit").read_bytes() == (tmp_path / "b.netkit").read_bytes()


def test_a_second_signal_ends_the_process_at_once(table, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time, sys\nfrom netkit.cli import main\nfrom netkit.engine.network import Network\n"
        "from netkit.engine.program import plan\nplan.Plan.fill = lambda *rest: (print('in', flush=True), time.sleep(60))\nmain(sys.argv[1:])\n"
    )
    command = [sys.executable, "slow.py", "train", str(table), *OPTIONS, "--checkpoint", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.stdout.readline() != "in\n":
        pass
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    process.communicate()


KILLS = int(os.environ.get("NETKIT_KILLS", "3"))
"""Set NETKIT_KILLS=100 for the whole truth."""


def test_killed_at_random_moments_the_run_goes_on_to_the_same_bits(cli, table, tmp_path):
    options = [table, *OPTIONS, "--epochs", "150"]
    assert cli("train", *options, "--out", "whole.netkit")[0] == 0
    rng = random.Random(1)
    for number in range(KILLS):
        folder = tmp_path / f"run{number}"
        process = started(table, tmp_path, *options, "--checkpoint", folder, "--every", "1", "--out", "part.netkit")
        when(lambda: list(folder.glob("*.checkpoint")) or process.poll() is not None)
        time.sleep(rng.random() * 0.5)
        process.kill()
        process.communicate()
        (tmp_path / "part.netkit").unlink(missing_ok=True)
        assert cli("train", "--resume", folder)[0] == 0
        assert (tmp_path / "part.netkit").read_bytes() == (tmp_path / "whole.netkit").read_bytes()
        shutil.rmtree(folder)


def limited(tmp_path, kilobytes, *arguments):
    command = f"ulimit -v {kilobytes}; exec {sys.executable} -m netkit {' '.join(map(str, arguments))}"
    return subprocess.run(
        command, shell=True, executable="/bin/bash", cwd=tmp_path, text=True, capture_output=True, timeout=120
    )


def test_memory_that_runs_out_is_one_line_and_the_last_checkpoint_stays(cli, table, tmp_path):
    assert cli("train", table, *OPTIONS, "--checkpoint", "run")[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    options = [table, "--target", "y", "--quiet", "--batch", 150]
    found = limited(tmp_path, 4_000_000, "train", *options, "--hidden", 3_000_000, "--out", "other.netkit")
    assert (found.returncode, found.stderr) == (
        1,
        "netkit: batch: 150 rows a step and 18000001 parameters need more memory than there is\n",
    )
    found = limited(tmp_path, 4_000_000, "train", *options, "--hidden", 300_000_000)
    assert (found.returncode, found.stderr) == (
        1,
        "netkit: network: layers for rows of shape (4,) need more memory than there is\n",
    )
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_model_cannot_be_read_from_a_pipe(cli, table, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = cli("predict", "pipe", table)
    assert (code, err) == (1, "netkit: pipe: not a netkit model: it is a pipe\n")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 64 KiB, where this machine lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if made.returncode:
        pytest.skip("no right to mount a file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_ends_the_run_in_one_line_and_leaves_the_last_checkpoint(cli, table, tmp_path, small_disk):
    options = [table, *OPTIONS, "--epochs", "30"]
    code, _, err = cli("train", *options, "--checkpoint", small_disk / "run", "--every", "1", "--keep", "99")
    first, second = err.splitlines()
    assert code == 1 and first == f"note: netkit train --resume {small_disk}/run goes on"
    assert re.fullmatch(
        rf"netkit: {small_disk}/run/\d+-0+\.checkpoint: cannot be written: No space left on device", second
    )
    assert cli("predict", "data.netkit", table)[0] == 0  # the best weights were saved where there is room
    names = [path.name for path in (small_disk / "run").iterdir()]
    assert names and all(name.endswith(".checkpoint") for name in names)
    assert newest(small_disk / "run")[2] == []
    shutil.copytree(small_disk / "run", tmp_path / "run")
    assert cli("train", "--resume", "run", "--keep", "2", "--out", "a.netkit")[0] == 0
    assert cli("train", *options, "--out", "b.netkit")[0] == 0
    assert (tmp_path / "a.netkit").read_bytes() == (tmp_path / "b.netkit").read_bytes()
    code, _, err = cli("train", *options, "--hidden", "500", "--out", small_disk / "m.netkit")
    assert code == 1 and "m.netkit: cannot be written: " in err and not (small_disk / "m.netkit").exists()


def test_a_folder_that_vanishes_ends_the_run_in_one_line(cli, table, tmp_path, monkeypatch):
    write = Checkpoints.write

    def gone(self, run):
        shutil.rmtree(self.folder)
        return write(self, run)

    monkeypatch.setattr(Checkpoints, "write", gone)
    code, _, err = cli("train", table, *OPTIONS, "--checkpoint", "run", "--every", "1")
    assert code == 1 and re.fullmatch(
        r"netkit: run/000001-0+\.checkpoint: cannot be written: there is no folder .*/run\n", err
    )


def test_every_count_comes_back(tmp_path):
    run = begun()
    for number, name in enumerate(COUNTS, start=3):
        setattr(run, name, number)
    run.total, run.best = 0.1 + 0.2, 1 / 3
    Checkpoints(tmp_path, Began({})).write(run)
    again = begun()
    restore(again, *newest(tmp_path)[:2])
    assert [getattr(again, name) for name in COUNTS] == list(range(3, 3 + len(COUNTS)))
    assert (again.total, again.best) == (run.total, run.best)


def test_a_killed_resumed_run_keeps_what_was_logged(cli, table, tmp_path):
    assert cli("train", table, *OPTIONS, "--checkpoint", "run", "--log", "log")[0] == 0
    lines = (tmp_path / "log").read_text().splitlines()
    (tmp_path / "kill.py").write_text(
        "import os, sys\nfrom netkit.engine import training\nfrom netkit.cli import main\n"
        "training.Run._pass = lambda *rest: os._exit(9)\nmain(sys.argv[1:])\n"
    )
    killed = subprocess.run(
        [sys.executable, "kill.py", "train", "--resume", "run", "--epochs", "9"], cwd=tmp_path, capture_output=True
    )
    assert killed.returncode == 9 and (tmp_path / "log").read_text().splitlines() == lines


def test_every_epoch_is_logged_however_often_the_run_is_stopped(cli, table, tmp_path, monkeypatch):
    """The signal comes with the end of an epoch."""
    from netkit.tables import run as running

    call = running.Saver.__call__

    def stopping(self, run):
        self._signals.came = signal.SIGTERM
        call(self, run)

    monkeypatch.setattr(running.Saver, "__call__", stopping)
    options = ["train", table, *OPTIONS, "--batch", "150", "--checkpoint", "run", "--log", "log"]
    assert cli(*options)[0] == 143
    for _ in range(4):
        assert cli("train", "--resume", "run")[0] == 143
    assert [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()] == [1, 2, 3, 4, 5]


def test_patience_counts_what_was_before_the_interruption():
    run = begun(epochs=9, patience=2)
    run.epoch, run.idle = 5, 4
    assert run.over and list(run.epochs()) == []


def test_the_table_that_judges_may_have_moved(cli, table, tmp_path):
    (tmp_path / "v.csv").write_text(table.read_text())
    assert cli("train", table, *OPTIONS, "--checkpoint", "run", "--validation", "v.csv")[0] == 0
    (tmp_path / "v.csv").rename(tmp_path / "w.csv")
    assert cli("train", "--resume", "run", "--validation", "w.csv")[0] == 0


def test_what_is_damaged_and_newer_makes_way(tmp_path):
    run = begun()
    keeper = Checkpoints(tmp_path, Began({}), keep=2)
    for run.epoch in (1, 2, 3):
        last = keeper.write(run)
    last.write_bytes(b"")
    run.epoch = 2
    run.row = 8
    keeper.write(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000002-000000000000.checkpoint",
        "000002-000000000008.checkpoint",
    ]


@pytest.mark.parametrize("name", ["netkit-nn/relu", "gone-away/relu"])
@pytest.mark.parametrize(
    "source", [("", "netkit-nn", "1"), ("activation", "x; rm -rf", "1"), ("poem", "netkit-nn", "9")]
)
def test_where_components_come_from_must_make_sense_in_a_checkpoint(tmp_path, cli, table, name, source):
    options = ["--target", "y", "--epochs", 2, "--checkpoint", "run", "--every", 1, "--quiet", "--out", "m.netkit"]
    assert cli("train", table, *options)[0] == 0
    path = max((tmp_path / "run").glob("*.checkpoint"))
    raw = path.read_bytes()[len(SIGN) + 32 :]
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    state = json.loads(header["__metadata__"]["netkit"])
    state["began"]["components"] = {name: dict(zip(("kind", "distribution", "version"), source))}
    header["__metadata__"]["netkit"] = json.dumps(state)
    text = json.dumps(header).encode()
    path.write_bytes(signed(len(text).to_bytes(8, "little") + text + raw[8 + size :]))
    code, _, err = cli("train", "--resume", "run", "--quiet", "--out", "again.netkit")
    assert "Traceback" not in err and "internal" not in err
    damaged = source[0] in ("", "activation")
    assert ("damaged checkpoint: components: " in err) == damaged and code == 0


def test_a_folder_of_checkpoints_belongs_to_one_run_at_a_time(cli, table, tmp_path):
    refused = "netkit: run: another run is at work in it; wait for its end, or name another folder\n"
    options = ["--checkpoint", "run", "--out", "a.netkit"]
    process = started(table, tmp_path, table, *OPTIONS, "--epochs", "1000000", *options, "--every", "1")
    when(lambda: list((tmp_path / "run").glob("*.checkpoint")) or process.poll() is not None)
    assert cli("train", table, *OPTIONS, "--checkpoint", "run")[::2] == (1, refused)
    assert cli("train", "--resume", "run")[::2] == (1, refused)
    process.kill()  # the lock goes with the process
    process.communicate()
    assert cli("train", "--resume", "run", "--epochs", newest(tmp_path / "run").state.counts["epoch"] + 1)[0] == 0
    assert all(path.suffix == ".checkpoint" for path in (tmp_path / "run").iterdir())


def test_a_lock_leaves_nothing_and_there_may_be_none(cli, table, tmp_path, monkeypatch):
    with locked(tmp_path / "a" / "b"), locked(None), pytest.raises(DataError, match="another run"), locked("a/b"):
        pass
    assert (tmp_path / "a").is_dir() and not (tmp_path / "a" / "b").exists()
    (tmp_path / "mine").mkdir()
    with locked("mine"):
        pass
    assert (tmp_path / "mine").is_dir()
    assert cli("train", "no.csv", *OPTIONS, "--checkpoint", "run")[0] == 1 and not (tmp_path / "run").exists()
    monkeypatch.setattr("fcntl.flock", lambda *given: (_ for _ in ()).throw(OSError(95, "not supported")))
    with locked("mine"), locked("mine"):
        pass
    monkeypatch.setattr("netkit.files.lock.fcntl", None)
    with locked("mine"), locked("mine"):
        pass


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals() as taken:
            os.kill(os.getpid(), signal.SIGINT)
            taken.check()
            assert signal.getsignal(signal.SIGTERM) is taken
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
