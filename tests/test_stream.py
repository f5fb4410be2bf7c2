"""Tables that are larger than memory: what is fitted, split and trained is as in memory, and every row passes once an epoch."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather

from netkit import DataError, Model, SettingError
from netkit.engine.recipe import Recipe
from netkit.engine.training import Run
from netkit.tables import dataset, memory, store
from netkit.tables import summaries as summary
from netkit.tables.columns import RowError, rows_from
from netkit.tables.dataset import StoredRows, ahead
from netkit.tables.encoders import column_types
from netkit.tables.encoding import Encoding
from netkit.tables.features import Features, TableSummary
from netkit.tables.first_pass import first_pass
from netkit.tables.memory import Budget, available, budget_for, size_text
from netkit.tables.model import TableModel
from netkit.tables.read import read
from netkit.tables.settings import Settings
from netkit.tables.sources import Files
from netkit.tables.split import Split
from netkit.tables.store import FileStore, temporary_folder
from netkit.tables.summaries import Labels
from netkit.tables.target import Target
from netkit.tables.training import prepare
from netkit.tables.weights import RowWeights
from netkit.tensors import generator

MB = 10**6


def table_of(rows, seed=0):
    """Numbers with holes and a tail, whole numbers, dates, text, a name, and two targets."""
    rng = np.random.default_rng(seed)
    x, hole = rng.standard_t(2, rows) * 1e3 + 1e5, rng.random(rows) < 0.1
    when = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=int(h)) for h in rng.integers(0, 20000, rows)]
    return pa.table(
        {
            "x": pa.array(x, mask=hole),
            "n": rng.integers(0, 50, rows),
            "t": when,
            "w": pa.array([f"w{i % 7}" for i in range(rows)], mask=hole),
            "many": [f"m{i}" for i in rng.integers(0, 150, rows)],
            "name": [f"row {i}" for i in range(rows)],
            "y": x + rng.normal(0, 1, rows),
            "class": [f"c{i}" for i in rng.integers(0, 3, rows)],
        }
    )


def cut(table, places):
    """The table in pieces."""
    ends = sorted({min(each, len(table)) for each in places} | {0, len(table)})
    return [table.slice(start, end - start) for start, end in zip(ends, ends[1:])]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 3000), max_size=8))
def test_the_preparation_is_the_same_however_the_table_is_cut(places):
    table = table_of(3000)
    seen = TableSummary(("y", "class"), column_types({"many": "embedding"}))
    for piece in cut(table, places):
        seen.feed(piece)
    found, whole = Features.of(seen), Features.fit(table, exclude=("y", "class"), types={"many": "embedding"})
    assert (
        found == whole
        and found.names == whole.names
        and found.left_out == whole.left_out == {"name": "every value differs, as in a name"}
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 1000), max_size=8), st.sampled_from([1, 7, 100, 2000]))
def test_mean_and_deviation_have_the_same_bits_however_a_column_is_cut(places, block):
    table = table_of(1000)
    found, whole = (summary.NumberSummary() for _ in range(2))
    found.block = whole.block = block
    whole.feed(table["x"])
    for piece in cut(table, places):
        found.feed(piece["x"])
    assert (found.mean, found.deviation) == (whole.mean, whole.deviation)


@pytest.mark.parametrize("block", [None, 1000, summary.NumberSummary.block])
def test_mean_and_deviation_are_those_of_exact_arithmetic(block):
    from fractions import Fraction
    from statistics import pstdev

    values = (np.random.default_rng(0).normal(1e9, 1, 5000)).tolist()
    found = summary.NumberSummary()
    found.block = block
    for start in range(0, 5000, 700):
        found.feed(pa.chunked_array([values[start : start + 700]]))
    assert found.mean == pytest.approx(float(sum(map(Fraction, values)) / 5000), rel=1e-15)
    assert found.deviation == pytest.approx(pstdev(map(Fraction, values)), rel=1e-9)


@given(st.lists(st.integers(1, 5000), max_size=6), st.integers(1, 300))
def test_the_sample_for_quartiles_does_not_depend_on_the_cuts(places, most):
    values = pa.table({"x": np.random.default_rng(0).permutation(5000).astype(float)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "SAMPLE", most)
        found = summary.NumberSummary()
        for piece in cut(values, places):
            found.feed(piece["x"])
        stride = found._stride
        assert stride & (stride - 1) == 0 and most / 2 < len(found._sample) <= most
        assert found._sample.tolist() == values["x"].to_numpy()[::stride].tolist()


def test_levels_beyond_a_bound_are_forgotten_where_they_are_rare(monkeypatch):
    monkeypatch.setattr(summary, "MOST", 100)
    found = summary.TextSummary()
    for number in range(20):
        found.feed(pa.chunked_array([[f"{number} {i}" for i in range(90)] + ["often"] * 5]))
        assert len(found.counts) <= 100 + 91
    assert next(iter(found.counts.items())) == ("often", 100) and not found.differ


def test_too_many_classes_are_refused(monkeypatch):
    monkeypatch.setattr(summary, "MOST", 100)
    labels = Labels()
    for start in (0, 90, 180):
        labels.feed(pa.chunked_array([[f"c{i}" for i in range(start, start + 90)]]))
    with pytest.raises(DataError, match="^y: a target of classes has 180 at most, this one has more$"):
        Target.of("y", labels)


@pytest.mark.parametrize(
    "batches, task, classes",
    [
        ([[0, 1], [1.0, 0.0]], "binary", (0.0, 1.0)),
        ([[0.5, 1.5], [2, 3]], "regression", ()),
        ([["a"], ["b"], ["c"]], "multiclass", ("a", "b", "c")),
        ([[True], [False]], "binary", (False, True)),
        ([[], [1, 2]], "binary", (1, 2)),
    ],
)
def test_the_task_is_read_off_all_batches(batches, task, classes):
    labels = Labels()
    for batch in batches:
        labels.feed(pa.chunked_array([pa.array(batch)]))
    target = Target.of("y", labels)
    whole = Target.fit("y", pa.chunked_array([pa.array([each for batch in batches for each in batch])]))
    assert (target.task, target.classes) == (whole.task, whole.classes) == (task, classes)
    assert [type(each) for each in target.classes] == [type(each) for each in whole.classes]


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.99), st.integers(0, 2**63 - 1), st.lists(st.integers(1, 2000), max_size=5), st.integers(1, 30))
def test_a_share_of_each_class_is_held_out_wherever_the_table_is_cut(share, seed, places, classes):
    table = pa.table({"y": np.random.default_rng(1).integers(0, classes, 2000)})
    split = Split("y", share, seed)
    chosen = np.concatenate([split.held_out(piece) for piece in cut(table, places)])
    assert (chosen == Split("y", share, seed).held_out(table)).all()
    early = np.zeros(2000, dtype=bool)
    for label in range(classes):
        rows = np.flatnonzero(table["y"].to_numpy() == label)
        early[rows[: ceil(1 / share)]] = True
        late = rows[ceil(1 / share) :]
        assert abs(chosen[late].sum() - share * len(late)) <= 1
    assert abs(chosen[early].sum() - share * early.sum()) <= 1


def test_rows_to_hold_out_are_random_and_follow_the_seed():
    values = pa.table({"y": np.random.default_rng(0).normal(size=20000)})
    chosen, other = (Split("y", 0.1, seed).held_out(values) for seed in (0, 1))
    assert abs(chosen.mean() - 0.1) < 0.01 and 0.05 < (chosen & other).sum() / chosen.sum() < 0.2
    gaps = np.diff(np.flatnonzero(Split("y", 0.1, 0).held_out(pa.table({"y": ["a"] * 20000}))))
    assert set(gaps) == set(range(1, 20))  # every tenth at a random place: no period of the table can meet it


def source(rows, size, folder, portion=700, weights=None):
    """Rows that know their number, in a file."""
    made = FileStore(str(folder))
    table = pa.table({"x": np.arange(rows, dtype=float), "y": np.arange(rows) % 2})
    for start in range(0, rows, portion):
        made.add(table.slice(start, portion))
    made.close()
    target = Target.fit("y", table["y"])
    encoding = Encoding(Features.fit(table, exclude=("y",)), target)
    return StoredRows(made, encoding, size, weights and RowWeights(target, weights))


def passed(source, rng, start=0):
    """The numbers of the rows in the order in which they come."""
    found = []
    for rows, order, first in source.windows(rng, start):
        [column] = source.encoding.features.columns
        x = rows.x[:, 0].double() * column.state.scale + column.state.center
        numbers = x.round().long()
        assert torch.equal(rows.target[:, 0].long(), numbers % 2)
        found += (numbers if order is None else numbers[order.long()])[first:].tolist()
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 150), st.integers(1, 50), st.integers(1, 200), st.integers(1, 150), st.data())
def test_every_row_passes_once_an_epoch(tmp_path_factory, rows, block, size, portion, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "ROWS", block)
        patch.setattr(dataset, "GROUP", data.draw(st.integers(1, 5)))
        made = source(rows, size, tmp_path_factory.getbasetemp(), portion)
        assert len(made) == rows and passed(made, None) == list(range(rows))
        rng = generator(3, 1)
        first, second = passed(made, rng), passed(made, rng)
        assert sorted(first) == sorted(second) == list(range(rows))
        assert passed(made, generator(3, 1)) == first and (rows < 20 or first != second)
        start = data.draw(st.integers(0, rows - 1))
        rng = generator(3, 1)
        assert passed(made, rng, start) == first[start:] and passed(made, rng) == second
        assert all(len(window.rows) <= max(size, block) for window in made.windows(None))
        batch = data.draw(st.integers(1, 60))
        assert made.steps(batch) == sum(-(-len(window.rows) // batch) for window in made.windows(None))


def test_the_order_reaches_across_the_whole_table(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS", 20)
    first = passed(source(2000, 500, tmp_path), generator(0, 1))[:500]
    assert np.ptp(first) > 1500 and 0.15 < np.mean(np.diff(first) < 0) - 0.3 < 0.25


def test_what_is_stored_does_not_depend_on_the_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS", 64)
    made = [source(1000, 300, tmp_path, portion) for portion in (1, 63, 64, 700)]
    assert len({each.digest for each in made}) == 1 and made[0].digest != source(1000, 256, tmp_path).digest
    assert made[0].digest != source(999, 300, tmp_path).digest and list(tmp_path.iterdir()) == []


def test_types_that_widen_late_reach_the_rows_stored_before(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS", 2)
    made = FileStore(str(tmp_path))
    for values in ([1, 2, 2**53 + 1], [0.5], [None, None]):
        made.add(pa.table({"x": pa.array(values), "w": pa.array([None] * len(values)) if len(values) > 1 else ["a"]}))
    made.close()
    assert made.table(range(3)).to_pydict() == {
        "x": [1, 2, 2.0**53, 0.5, None, None],
        "w": [None] * 3 + ["a", None, None],
    }


def test_a_folder_without_room_is_told(tmp_path, monkeypatch):
    with pytest.raises(
        DataError,
        match="nowhere: a temporary file cannot be written: No such file or directory; TMPDIR names another folder$",
    ):
        FileStore(str(tmp_path / "nowhere"))
    made = FileStore("/tmp")
    with (
        open("/dev/full", "wb", buffering=0) as made._file,
        pytest.raises(
            DataError, match="^/tmp: a temporary file cannot be written: No space left on device; TMPDIR names"
        ),
    ):
        made.add(table_of(3000))
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert temporary_folder("a/b.netkit") == "/elsewhere"
    monkeypatch.delenv("TMPDIR")
    assert temporary_folder("a/b.netkit") == str(Path("a").absolute())


def test_rows_carry_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS", 16)
    made = source(100, 40, tmp_path, weights="x")
    assert made.weighted and not source(9, 9, tmp_path).weighted
    weights = torch.cat([window.rows.weight for window in made.windows(None)])
    assert weights.tolist() == list(range(100))


def test_the_next_is_made_while_one_is_used_and_errors_arrive():
    import threading

    made, called = [threading.Event() for _ in range(3)], 0

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        for number in ahead(items()):
            called += 1
            assert number == 2 or made[number + 1].wait(10)
    assert called == 3


class Enough(Exception):
    pass


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.booleans())
def test_a_run_taken_up_inside_an_epoch_ends_in_the_same_bits(tmp_path_factory, rests, plan):
    from netkit.files.checkpoint import Began, Checkpoints, newest, restore

    folder = tmp_path_factory.mktemp("run")

    def begun(rest=None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "ROWS", 32)
            made = source(400, 100, folder)
        model = Model(
            [
                {"type": "dense", "units": 4, "activation": "tanh"},
                {"type": "dropout", "rate": 0.2},
                {"type": "dense", "units": 1},
            ],
            "mean_squared_error",
        )
        recipe = Recipe(batch=10, epochs=3, optimizer=registry_adam(), keep_best=True, plan=plan)
        return Run(
            model.build((1,)),
            model.loss,
            made,
            recipe,
            generator(3, 1),
            generator(3, 2),
            {},
            source(50, 20, folder),
            rest,
        )

    whole = begun()
    records = [(each.number, each.validation) for each in whole.epochs()]
    left = rests if plan else 10 * rests

    def rest(run):
        nonlocal left
        left -= 1
        if not left:
            Checkpoints(folder, Began({})).write(run)
            raise Enough

    run = begun(rest)
    with pytest.raises(Enough):
        list(run.epochs())
    state, tensors, _ = newest(folder)
    run = begun()
    restore(run, state, tensors)
    again = [(each.number, each.validation) for each in run.epochs()]
    assert torch.equal(run.network.params, whole.network.params) and again == records[len(records) - len(again) :]


def registry_adam():
    from netkit import registry

    return registry.optimizers["adam"]()


def whole_of(files):
    """The table as it is read at once."""
    return pa.concat_tables(table for _, table in files.settled(lambda files: [*files.pieces(None)]))


CSV = "x,w,y\n" + "".join(f'{i},"line\n{i % 3}, ""end""",{"ab"[i % 2]}\n' for i in range(60))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize("size", [10, 37, 200, 10**6])
def test_lines_may_end_between_quotes_wherever_a_piece_ends(tmp_path, name, size):
    with pa.output_stream(str(tmp_path / name)) as file:
        file.write(CSV.encode())
    files = Files(str(tmp_path / name), text=("x",))
    pieces = [piece for _, piece in files.pieces(size) if len(piece)]
    assert len(pieces) > 1 or size > 1000
    assert pa.concat_tables(pieces).equals(whole_of(files))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text('ab",\n\r 1', max_size=4), min_size=2, max_size=2), min_size=1, max_size=12),
    st.integers(1, 30),
    st.booleans(),
)
def test_pieces_of_any_csv_make_the_whole(tmp_path_factory, rows, size, bare):
    """Also where quotes stand in fields without quotes, as nobody should write them, if no line ends between quotes."""
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    rows = [[cell.replace("\n", "n") if bare else cell for cell in row] for row in rows]
    quoted = [['"' + cell.replace('"', '""').replace("\r", "") + '"' for cell in row] for row in rows]
    if bare:
        quoted = [
            ["a" + re.sub("[,\n\r]", "", cell) if '"' in cell else word for cell, word in zip(row, words)]
            for row, words in zip(rows, quoted)
        ]
    path.write_text("p,q\n" + "".join(",".join(row) + "\n" for row in quoted), newline="")
    files = Files(str(path), text=("p", "q"))
    assert pa.concat_tables(piece for _, piece in files.pieces(size)).equals(whole_of(files))


