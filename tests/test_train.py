"""The one road: Python and the command, memory and a file, whole tables and pieces give the same model; 0.1's runs go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import netkit
from netkit import DataError, SettingError, UsageError
from netkit.tables.settings import Settings
from netkit.tables.split import KNOWN, Split
from netkit.tables.training import prepare

ROOT = Path(__file__).parents[1]
PENGUINS = ROOT / "examples" / "penguins.csv"
BEFORE = ROOT / "tests" / "files" / "0.1"
WAYS = {"memory": {}, "stream": {"memory": "600MB"}}


@pytest.mark.parametrize("way", WAYS)
def test_a_table_in_python_gives_the_model_of_the_command_to_the_bit(cli, tmp_path, way):
    options = [word for name, value in WAYS[way].items() for word in (f"--{name}", value)]
    assert (
        cli("train", PENGUINS, "--target", "species", "--epochs", 5, "--quiet", "--out", "one.netkit", *options)[0] == 0
    )
    table = pyarrow.csv.read_csv(
        PENGUINS, convert_options=pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    )
    for data in (table, PENGUINS, str(PENGUINS), pa.concat_tables([table.slice(0, 99), table.slice(99)])):
        model = netkit.train(data, "species", epochs=5, quiet=True, **WAYS[way])
        model.save(tmp_path / "two.netkit")
        assert (tmp_path / "one.netkit").read_bytes() == (tmp_path / "two.netkit").read_bytes()
    assert len(model.history) == 5 and model.scores["validation"]["accuracy"] > 0.5


def numbers(rows, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, rows)
    classes = np.array(list("aaaaaabbbc"))[rng.integers(0, 10, rows)]
    return pa.table({"x": x, "row": np.arange(rows) * 1.0, "who": [f"p{i}" for i in rng.integers(0, 40, rows)],
                     "class": classes, "y": x * 2 + rng.normal(0, 1, rows)})  # fmt: skip  # one column a line says less


def held_out(data, **how):
    """The numbers of the rows that validate, and of those that train."""
    chosen = Settings.of({"columns": {"who": "skip"} if "group" not in how else {}, **how})
    model, rows = prepare(data, chosen)
    parts = rows.parts(model.encoding, model.model.network)
    place = model.features.names.index("row")
    column = next(each.state for each in model.features.columns if each.name == "row")
    return [
        sorted(
            round(float(x) * column.scale + column.center)
            for window in part.windows(None)
            for x in window.rows.x[:, place]
        )
        for part in (parts.validation, parts.training)
    ]


@pytest.mark.parametrize("how", [{"target": "y"}, {"target": "class"}, {"target": "class", "group": "who"}])
@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_holds_out_the_same_rows_in_memory_and_streamed(tmp_path, how, seed):
    table = numbers(3000)
    pyarrow.csv.write_csv(table, tmp_path / "t.csv")
    columns = {"row": "number", **({} if "group" in how else {"who": "skip"})}
    chosen = {**how, "columns": columns, "seed": seed, "out": str(tmp_path / "m"), "validation": 0.2}
    one, two = held_out(table, **chosen), held_out(tmp_path / "t.csv", **chosen, memory="700MB")
    assert one == two and sorted(one[0] + one[1]) == list(range(3000))
    assert one != held_out(table, **{**chosen, "seed": seed + 1})


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 400),
    st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9]),
    st.integers(0, 9),
    st.booleans(),
    st.lists(st.integers(1, 400), max_size=5),
)
def test_a_split_meets_its_share_however_the_table_is_cut(rows, share, seed, grouped, places):
    table = numbers(rows, seed)
    by = "who" if grouped else "class"
    whole = Split(by, share, seed, grouped).held_out(table)
    ends = sorted({0, rows, *(each for each in places if each < rows)})
    cut = Split(by, share, seed, grouped)
    pieces = [cut.held_out(table.slice(a, b - a)) for a, b in zip(ends, ends[1:])]
    assert (np.concatenate(pieces) == whole).all()
    if grouped:
        who = np.array(table["who"].to_pylist())
        assert not set(who[whole]) & set(who[~whole])
        assert abs(len(set(who[whole])) - share * len(set(who))) < 1
    else:
        assert abs(whole.sum() - share * rows) < 4  # a row of each class, and of those that are counted together
        for each in "abc":
            of = np.array(table["class"].to_pylist()) == each
            assert abs(whole[of].sum() - share * of.sum()) < 2 + share * min(of.sum(), 1 / share) + 3 * share * 10


def test_a_target_of_numbers_is_split_to_the_row():
    for rows in (10, 57, 442, 5000):
        chosen = Split("y", 0.1, 3).held_out(numbers(rows))
        assert rows // 10 <= chosen.sum() <= rows // 10 + 1


@pytest.mark.parametrize("way", WAYS)
def test_small_tables_and_few_groups_have_something_to_validate_by(tmp_path, way):
    for seed in range(6):
        chosen = {"seed": seed, "out": str(tmp_path / "m"), **WAYS[way]}
        table = numbers(7, 1)
        assert [len(each) for each in held_out(table, target="y", **chosen)] == [1, 6]
        few = numbers(60).set_column(2, "who", pa.array([f"p{i % 3}" for i in range(60)]))
        assert [len(each) for each in held_out(few, target="y", group="who", **chosen)] == [20, 40]
    with pytest.raises(DataError, match="^4 rows are too few to hold out a share of 0.1$"):
        held_out(numbers(4), target="y", out=str(tmp_path / "m"), **WAYS[way])
    with pytest.raises(DataError, match="^who: at least 2 groups are needed to hold one out, got 1$"):
        one = numbers(60).set_column(2, "who", pa.array(["me"] * 60))
        held_out(one, target="y", group="who", out=str(tmp_path / "m"), **WAYS[way])


def test_many_groups_are_held_out_whole_and_by_their_share():
    rows = 3 * KNOWN
    table = pa.table({"who": [f"p{i // 2}" for i in range(rows)] * 2})
    chosen = Split("who", 0.2, 0, True).held_out(table)
    assert (chosen[:rows] == chosen[rows:]).all() and abs(chosen.mean() - 0.2) < 0.03


@pytest.mark.parametrize("name", [path.stem for path in sorted(BEFORE.glob("*.checkpoint"))])
def test_a_run_that_netkit_0_1_began_ends_in_the_bits_of_0_1(netkit, tmp_path, name):
    (tmp_path / "run").mkdir()
    shutil.copy(BEFORE / f"{name}.checkpoint", tmp_path / "run" / "000002-000000000000.checkpoint")
    done = netkit("train", BEFORE / "table.csv", "--resume", "run", "--out", "m.netkit")
    assert done.returncode == 0 and "goes on after epoch 2" in done.stdout, done.stderr
    found, wanted = load_file(tmp_path / "m.netkit"), load_file(BEFORE / f"{name}.model")
    assert found.keys() == wanted.keys() and all(torch.equal(found[each], wanted[each]) for each in found)
    one, two = (netkit("predict", path, BEFORE / "table.csv").stdout for path in ("m.netkit", BEFORE / f"{name}.model"))
    assert one == two and len(one.splitlines()) == 161


def test_a_run_that_0_1_began_may_be_interrupted_again(tmp_path):
    for name in ("classes-memory", "groups-stream"):
        run = tmp_path / name
        run.mkdir()
        shutil.copy(BEFORE / f"{name}.checkpoint", run / "000002-000000000000.checkpoint")
        how = {"resume": run, "quiet": True, "out": str(tmp_path / "m.netkit")}
        with pytest.raises(ZeroDivisionError):
            netkit.train(BEFORE / "table.csv", **how, callbacks=[lambda epoch: 1 / (epoch.number - 4)])
        assert (run / "000003-000000000000.checkpoint").exists()
        model = netkit.train(BEFORE / "table.csv", **how)
        wanted = load_file(BEFORE / f"{name}.model")
        assert len(model.history) == 1
        assert all(torch.equal(value, wanted[each]) for each, value in model.model.parameters().items())


def test_a_run_of_a_table_in_python_goes_on_with_the_table(tmp_path):
    table = numbers(400)
    options = {"target": "y", "epochs": 4, "quiet": True, "columns": {"who": "skip"}}
    whole = netkit.train(table, **options)
    seen = []
    with pytest.raises(ZeroDivisionError):
        netkit.train(
            table, **options, checkpoint=str(tmp_path), every=1, callbacks=[lambda e: seen.append(1 / (3 - e.number))]
        )
    with pytest.raises(DataError, match="a path, a table or an array is needed, got NoneType"):
        netkit.train(resume=tmp_path, quiet=True)
    again = netkit.train(table, resume=tmp_path, quiet=True)
    assert torch.equal(again.model.network.params, whole.model.network.params) and len(again.history) == 2
    with pytest.raises(SettingError, match="^batch: a resumed run goes on as it was begun, with 32, got 8$"):
        netkit.train(table, resume=tmp_path, batch=8)


def test_a_run_begun_with_relative_paths_goes_on_from_another_folder(tmp_path, monkeypatch):
    begun, elsewhere = tmp_path / "begun", tmp_path / "elsewhere"
    begun.mkdir()
    elsewhere.mkdir()
    for name in ("t.csv", "v.csv"):
        pyarrow.csv.write_csv(numbers(100), begun / name)
    monkeypatch.chdir(begun)
    how = {"quiet": True, "validation": "v.csv", "out": "m.netkit", "log": "log.jsonl", "checkpoint": "run"}
    netkit.train("t.csv", "y", epochs=2, **how)
    monkeypatch.chdir(elsewhere)
    assert len(netkit.train(resume=begun / "run", epochs=4).history) == 2
    assert not [*elsewhere.iterdir()] and len((begun / "log.jsonl").read_text().splitlines()) == 4
    assert netkit.tables.model.TableModel.load(begun / "m.netkit").scores.keys() == {"validation", "training"}


def test_a_table_in_memory_that_validates_is_given_again_when_a_run_is_resumed(tmp_path):
    table = numbers(100)
    how = {"validation": table.slice(0, 30), "quiet": True}
    netkit.train(table, "y", epochs=2, checkpoint=tmp_path / "run", **how)
    with pytest.raises(SettingError, match="^validation: the table in memory has to be given again, got none$"):
        netkit.train(table, resume=tmp_path / "run", epochs=4, quiet=True)
    with pytest.raises(DataError, match="^resume: the table or its preparation is not what it was"):
        netkit.train(table, resume=tmp_path / "run", epochs=4, quiet=True, validation=table.slice(1, 30))
    resumed = netkit.train(table, resume=tmp_path / "run", epochs=4, **how)
    assert resumed.scores == netkit.train(table, "y", epochs=4, **how).scores
    netkit.train(table, "y", epochs=2, checkpoint=tmp_path / "share", quiet=True)
    said = "^validation: a resumed run goes on as it was begun, with 0.1, got 'Table'$"
    with pytest.raises(SettingError, match=said):
        netkit.train(table, resume=tmp_path / "share", **how)
    with pytest.raises(SettingError, match="^group: groups are held out by a share of the rows, validation is Table$"):
        netkit.train(table, "y", group="x", **how)


def test_a_callback_ends_a_run_and_must_be_a_function():
    model = netkit.train(numbers(100), "y", quiet=True, callbacks=[lambda epoch: epoch.number == 3])
    assert len(model.history) == 3
    for train in (partial(netkit.train, target="y"), model.fit):  # before the table is read
        with pytest.raises(SettingError, match="^callbacks: a list of functions is needed, got 3$"):
            train("no-such-table.csv", quiet=True, callbacks=3)


def test_every_mistake_is_told_at_once_and_names_its_setting():
    with pytest.raises(SettingError) as caught:
        netkit.train(numbers(9), "y", epoch=3, alpha=-1, hidden=[8, "x"], metric="accuracyy", validation=1.0)
    assert str(caught.value) == (
        "there is no setting 'epoch'; did you mean epochs?; alpha: expected `float` > 0.0, got -1; "
        f"hidden[1]: layer 'x' is unknown; there are {', '.join(netkit.registry.layers)}; "
        "metric[0]: metric 'accuracyy' is unknown; did you mean accuracy, balanced_accuracy?; "
        "validation: expected `float` < 1.0, got 1.0"
    )
    with pytest.raises(SettingError, match="^target: the column to predict is needed$"):
        netkit.train(numbers(9))


ODD = {
    "share of nothing": ({"validation": 5e-324}, "300 rows are too few to hold out a share of 4.94066e-324"),
    "empty out": ({"out": ""}, "out: expected `str` of length >= 1, got ''"),
    "empty checkpoint": ({"checkpoint": ""}, "checkpoint: expected `str` of length >= 1, got ''"),
    "wrong type": (
        {"columns": {"x": "txt"}},
        "columns: x: skip or an encoder is needed, and encoder 'txt' is unknown; did you mean text?",
    ),
    "no validation table": ({"validation": "nowhere.csv"}, "nowhere.csv: cannot be read: no such file"),
    "nothing to resume": ({"resume": 3}, "resume: a folder of checkpoints is needed, got 3"),
    "empty resume": ({"resume": ""}, "resume: a folder of checkpoints is needed, got ''"),
    "null": ({"batch": None}, "batch: expected `int`, got None"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_is_one_line_before_anything_is_trained(case):
    given, message = ODD[case]
    with pytest.raises((UsageError, DataError)) as caught:
        netkit.train(numbers(300), "y", quiet=True, **given)
    assert str(caught.value) == message


def test_an_empty_path_is_no_table():
    with pytest.raises(DataError, match="^table: a path, a table or an array is needed, got ''$"):
        netkit.train("", "y")


def test_paths_and_numbers_of_numpy_are_what_they_are(tmp_path):
    given = {"epochs": np.int64(2), "validation": np.float32(0.25), "hidden": [np.int64(3)], "alpha": np.float64(0.01)}
    model = netkit.train(numbers(100), "y", quiet=True, out=tmp_path / "m.netkit", log=tmp_path / "log", **given)
    assert model.model.network.links[0].out_shape == (3,) and (tmp_path / "m.netkit").exists()
    assert len((tmp_path / "log").read_text().splitlines()) == 2 and model.scores["training"].rows == 75


def test_a_log_to_a_pipe_that_nobody_reads_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe: cannot be written: No such device or address"):
        netkit.train(numbers(60), "y", quiet=True, log=str(tmp_path / "pipe"))
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    netkit.train(numbers(60), "y", quiet=True, epochs=2, log=str(tmp_path / "pipe"))
    assert os.read(reader, 10**6).count(b"\n") == 2
    os.close(reader)


def test_a_trained_model_takes_whatever_train_takes(tmp_path):
    table = numbers(300)
    pyarrow.csv.write_csv(table, tmp_path / "t.csv")
    model = netkit.train(table, "y", epochs=3, quiet=True)
    for data in (table, tmp_path / "t.csv"):
        assert model.predict(data) == model.predict(str(tmp_path / "t.csv"))
        scores = model.evaluate(data)
        assert model.score(data) == scores["r2"] and model.score(data, "mean_absolute_error") > 0
    before = scores["loss"]
    assert model.fit(tmp_path / "t.csv", epochs=20, quiet=True, validation=0) is model
    assert model.evaluate(table)["loss"] < before and len(model.history) == 20
    again = netkit.tables.model.TableModel.load(_saved(model, tmp_path))
    assert again.evaluate(table) == model.evaluate(table)
    for name in ("target", "task", "columns", "hidden", "layers", "activation", "loss"):
        with pytest.raises(SettingError, match=f"^{name}: a trained model keeps its own; netkit.train makes another$"):
            model.fit(table, **{name: None})
    with pytest.raises(SettingError, match="^checkpoint: only a run of netkit.train can be resumed, not one of "):
        model.fit(table, checkpoint=str(tmp_path / "run"))


@pytest.mark.parametrize("way", WAYS)
def test_a_row_that_cannot_be_used_is_told_by_its_number_in_the_file(cli, tmp_path, way):
    rows = [f"{i},{'ab'[i % 2]}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    model = netkit.train(tmp_path / "t.csv", "y", epochs=1, quiet=True, columns={"x": "number"})
    rows[1], rows[20] = "1,", "word,a"
    (tmp_path / "bad.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    for use in (model.evaluate, model.predict, lambda data: model.fit(data, quiet=True, **WAYS[way])):
        with pytest.raises(DataError, match="x: row 21: 'word' is not a number$"):
            use(tmp_path / "bad.csv")
    rows[20] = "20,c"
    (tmp_path / "bad.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    for use in (model.evaluate, lambda data: model.fit(data, quiet=True, **WAYS[way])):
        with pytest.raises(DataError, match="y: row 21 holds 'c', a class that training never saw$"):
            use(tmp_path / "bad.csv")
    with pytest.raises(DataError, match="bad.csv: y: row 21 holds 'c', a class that training never saw$"):
        netkit.train(tmp_path / "t.csv", "y", validation=str(tmp_path / "bad.csv"), quiet=True, **WAYS[way])


def _saved(model, folder):
    model.save(folder / "m.netkit")
    return folder / "m.netkit"


def test_ctrl_c_in_python_leaves_the_best_weights_with_the_exception(tmp_path):
    code = f"""
