"""Which rows learn, which judge, and what each of them counts."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from netkit import DataError
from netkit.engine.targets import make_metrics
from netkit.tables import split as splitting
from netkit.tables.model import TableModel
from netkit.tables.settings import Settings
from netkit.tables.split import Split, check_groups
from netkit.tables.store import MemoryStore
from netkit.tables.target import Target
from netkit.tables.training import prepare
from netkit.tables.weights import RowWeights, class_weights

QUICK = ("--epochs", 3, "--quiet")
ROWS = [{"x": f"{i % 13}", "w": f"{i % 4}", "who": f"p{i // 7}", "y": "abb"[i % 3]} for i in range(90)]


def write(path, rows=ROWS, **changed):
    """A table, with values changed by column: {number of the row: value}."""
    rows = [{name: changed.get(name, {}).get(i, value) for name, value in row.items()} for i, row in enumerate(rows)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def job(path, **given):
    """The rows that `netkit train` would train on, those it would validate by, and the model."""
    model, rows = prepare(path, Settings.of({"target": "y", **given}))
    return *rows.parts(model.encoding, model.model.network)[:2], model


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=120), st.floats(0.01, 0.99), st.integers(0, 5))
def test_whole_groups_are_held_out_and_the_same_for_a_seed(labels, fraction, seed):
    column = pa.chunked_array([labels[:5], labels[5:]], pa.int64())
    groups = np.unique(labels)
    chosen = chosen_of(column, fraction, seed)
    if len(groups) == 1:
        assert chosen is None
        return
    kept, held = ({labels[i] for i in np.flatnonzero(rows)} for rows in (~chosen, chosen))
    assert kept and held and not kept & held and abs(len(held) - fraction * len(groups)) < 1
    assert (chosen == chosen_of(column, fraction, seed)).all()


def chosen_of(column, fraction, seed):
    """Which rows are held out, by a second pass where the first held out all or none; None where there is one group."""
    split, table = Split("who", fraction, seed, True), pa.table({"who": column})
    chosen = split.held_out(table)
    if len(set(column.to_pylist())) == 1:
        with pytest.raises(DataError, match="^who: at least 2 groups are needed to hold one out, got 1$"):
            split.again()
        return None
    return chosen if chosen.any() and not chosen.all() else split.again().held_out(table)


def test_the_share_is_that_of_the_groups_whatever_their_sizes():
    sizes = [600, 1, 20, 3, 40, 7, 90, 1, 1, 300]
    column = pa.chunked_array([np.repeat([f"p{i}" for i in range(10)], sizes)])
    held = [frozenset(np.array(column)[chosen_of(column, 0.1, seed)]) for seed in range(40)]
    assert {len(each) for each in held} == {1} and len({*held}) > 5


def test_groups_meet_the_share_and_another_seed_takes_others():
    column = pa.chunked_array([[f"p{i // 3}" for i in range(600)]]).dictionary_encode()
    held = [chosen_of(column, 0.2, seed) for seed in range(2)]
    assert [each.sum() for each in held] == [120, 120] and not (held[0] == held[1]).all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sampled_from([2, 4]))
def test_balanced_classes_weigh_what_scikit_learn_says(codes, classes):
    codes = [code % classes for code in codes]
    target = Target("y", "binary" if classes == 2 else "multiclass", tuple(range(classes)))
    stored, table = MemoryStore(), pa.table({"y": pa.array(codes, pa.int64())})
    for piece in (table.slice(0, 7), table.slice(7)):
        stored.add(piece)
    weights, present = class_weights(stored, target), np.unique(codes)
    wanted = compute_class_weight("balanced", classes=present, y=codes)
    assert weights[torch.from_numpy(present)].tolist() == pytest.approx(wanted.tolist())
    of_rows = RowWeights(target, classes=weights).scaled(stored, "training").of(table)
    assert float(of_rows.mean()) == pytest.approx(1, rel=1e-5)
    sums = np.bincount(codes, of_rows.numpy(), classes)[present]
    assert np.allclose(sums, sums[0], rtol=1e-4)


def test_a_column_weighs_rows_and_classes_may_be_balanced_beside_it(tmp_path):
    path = write(tmp_path / "t.csv")
    options = {"weights": "w", "group": "who", "validation": 0.2}
    rows, validation, model = job(path, balanced=True, **options)
    assert model.features.names == ["x"]
    for part in (rows, validation):
        assert float(part.weight.mean()) == pytest.approx(1, rel=1e-5)
    target = rows.target[:, 0]
    counts = torch.bincount(target.long())
    alone = job(path, **options)[0].weight
    wanted = alone * (len(rows) / (2 * counts))[target.long()]
    assert torch.allclose(rows.weight, wanted / wanted.mean())
    assert set(map(float, (alone / alone.max()).unique() * 3)) == {0, 1, 2, 3}
    assert job(path)[0].weight is None


def test_metrics_and_evaluate_count_all_rows_alike(cli, tmp_path):
    write(tmp_path / "t.csv")
    write(
        tmp_path / "none.csv",
        [{name: value for name, value in row.items() if name not in ("w", "who")} for row in ROWS],
    )
    assert (
        cli("train", "t.csv", "--target", "y", "--weights", "w", "--group", "who", "--validation", 0.4, *QUICK)[0] == 0
    )
    assert cli("evaluate", "t.netkit", "t.csv") == cli("evaluate", "t.netkit", "none.csv")
    model = TableModel.load(tmp_path / "t.netkit")
    training, validation, _ = job(tmp_path / "t.csv", weights="w", group="who", validation=0.4)
    for name, part in {"training": training, "validation": validation}.items():
        (alike, _), (own, _) = (
            model._evaluated(rows, make_metrics(model.model.loss, None)) for rows in (replace(part, weight=None), part)
        )
        assert own == model.scores[name]
        assert (
            model.scores[name]["loss"] != pytest.approx(alike["loss"], rel=1e-4)
            and model.scores[name]["accuracy"] == alike["accuracy"]
        )


def test_a_table_of_its_own_judges(cli, tmp_path):
    write(tmp_path / "t.csv")
    write(tmp_path / "v.csv", ROWS[:31], x={3: ""}, y={5: ""})
    code, out, err = cli("train", "t.csv", "--target", "y", "--validation", "v.csv", "--log", "log", *QUICK)
    assert code == 0 and "note: v.csv: y: 1 rows without a value are left out\n" in err
    said = float(re.search(r"^loss +(\S+)", out, re.M)[1])
    evaluated = re.search(r"^loss +(\S+)", cli("evaluate", "t.netkit", "v.csv")[1], re.M)[1]
    assert float(evaluated) == pytest.approx(said, rel=1e-3)
    assert "training" in out and len(job(tmp_path / "t.csv", validation=str(tmp_path / "v.csv"))[0]) == 90
    assert json.loads((tmp_path / "log").read_text().splitlines()[0])["validation"]["loss"] > 0


WRONG = {
    "weight missing": (["--weights", "w"], {"w": {4: ""}}, 1, "w: every row needs a weight, row 5 has none"),
    "weight negative": (["--weights", "w"], {"w": {4: -1.5}}, 1, "w: a weight is at least 0, row 5 holds -1.5"),
    "weight text": (
        ["--weights", "w"],
        {"w": {4: "much"}},
        1,
        "w: row 1: '0' is not a number|w: row 5: 'much' is not a number",
    ),
    "weight infinite": (["--weights", "w"], {"w": {4: "inf"}}, 1, "w: numbers must be finite, row 5 holds inf"),
    "all weights zero": (
        ["--weights", "w"],
        {"w": dict.fromkeys(range(90), 0)},
        1,
        "w of the training rows: one must be above 0, all are 0",
    ),
    "no such weights": (["--weights", "ww"], {}, 1, "there is no column 'ww'; did you mean w\\?"),
    "weights are the target": (["--weights", "y"], {}, 2, "weights: another column than the target is needed, got 'y'"),
    "group is the target": (["--group", "y"], {}, 2, "group: another column than the target is needed, got 'y'"),
    "group missing": (["--group", "who"], {"who": {8: ""}}, 1, "who: every row needs a group, row 9 has none"),
    "one group": (
        ["--group", "who"],
        {"who": dict.fromkeys(range(90), "me")},
        1,
        "who: at least 2 groups are needed to hold one out, got 1",
    ),
    "group and none": (
        ["--group", "who", "--validation", 0],
        {},
        2,
        "group: groups are held out by a share of the rows, validation is 0.0",
    ),
    "group and file": (
        ["--group", "who", "--validation", "v.csv"],
        {},
        2,
        "group: groups are held out by a share of the rows, validation is v.csv",
    ),
    "balanced regression": (
        ["--balanced", "--task", "regression"],
        {"y": {i: i for i in range(90)}},
        2,
        "balanced: a target with classes is needed, y is for regression",
    ),
    "no file": (["--validation", "nowhere.csv"], {}, 1, "nowhere.csv: cannot be read: no such file"),
    "file without target": (["--validation", "less.csv"], {}, 1, "less.csv: there is no column 'y'"),
    "file without input": (["--validation", "more.csv"], {}, 1, "more.csv: there is no column 'w'"),
    "class unseen": (
        ["--validation", "odd.csv"],
        {},
        1,
        "odd.csv: y: row 3 holds 'c', a class that training never saw",
    ),
    "file without weights": (["--validation", "more.csv", "--weights", "w"], {}, 1, "more.csv: there is no column 'w'"),
    "file of zero weights": (
        ["--validation", "zero.csv", "--weights", "w"],
        {},
        1,
        "zero.csv: w of the validation rows: one must be above 0, all are 0",
    ),
    "share": (["--validation", "nan"], {}, 2, "validation: expected `float` >= 0.0, got nan"),
    "no share": (["--validation", ""], {}, 2, "validation: a share of the rows or a table is needed, got ''"),
    "average": (["--average", "1"], {}, 2, "average: expected `float` < 1.0, got 1"),
    "schedule": (["--schedule", "cosin"], {}, 2, "schedule 'cosin' is unknown; did you mean cosine\\?"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_one_line(cli, tmp_path, case):
    arguments, changed, code, words = WRONG[case]
    write(tmp_path / "t.csv", **changed)
    write(tmp_path / "less.csv", [{"x": "1", "w": "1", "who": "me"}])
    write(tmp_path / "more.csv", [{"x": "1", "y": "a"}])
    write(tmp_path / "odd.csv", ROWS[:9], y={2: "c"})
    write(tmp_path / "zero.csv", ROWS[:9], w=dict.fromkeys(range(9), 0))
    found, _, err = cli("train", "t.csv", "--target", "y", *arguments, *QUICK)
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert found == code and len(lines) == 1 and re.search(f"^netkit: .*({words})(; there are .*)?[.]?$", lines[0]), err


def test_everything_together_is_resumed_to_the_same_bits(cli, tmp_path, monkeypatch):
    write(tmp_path / "t.csv")
    write(tmp_path / "v.csv", ROWS[:31])
    options = [
        "train",
        "t.csv",
        "--target",
        "y",
        "--validation",
        "v.csv",
        "--weights",
        "w",
        "--balanced",
        "--schedule",
        "warm_up:then=cosine",
        "--average",
        0.9,
        "--epochs",
        5,
        "--quiet",
    ]
    assert cli(*options, "--out", "whole.netkit")[0] == 0
    assert cli(*options, "--out", "part.netkit", "--checkpoint", "run", "--every", 1, "--keep", 9)[0] == 0
    for path in sorted((tmp_path / "run").iterdir())[2:]:
        path.unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "part.netkit").unlink()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, _ = cli("train", "--resume", "../run")
    assert code == 0 and "goes on after epoch 2" in out
    assert (tmp_path / "part.netkit").read_bytes() == (tmp_path / "whole.netkit").read_bytes()


STREAM = ("--memory", "700MB")


def weights_of(dataset):
    """(input, target, weight) of every row in order."""
    windows = [window.rows for window in dataset.windows(None)]
    parts = [torch.cat([getattr(rows, name) for rows in windows]) for name in ("x", "target", "weight")]
    return torch.cat([parts[0], parts[1], parts[2][:, None]], 1)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("chosen", [{"weights": "w"}, {"balanced": True}, {"weights": "w", "balanced": True}])
def test_streamed_rows_weigh_what_they_weigh_in_memory(tmp_path, chosen, own):
    path = write(tmp_path / "t.csv")
    judges = str(write(tmp_path / "v.csv", ROWS[3:70])) if own else 0.2
    options = {**chosen, "validation": judges, "out": str(tmp_path / "o.netkit")}
    one, two = job(path, **options), job(path, **options, memory="700MB")
    for part in range(2):
        assert torch.equal(weights_of(two[part]), weights_of(one[part]))
    assert two[0].weighted and not job(path, memory="700MB", out=options["out"])[0].weighted


@pytest.mark.parametrize("known", [40, 1000])
def test_streamed_groups_are_held_out_whole(tmp_path, known, monkeypatch):
    monkeypatch.setattr(splitting, "KNOWN", known)
    rows = [{"x": f"{i % 13}", "who": f"{i // 5}", "y": "abb"[i % 3]} for i in range(900)]
    path = write(tmp_path / "t.csv", rows)
    options = {"group": "who", "out": str(tmp_path / "o.netkit"), "memory": "700MB", "validation": 0.3}
    *found, model = job(path, **options)
    parts = [set(table["who"].to_pylist()) for part in found for table in part.store.tables()]
    assert len(parts) == 2 and not parts[0] & parts[1] and len(parts[0] | parts[1]) == 180
    assert 30 < len(parts[1]) < 80 if known < 180 else len(parts[1]) == 54
    assert model.features.names == ["x"]
    [again] = job(path, seed=1, **options)[1].store.tables()
    assert set(again["who"].to_pylist()) != parts[1]


@pytest.mark.parametrize(
    "changed, options, message",
    [
        ({"w": {41: "-2"}}, ("--weights", "w"), "w: a weight is at least 0, row 42 holds -2"),
        ({"who": {41: ""}}, ("--group", "who"), "who: every row needs a group, row 42 has none"),
        (
            {"w": dict.fromkeys(range(90), "0")},
            ("--weights", "w"),
            "w of the training rows: one must be above 0, all are 0",
        ),
        ({}, ("--validation", "v.csv"), "v.csv: y: row 6 holds 'new', a class that training never saw"),
    ],
)
def test_what_is_wrong_with_streamed_rows_is_one_line(cli, tmp_path, changed, options, message):
    write(tmp_path / "t.csv", **changed)
    write(tmp_path / "v.csv", y={5: "new"})
    assert cli("train", "t.csv", "--target", "y", *options, *STREAM, *QUICK)[0::2] == (1, f"netkit: {message}\n")


def test_a_list_is_no_group():
    with pytest.raises(DataError, match="^who: list<item: int64> cannot be a group$"):
        check_groups("who", pa.chunked_array([[[1], [2]]]))


@pytest.mark.parametrize("way", [(), STREAM])
def test_a_value_that_is_not_what_its_column_is_set_to_be_is_told_by_its_row_in_the_file(cli, tmp_path, way):
    write(tmp_path / "t.csv", x={77: "bad"})
    found = cli("train", "t.csv", "--target", "y", "--columns", "x=number", *way, *QUICK)
    assert found[0::2] == (1, "netkit: x: row 78: 'bad' is not a number\n")


def test_a_row_of_json_that_is_null_is_refused_in_a_stream_too(cli, tmp_path):
    (tmp_path / "t.jsonl").write_text('null\n{"x": 1, "y": 2}\n')
    found = cli("train", "t.jsonl", "--target", "y", *STREAM, *QUICK)
    assert found[0::2] == (1, "netkit: t.jsonl: not a table: a row is null; every row is an object\n")


@pytest.mark.parametrize("known", [1, 1000])
def test_a_group_is_the_same_in_pieces_of_different_types(known, monkeypatch):
    monkeypatch.setattr(splitting, "KNOWN", known)
    split = Split("who", 0.5, 0, True)
    whole = split.held_out(pa.table({"who": [each * 10**15 for each in range(200)]}))
    assert 60 < whole.sum() < 140
    table = pa.table({"who": [each * 1e15 for each in range(200)]})
    assert (split.held_out(table) == whole).all()
    assert 60 < (Split("who", 0.5, 1, True).held_out(table) == whole).sum() < 140


PINNED = {
    "numbers": (1000, 1, False, [2, 13, 14, 25, 32, 37, 42, 52, 59]),
    "classes": (1000, 20, False, [2, 13, 14, 34, 36, 41, 45, 46]),
    "groups": (1000, 2, True, [10, 11, 16, 17, 30, 31, 44, 45]),
    "groups by their names": (1, 2, True, [16, 17, 24, 25, 36, 37]),
}


@pytest.mark.parametrize("known, alike, grouped, rows", PINNED.values(), ids=PINNED)
def test_the_rows_of_a_seed_stay_what_they_are(known, alike, grouped, rows, monkeypatch):
    """Checkpoints do not say which rows were held out."""
    monkeypatch.setattr(splitting, "KNOWN", known)
    values = [i // alike if grouped or alike == 1 else i % 3 for i in range(60)]
    assert np.flatnonzero(Split("y", 0.15, 7, grouped).held_out(pa.table({"y": values}))).tolist() == rows
