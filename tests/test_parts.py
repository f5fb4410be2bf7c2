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
from netkit.cli.job import prepare
from netkit.tables.groups import Grouped, check_groups, groups, split_groups
from sklearn.utils.class_weight import compute_class_weight

from netkit import DataError
from netkit.cli.train import train
from netkit.engine.rows import Rows
from netkit.tables.model import TableModel
from netkit.tables.weights import Weighing, balance

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


def job(path, *arguments):
    """What `netkit train` would train on."""
    options = train.make_context("train", [str(path), "--target", "y", *map(str, arguments)]).params
    return prepare(str(path), options.pop("target"), options)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=120), st.floats(0.01, 0.99), st.integers(0, 5))
def test_whole_groups_are_held_out_and_the_same_for_a_seed(labels, fraction, seed):
    group = groups(pa.chunked_array([labels[:5], labels[5:]], pa.int64()))
    sizes = group.bincount()
    if len(sizes) == 1:
        with pytest.raises(DataError, match="^who: at least 2 groups are needed to hold one out, got 1$"):
            split_groups("who", group, fraction, seed)
        return
    kept, held = split_groups("who", group, fraction, seed)
    assert sorted(torch.cat([kept, held]).tolist()) == list(range(len(labels))) and len(kept) and len(held)
    assert not {labels[i] for i in kept} & {labels[i] for i in held}
    assert abs(len(held) - fraction * len(labels)) <= int(sizes.max())
    assert all(torch.equal(*each) for each in zip((kept, held), split_groups("who", group, fraction, seed)))


def test_of_large_groups_the_smallest_is_held_out():
    group = torch.tensor([0] * 60 + [1] * 30 + [2] * 20 + [3] * 40)
    assert all(set(group[split_groups("who", group, 0.01, seed)[1]].tolist()) == {2} for seed in range(4))


def test_small_groups_meet_the_share_and_another_seed_takes_others():
    group = groups(pa.chunked_array([[f"p{i // 3}" for i in range(600)]]).dictionary_encode())
    held = [split_groups("who", group, 0.2, seed)[1] for seed in range(2)]
    assert [len(each) for each in held] == [120, 120] and not torch.equal(*held)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_balanced_classes_weigh_what_scikit_learn_says(codes):
    target = torch.nn.functional.one_hot(torch.tensor(codes), 4).float()
    present = np.unique(codes)
    wanted = compute_class_weight("balanced", classes=present, y=codes)
    assert balance(target)[torch.from_numpy(present)].tolist() == pytest.approx(wanted.tolist())
    weight = Weighing(classes=balance(target)).rows(Rows(target, target), pa.table({}), "training").weight
    assert float(weight.mean()) == pytest.approx(1, rel=1e-5)
    sums = (weight[:, None] * target).sum(0)[present]
    assert torch.allclose(sums, sums[:1].expand(len(present)), rtol=1e-4)


def test_a_column_weighs_rows_and_classes_may_be_balanced_beside_it(tmp_path):
    path = write(tmp_path / "t.csv")
    found = job(path, "--weights", "w", "--balanced", "--group", "who", "--validation", 0.2)
    assert found.table_model.features.names == ["x"]
    for part in (found.training, found.validation):
        assert float(part.weight.mean()) == pytest.approx(1, rel=1e-5)
    rows, target = found.training, found.training.target[:, 0]
    counts = torch.bincount(target.long())
    alone = job(path, "--weights", "w", "--group", "who", "--validation", 0.2).training.weight
    wanted = alone * (len(rows) / (2 * counts))[target.long()]
    assert torch.allclose(rows.weight, wanted / wanted.mean())
    assert set(map(float, (alone / alone.max()).unique() * 3)) == {0, 1, 2, 3}
    assert job(path).training.weight is None


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
    rows = {
        name: getattr(job(tmp_path / "t.csv", "--weights", "w", "--group", "who", "--validation", 0.4), name)
        for name in ("training", "validation")
    }
    for name, part in rows.items():
        alike = model.evaluate(replace(part, weight=None))
        assert model.evaluate(part) == model.scores[name]
        assert (
            model.scores[name]["loss"] != pytest.approx(alike["loss"], rel=1e-4)
            and model.scores[name]["accuracy"] == alike["accuracy"]
        )