def found_in(where, size, target="y", types=None, share=0.25, folder="/tmp"):
    split, types = Split(target, share, 0), types or {}
    skipped = {name for name, kind in types.items() if kind == "skip"}
    return first_pass(
        Files(str(where)), target, types, {}, {"validation": split}, lambda: FileStore(folder, skipped), size
    )


def table_in(kept):
    return kept.table(range(len(kept.sizes)))


def together(found):
    parts = [table_in(part) for part in (found.training, *found.held_out.values())]
    return sorted(pa.concat_tables(parts).to_pylist(), key=str)


LATE = {
    "whole, then not": ("1", "2.5"),
    "missing, then text": ("NA", "x"),
    "number, then text": ("007", "x"),
    "missing, then a date": ("", "2024-01-02"),
    "date, then text": ("2024-01-02", "soon"),
    "number, then a truth": ("2", "true"),
    "text, then a number": ("x", "007"),
}


@pytest.mark.parametrize("early, late", LATE.values(), ids=LATE)
def test_a_type_that_changes_late_is_the_type_of_the_whole(tmp_path, early, late):
    path = tmp_path / "t.csv"
    path.write_text("k,v,y\n" + "".join(f"{i},{late if i > 300 else early},{i % 2}\n" for i in range(400)))
    found, whole = found_in(path, 500), read(path)
    assert together(found) == sorted(whole.to_pylist(), key=str)
    assert Features.of(found.summary) == Features.fit(table_in(found.training), exclude=("y",))