import netkit
try:
    netkit.train({str(PENGUINS)!r}, "species", epochs=100000, quiet=True, out="m.netkit",
                 callbacks=[lambda epoch: print(epoch.number, flush=True) if epoch.number == 3 else None])
except KeyboardInterrupt as stopped:
    print(type(stopped).__name__, stopped.model.score({str(PENGUINS)!r}) > 0.5)
"""
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a shell's background job ignores it
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, **heed)
    assert process.stdout.readline() == "3\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "Interrupted True\n" and (tmp_path / "m.netkit").exists()


def test_training_in_a_thread_takes_no_signals(tmp_path):
    from threading import Thread

    found, before = [], signal.getsignal(signal.SIGINT)
    thread = Thread(target=lambda: found.append(netkit.train(numbers(60), "y", epochs=1, quiet=True)))
    thread.start()
    thread.join()
    assert len(found) == 1 and signal.getsignal(signal.SIGINT) is before


def test_metrics_of_epochs_are_in_the_unit_of_the_target(tmp_path):
    log = tmp_path / "log.jsonl"
    metric = ["mean_absolute_error", "r2"]
    model = netkit.train(PENGUINS, "body_mass_g", metric=metric, epochs=3, quiet=True, log=log)
    best = max(epoch.number for epoch in model.history if epoch.best)
    logged = json.loads(log.read_text().splitlines()[best - 1])["validation"]
    for record in (model.history[best - 1].validation, logged):
        assert record == pytest.approx(model.scores["validation"]) and record["mean_absolute_error"] > 100