def test_a_table_of_its_own_judges(cli, tmp_path):
    write(tmp_path / "t.csv")
    write(tmp_path / "v.csv", ROWS[:31], x={3: ""}, y={5: ""})
    code, out, err = cli("train", "t.csv", "--target", "y", "--validation", "v.csv", "--log", "log", *QUICK)
    assert code == 0 and "note: v.csv: y: 1 rows without a value are left out\n" in err
    said = float(re.search(r"validation  loss (\S+)", out)[1])
    assert float(cli("evaluate", "t.netkit", "v.csv")[1].split()[1]) == pytest.approx(said, rel=1e-3)
    assert "training" in out and len(job(tmp_path / "t.csv", "--validation", tmp_path / "v.csv").training) == 90
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
    "share": (["--validation", "nan"], {}, 2, "validation'?: a number is needed, got 'nan'"),
    "no share": (["--validation", ""], {}, 2, "validation'?: a share of the rows or a file is needed, got ''"),
    "average": (["--average", "1"], {}, 2, "average'?: 1.0 is not in the range 0<=x<1"),
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
    code, _, err = cli("train", "--resume", "../run")
    assert code == 0 and "goes on after epoch 2" in err
    assert (tmp_path / "part.netkit").read_bytes() == (tmp_path / "whole.netkit").read_bytes()


STREAM = ("--memory", "700MB")


def weights_of(source):
    """(input, target, weight) of every row, in one order whatever order they came in."""
    windows = [rows for rows, _, _ in source.windows(None)]
    parts = [torch.cat([getattr(rows, name) for rows in windows]) for name in ("x", "target", "weight")]
    values = torch.cat([parts[0], parts[1], parts[2][:, None]], 1)
    return values[np.lexsort(values.double().numpy().T[::-1])]


@pytest.mark.parametrize("chosen", [("--weights", "w"), ("--balanced",), ("--weights", "w", "--balanced")])
def test_streamed_rows_weigh_what_they_weigh_in_memory(tmp_path, chosen):
    path = write(tmp_path / "t.csv")
    judges = write(tmp_path / "v.csv", ROWS[3:70])
    options = (*chosen, "--validation", judges, "--out", tmp_path / "o.netkit")
    one, two = job(path, *options), job(path, *options, *STREAM)
    for part in ("training", "validation"):
        torch.testing.assert_close(weights_of(getattr(two, part)), weights_of(getattr(one, part)), rtol=1e-5, atol=1e-6)
    assert two.training.weighted and not job(path, "--out", tmp_path / "o.netkit", *STREAM).training.weighted


def test_streamed_groups_are_held_out_whole(tmp_path):
    rows = [{"x": f"{i % 13}", "who": f"{i // 5}", "y": "abb"[i % 3]} for i in range(900)]
    path = write(tmp_path / "t.csv", rows)
    out = ("--group", "who", "--out", tmp_path / "o.netkit", *STREAM, "--validation", 0.3)
    found = job(path, *out)
    parts = [
        set(source.spill.table(range(len(source.spill.sizes)))["who"].to_pylist())
        for source in (found.training, found.validation)
    ]
    assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == 180 and 30 < len(parts[1]) < 80
    assert found.table_model.features.names == ["x"]
    again = job(path, *out, "--seed", 1)
    assert set(again.validation.spill.table([0])["who"].to_pylist()) != parts[1]


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


def test_a_group_is_the_same_in_pieces_of_different_types():
    grouped = Grouped("who", 0.5, 0)
    whole = grouped.held_out(pa.chunked_array([[each * 10**15 for each in range(200)]]))
    assert 60 < whole.sum() < 140
    assert (grouped.held_out(pa.chunked_array([[each * 1e15 for each in range(200)]])) == whole).all()