def test_what_is_fitted_comes_from_the_training_rows_alone(tmp_path):
    pyarrow.csv.write_csv(table_of(3000).drop_columns(["name"]), tmp_path / "t.csv")
    found = found_in(tmp_path / "t.csv", 20_000)
    training = table_in(found.training)
    assert Features.of(found.summary) == Features.fit(training, exclude=("y",))
    assert Target.of("y", found.labels).scaled(found.scale) == Target.fit("y", training["y"])
    assert found.labels.count == 3000 and abs(len(training) - 2250) <= 2


def test_a_folder_of_formats_is_gone_through_as_it_is_read(tmp_path):
    (tmp_path / "parts").mkdir()
    table = table_of(600).drop_columns(["t"])
    for number, name in enumerate(("a.csv", "b.parquet", "c.csv.gz")):
        with pa.output_stream(str(tmp_path / "parts" / name)) as file:
            part = table.slice(200 * number, 200)
            pyarrow.parquet.write_table(part, file) if "parquet" in name else pyarrow.csv.write_csv(part, file)
    found = found_in(tmp_path / "parts", 4000, "class", {"name": "skip"})
    assert together(found) == sorted(read(tmp_path / "parts").drop_columns(["name"]).to_pylist(), key=str)


BROKEN = {
    "infinite": ("1", "inf", r"v: numbers must be finite, row 301 holds inf$"),
    "no number": ("1", "x", r"v: row 301: 'x' is not a number$"),
    "too many cells": (
        "1",
        "1,2",
        r"t\.csv: not a table: behind row \d+: CSV parse error: Expected 2 columns, got 3: 1,2,0$",
    ),
    "not UTF-8": ("1", "\xff", r"t\.csv: not UTF-8: line 302 holds b'\\xff'$"),
}


@pytest.mark.parametrize("early, late, message", BROKEN.values(), ids=BROKEN)
def test_errors_tell_the_place_in_the_whole_table(tmp_path, early, late, message):
    (tmp_path / "t.csv").write_text(
        "v,y\n" + "".join(f"{late if i == 300 else early},{i % 2}\n" for i in range(400)), encoding="latin-1"
    )
    with pytest.raises(DataError, match=message):
        found_in(tmp_path / "t.csv", 500, types=column_types({"v": "number"}))


@pytest.mark.parametrize(
    "text, message",
    [
        ("x,y\n", r"t\.csv: a header alone, and no rows$"),
        ("x,y\n1,\n2,\n", "^y: every value is missing$"),
        ("x,x,y\n1,2,3\n", "comes twice$"),
        ("x,y\n1,1\n3,\n", "^1 rows are too few to hold out a share of 0.25$"),
        ("x,z\n1,2\n", "^there is no column 'y'"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        found_in(tmp_path / "t.csv", 10)


def test_errors_count_rows_from_where_a_piece_begins():
    with pytest.raises(RowError, match="^v: row 1001: 'x' is not a number$"), rows_from(900), rows_from(100):
        raise RowError("v: row {row}: 'x' is not a number", 0)


def test_a_budget_is_shared_out():
    def network(parameters):
        return SimpleNamespace(params=SimpleNamespace(numel=lambda: parameters), links=[])

    made = FileStore("/tmp")
    made.add(table_of(5000))
    made.close()
    small, large = (Budget(size * MB).window(made, 100, 3, network(1000), 32) for size in (500, 2000))
    assert small % store.ROWS == 0 and large > 10 * small > 0 and large * 100 * 12 < 1600 * MB
    assert Budget(460 * MB).piece >= 4 * MB and Budget(10**12).piece == 2**25
    with pytest.raises(SettingError, match="^memory: at least 460MB are needed, got 459MB$"):
        Budget(459 * MB)
    with pytest.raises(
        SettingError,
        match="^memory: at least [23].*GB are needed for 100 inputs, 1000000000 parameters and 0 values a batch, got 500MB$",
    ):
        Budget(500 * MB).window(made, 100, 3, network(10**9), 32)
    layers = [{"type": "dense", "units": units} for units in (1000, 3)]
    wide = Model(layers, "mean_squared_error").build((100,))
    with pytest.raises(
        SettingError, match=" for 100 inputs, 104003 parameters and 100300000 values a batch, got 1000MB$"
    ):
        Budget(1000 * MB).window(made, 100, 3, wide, 100_000)
    assert [size_text(each) for each in (5 * MB, 1500 * MB, 24 * 10**9)] == ["5MB", "1500MB", "24GB"]


@pytest.mark.parametrize(
    "given, size",
    [("512MB", 512 * MB), ("2GB", 2000 * MB), ("800MiB", 800 * 2**20), ("1.5 gb", 1500 * MB), ("600000kB", 600 * MB)],
)
def test_memory_reads_as_people_write_it(given, size):
    assert [Settings.of({"target": "y", "memory": each}).memory for each in (given, size)] == [size, size]


def test_memory_that_cannot_be_is_one_line(cli, penguins, tmp_path):
    for size, words in (
        ("much", "netkit: memory: a size such as 512MB, 2GB or 800MiB is needed, got 'much'"),
        ("5MB", "netkit: memory: at least 460MB are needed, got 5MB"),
    ):
        code, _, err = cli("train", penguins, "--target", "species", "--memory", size)
        assert (code, err.splitlines()[-1]) == (2, words)
    (tmp_path / "c.toml").write_text('target = "species"\nmemory = 3\nepochs = 1\n')
    code, _, err = cli("train", penguins, "--config", "c.toml")
    assert code == 2 and "at least 460MB are needed" in err


def test_a_table_that_does_not_fit_is_streamed_by_itself(tmp_path, monkeypatch, caplog):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2\n" * 1000)
    assert budget_for(Files(str(tmp_path / "t.csv")), None) is None and available() > 0 and not caplog.messages
    sizes = {"t.csv": 1075, "t.parquet": 538, "t.csv.gz": 538}  # in memory text takes 8 times as much, others 16 times
    for name, size in sizes.items():
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size * MB)
    for name in sizes:
        files = Files(str(tmp_path / name))
        monkeypatch.setattr(memory, "available", lambda: 9010 * MB)
        assert budget_for(files, None) is None and not caplog.messages
        monkeypatch.setattr(memory, "available", lambda: 8000 * MB)
        assert budget_for(files, 700 * MB) == Budget(700 * MB) and not caplog.messages
        assert budget_for(files, None) == Budget(6000 * MB)
        [said] = caplog.messages
        assert re.fullmatch(
            f"{re.escape(files.where)}: takes about 900[08]MB in memory, 8000MB are available: "
            "streamed, as by --memory 6000MB",
            said,
        )
        caplog.clear()


@pytest.fixture
def many(tmp_path):
    pyarrow.csv.write_csv(table_of(6000).drop_columns(["name"]), tmp_path / "t.csv")
    return tmp_path / "t.csv"


@pytest.mark.parametrize("target", ["y", "class"])
def test_a_streamed_model_is_a_model(cli, many, tmp_path, monkeypatch, target):
    monkeypatch.setattr(Budget, "window", lambda *given: 1024)
    monkeypatch.setattr(Budget, "piece", 50_000)
    monkeypatch.setattr(store, "ROWS", 128)
    train = ["train", many, "--target", target, *"--epochs 3 --quiet --columns many=embedding".split()]
    code, out, err = cli(*train, "--out", "s.netkit", "--memory", "1GB")
    assert code == 0, err
    assert re.search(r"^streamed: 5,4\d\d rows in windows of 1,024$", out, flags=re.M)
    whole = cli(*train, "--out", "w.netkit")[1]
    assert out.splitlines()[0].partition("; network")[0] == whole.splitlines()[0].partition("; network")[0]
    losses = [float(re.search(r"^loss +(\S+)", text, re.M)[1]) for text in (out, whole)]
    assert max(losses) < 0.2 if target == "y" else losses[0] == pytest.approx(losses[1], rel=0.3)
    one, two = (TableModel.load(name) for name in ("s.netkit", "w.netkit"))
    assert (one.features, one.target) == (two.features, two.target)
    again = cli(*train, "--out", "s2.netkit", "--memory", "1GB")
    assert again[0] == 0 and (tmp_path / "s.netkit").read_bytes() == (tmp_path / "s2.netkit").read_bytes()
    model = TableModel.load("s.netkit")
    assert cli("predict", "s.netkit", many, "--out", "p.csv")[0] == 0
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == target and lines[1:] == [str(each) for each in model.predict(many)]


@pytest.mark.parametrize("target", ["y", "class"])
def test_the_rows_of_a_stream_are_those_in_memory_to_the_bit(many, monkeypatch, target):
    monkeypatch.setattr(Budget, "piece", 50_000)
    monkeypatch.setattr(store, "ROWS", 128)
    found = []
    for more in ({}, {"memory": "1GB", "out": str(many)}):
        model, rows = prepare(many, Settings.of({"target": target, "columns": {"many": "embedding"}, **more}))
        for part in rows.parts(model.encoding, model.model.network)[:2]:
            windows = [window.rows for window in part.windows(None)]
            found.append(torch.cat([torch.cat([each.x, each.target], 1) for each in windows]))
    assert [len(each) for each in found[:2]] == [5400, 600] and all(map(torch.equal, found[:2], found[2:]))


def test_resuming_a_streamed_run_from_the_shell_gives_the_same_file(cli, many, tmp_path, monkeypatch):
    monkeypatch.setattr(Budget, "window", lambda *given: 1024)
    options = ["--target", "y", "--memory", "1GB", "--epochs", "4", "--quiet"]
    assert (
        cli("train", many, *options, "--out", "a.netkit", "--checkpoint", "run", "--every", "1", "--keep", "9")[0] == 0
    )
    whole = (tmp_path / "a.netkit").read_bytes()
    for path in sorted((tmp_path / "run").iterdir())[2:]:
        path.unlink()
    code, out, _ = cli("train", "--resume", "run")
    assert code == 0 and "goes on after epoch 2" in out and (tmp_path / "a.netkit").read_bytes() == whole
    code, _, err = cli("train", "--resume", "run", "--memory", "2GB")
    assert code == 2 and "memory: a resumed run goes on as it was begun, with 1000000000, got 2000000000" in err


def test_predictions_and_scores_by_pieces_are_those_of_the_whole(cli, many, tmp_path, monkeypatch):
    from netkit.tables import read as reading

    assert cli("train", many, "--target", "class", "--epochs", "2", "--quiet", "--out", "m.netkit")[0] == 0
    table = pyarrow.csv.read_csv(many)
    odd = table.set_column(table.column_names.index("w"), "w", [["new" if i % 100 == 0 else "w1" for i in range(6000)]])
    odd = odd.set_column(
        odd.column_names.index("class"), "class", [[None if i % 7 == 0 else "c1" for i in range(6000)]]
    )
    pyarrow.csv.write_csv(odd, tmp_path / "odd.csv")
    whole = [
        cli("predict", "m.netkit", "odd.csv", "--probabilities"),
        cli("evaluate", "m.netkit", "odd.csv"),
        cli("evaluate", "m.netkit", "odd.csv", "--json"),
    ]
    monkeypatch.setattr(reading.batches, "__defaults__", (20_000,))
    pieces = [
        cli("predict", "m.netkit", "odd.csv", "--probabilities"),
        cli("evaluate", "m.netkit", "odd.csv"),
        cli("evaluate", "m.netkit", "odd.csv", "--json"),
    ]
    assert [each[0] for each in whole] == [0, 0, 0] and pieces[0][2] == whole[0][2] and pieces[1][2] == whole[1][2]
    assert (
        "note: w: 60 values that training never saw" in whole[0][2]
        and "note: class: 858 rows without a value are left out" in whole[1][2]
    )
    numbers = [
        np.array([line.split(",")[1:] for line in each[0][1].splitlines()[1:]], float) for each in (whole, pieces)
    ]
    assert np.allclose(*numbers, atol=1e-6) and len(numbers[0]) == 6000
    scores = [json.loads(each[2][1])["scores"] for each in (whole, pieces)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    (tmp_path / "bad.csv").write_text((tmp_path / "odd.csv").read_text() + "x,1,2024-01-01,w1,m1,1,c1\n")
    code, out, err = cli("predict", "m.netkit", "bad.csv", "--out", "kept.csv")
    assert (code, err) == (1, "netkit: x: row 6001: 'x' is not a number\n") and not list(tmp_path.glob("*kept*"))
    odd = odd.set_column(odd.column_names.index("class"), "class", [["c9" if i == 5999 else "c1" for i in range(6000)]])
    pyarrow.csv.write_csv(odd, tmp_path / "odd.csv")
    assert cli("evaluate", "m.netkit", "odd.csv")[2].startswith(
        "netkit: class: row 6000 holds 'c9', a class that training never saw"
    )


PEAK = """
import re, sys
from netkit.cli import main
try:
    main(sys.argv[1:])
finally:  # ru_maxrss would begin with that of the process that started this one
    print(int(re.search("VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024)
"""


def test_a_run_stays_within_its_memory_and_leaves_nothing_behind(tmp_path):
    table = pa.table({f"x{i}": np.random.default_rng(i).normal(size=600_000) for i in range(21)})
    feather.write_feather(table.rename_columns([*table.column_names[:-1], "y"]), tmp_path / "t.arrow", "uncompressed")
    assert 5 * table.nbytes > 500 * MB  # what reading, parting and preparing it whole would take

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[-1])

    train = [
        "train",
        "t.arrow",
        "--target",
        "y",
        "--epochs",
        "1",
        "--batch",
        "1024",
        "--hidden",
        "8",
        "--quiet",
        "--out",
        "m.netkit",
    ]
    assert run(*train, "--memory", "512MB") < 512 * MB
    assert run("predict", "m.netkit", "t.arrow", "--out", "p.csv") < 500 * MB
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.netkit", "p.csv", "t.arrow"]
