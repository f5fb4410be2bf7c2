"""Labels: compared as what they are, to the last digit, and given back as they were written in the training table."""

from __future__ import annotations

import csv
import datetime
import io
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import netkit
from netkit.errors import DataError, ModelFileError
from netkit.tables import columns, sources
from netkit.tables import split as splitting
from netkit.tables.columns import labels
from netkit.tables.features import Features
from netkit.tables.model import TableModel
from netkit.tables.sources import unified, widened
from netkit.tables.split import Places, Split
from netkit.tables.store import FileStore
from netkit.tables.summaries import Labels, NumberSummary
from netkit.tables.target import Target

FAST = ["--epochs", 8, "--hidden", "", "--alpha", 0.5, "--quiet", "--out", "m.netkit"]
WAYS = pytest.mark.parametrize("way", [(), ("--memory", "600MB")], ids=["whole", "streamed"])
BIG = {
    "int64": (1512345678901234560, 1512345678901234561),
    "negative": (-(2**63), -(2**63) + 1),
    "uint64": (2**64 - 2, 2**64 - 1),
    "three": (2**53, 2**53 + 1, 2**53 + 2),
    "three uint64": (2**64 - 3, 2**64 - 2, 2**64 - 1),
    "both signs": (-1, 2**64 - 2, 2**64 - 1),
    "twenty-four digits": (10**23, 10**23 + 1),
    "fifty digits": (10**49, 10**49 + 1),
}
WRITTEN = {
    "booleans": ("true", "false"),
    "large booleans": ("TRUE", "FALSE"),
    "leading zeros": ("01", "02", "10"),
    "trailing zeros": ("1.50", "2.50"),
    "signs": ("+1", "-1"),
    "powers": ("1e3", "2e3"),
    "decimals": ("1.10", "2.25"),
    "times": ("12:30", "13:45"),
    "seconds": ("12:30:00", "13:45:10"),
    "dates": ("2020-01-01", "2021-01-01"),
    "stamps with T": ("2020-01-01T10:00:00", "2020-01-02T10:00:00"),
    "stamps with blank": ("2020-01-01 10:00:00", "2020-01-02 10:00:00"),
    "stamps with zone": ("2020-01-01 10:00:00Z", "2020-01-02 10:00:00Z"),
    "fractions": ("2020-01-01T10:00:00.123456", "2020-01-01T10:00:00.123457"),
    "nanoseconds": ("2020-01-01T10:00:00.123456788", "2020-01-01T10:00:00.123456789"),
    "text": ("a,b", 'say "b"', "two\nlines"),
    "three times": ("12:30", "13:45", "14:00"),
}


def write(path, words, rows=60):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y"])
        writer.writerows(["abcdefgh"[i % len(words) % 8], words[i % len(words)]] for i in range(rows))


def predicted(out):
    return [row[0] for row in csv.reader(io.StringIO(out, newline=""))][1:]


@WAYS
@pytest.mark.parametrize("words", [*WRITTEN.values(), *(tuple(map(str, each)) for each in BIG.values())])
def test_labels_come_back_as_they_were_written(cli, tmp_path, words, way):
    write(tmp_path / "t.csv", words)
    task = ["--task", "binary" if len(words) == 2 else "multiclass"]
    code, out, err = cli("train", "t.csv", "--target", "y", *task, *FAST, "--validation", "t.csv", *way)
    assert code == 0, err
    assert re.search(r"^accuracy +1 +1 ", out, re.M)
    wanted = [words[i % len(words)] for i in range(60)]
    assert predicted(cli("predict", "m.netkit", "t.csv")[1]) == wanted
    assert re.search(r"^accuracy +1 ", cli("evaluate", "m.netkit", "t.csv", "--metric", "accuracy")[1], re.M)
    assert list(map(str, TableModel.load(tmp_path / "m.netkit").predict(tmp_path / "t.csv"))) == wanted
    head = cli("predict", "m.netkit", "t.csv", "--probabilities")[1]
    assert set(next(csv.reader(io.StringIO(head, newline="")))[1:]) == {f"y={word}" for word in words}


@WAYS
@pytest.mark.parametrize("values", [BIG["int64"], BIG["uint64"], BIG["three"], BIG["three uint64"]])
def test_large_numbers_of_a_typed_file_stay_apart(cli, tmp_path, values, way):
    kind = pa.uint64() if max(values) >= 2**63 else pa.int64()
    column = pa.array([values[i % len(values)] for i in range(60)], kind)
    pyarrow.parquet.write_table(
        pa.table({"x": ["abc"[i % len(values)] for i in range(60)], "y": column}), tmp_path / "t.parquet"
    )
    assert cli("train", "t.parquet", "--target", "y", *FAST, *way)[0] == 0
    assert re.search(r"^accuracy +1 ", cli("evaluate", "m.netkit", "t.parquet", "--metric", "accuracy")[1], re.M)
    assert TableModel.load(tmp_path / "m.netkit").predict(tmp_path / "t.parquet") == column.to_pylist()


@WAYS
def test_spellings_of_one_value_are_one_class_written_as_first_met(cli, tmp_path, way):
    write(tmp_path / "t.csv", ("1.0", "2", "1", "2.00"))
    assert "binary, 2 classes" in cli("train", "t.csv", "--target", "y", *FAST, *way)[1]
    assert set(predicted(cli("predict", "m.netkit", "t.csv")[1])) == {"1.0", "2"}
    assert cli("evaluate", "m.netkit", "t.csv", "--metric", "accuracy")[0] == 0


TYPED = {
    "whole": ([1, 2], pa.int32(), [1, 2]),
    "booleans": ([True, False], None, [True, False]),
    "floats": ([1.0, 2.0], None, [1.0, 2.0]),
    "text": (["01", "1"], None, ["01", "1"]),
    "decimals": ([Decimal("1.10"), Decimal("2.00")], None, ["1.10", "2.00"]),
    "whole decimals": ([Decimal(2**70), Decimal(2**70 + 1)], None, [2**70, 2**70 + 1]),
    "dates": ([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], None, ["2020-01-01", "2021-01-01"]),
    "times": ([datetime.time(12, 30), datetime.time(13)], pa.time32("s"), ["12:30:00", "13:00:00"]),
    "stamps": ([0, 86400], pa.timestamp("s", "Europe/Berlin"), ["1970-01-01 00:00:00", "1970-01-02 00:00:00"]),
    "durations": ([1, 2], pa.duration("s"), ["1", "2"]),
}


@pytest.mark.parametrize("values, kind, given_back", TYPED.values(), ids=TYPED)
def test_typed_labels_come_back_in_their_type_where_json_has_it(values, kind, given_back):
    column = pa.chunked_array([pa.array(values, kind)])
    target = Target.from_json(Target.fit("y", column).to_json())
    found = target.decode(target.encode(column))
    assert found == given_back and [*map(type, found)] == [*map(type, given_back)]


SAME = {
    "whole and float": ([1, 3], [1.0, 3.0]),
    "decimal": ([Decimal("1.10"), Decimal("2.00")], [1.1, 2]),
    "date and stamp": ([datetime.date(2020, 1, 1)], [datetime.datetime(2020, 1, 1)]),
    "resolutions": (
        pa.array([1000, 2001], pa.timestamp("ms")),
        pa.array([1000000, 2001000], pa.timestamp("us", "Asia/Tokyo")),
    ),
    "times": (pa.array([1, 36000], pa.time32("s")), pa.array([10**9, 36000 * 10**9], pa.time64("ns"))),
    "midnight": (pa.array([0], pa.time32("s")), pa.array([0], pa.time64("us"))),
}


@pytest.mark.parametrize("one, other", SAME.values(), ids=SAME)
def test_a_label_is_the_same_in_another_type(one, other, monkeypatch):
    one, other = (pa.chunked_array([pa.array(each)]) for each in (one, other))
    (places, found), (others, those) = labels(one), labels(other)
    assert [found[place] for place in places] == [those[place] for place in others]
    assert all(each for each in found if isinstance(each, str))
    for known in (1, 1000):
        monkeypatch.setattr(splitting, "KNOWN", known)
        found = [Split("g", 0.5, 0, True).held_out(pa.table({"g": each})) for each in (one, other)]
        assert (found[0] == found[1]).all()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=9, unique=True), st.integers(0, 2))
def test_whole_numbers_are_told_apart_to_the_last_digit(values, near):
    values = [*values, *(each + 1 for each in values if near and each + 1 < 2**63 and each + 1 not in values)]
    column = pa.chunked_array([pa.array(values, pa.int64())])
    target = Target.fit("y", column, "binary" if len(values) == 2 else "multiclass")
    assert target.decode(Target.from_json(target.to_json()).encode(column)) == values
    codes, places = Places().of(column)
    assert codes.tolist() == [*range(len(values))] and not places.any()


def test_a_split_counts_a_label_once_in_pieces_of_different_types():
    whole, pieces = Split("y", 0.3, 4), Split("y", 0.3, 4)
    values = [1, 2, 3] * 40
    halves = [pa.chunked_array([values[:60]]), pa.chunked_array([[float(each) for each in values[60:]]])]
    found = np.concatenate([pieces.held_out(pa.table({"y": each})) for each in halves])
    assert (found == whole.held_out(pa.table({"y": values}))).all()


@pytest.mark.parametrize("known", [1, 1000])
def test_large_groups_are_told_apart(known, monkeypatch):
    monkeypatch.setattr(splitting, "KNOWN", known)
    found = Split("g", 0.5, 0, True).held_out(pa.table({"g": [2**60 + each for each in range(200)]}))
    assert 60 < found.sum() < 140


def test_groups_of_a_csv_file_are_told_apart(cli, tmp_path):
    rows = "".join(f"{i},{2**64 - 1 - i % 2},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("x,g,y\n" + rows)
    found = cli("train", "t.csv", "--target", "y", "--group", "g", *FAST, "--validation", 0.5)
    assert (found[0], "1 of 2 groups" in found[2]) == (0, True)


@WAYS
def test_whole_numbers_with_and_without_a_sign_meet(cli, tmp_path, way):
    (tmp_path / "parts").mkdir()
    for number, (kind, values) in enumerate([(pa.int64(), (-1, 5)), (pa.uint64(), (2**64 - 1, 5))]):
        table = pa.table({"x": [0, 1] * 20, "y": pa.array(values * 20, kind)})
        pyarrow.parquet.write_table(table, tmp_path / "parts" / f"{number}.parquet")
    assert "multiclass, 3 classes" in cli("train", "parts", "--target", "y", *FAST, *way)[1]
    assert TableModel.load(tmp_path / "m.netkit").target.classes == (-1, 5, 2**64 - 1)


def test_types_that_meet_hold_every_whole_number():
    one, other = pa.table({"a": pa.array([-1])}), pa.table({"a": pa.array([2**64 - 1], pa.uint64())})
    schema = unified(one.schema, other.schema)
    assert [int(widened(each, schema)["a"][0].as_py()) for each in (one, other)] == [-1, 2**64 - 1]


def test_a_store_keeps_large_numbers(tmp_path):
    store = FileStore(str(tmp_path))
    for each in (pa.array([-1]), pa.array([2**64 - 1], pa.uint64())):
        store.add(pa.table({"a": each}))
    store.close()
    assert [int(each) for each in store.table([0])["a"].to_pylist()] == [-1, 2**64 - 1]


@WAYS
@pytest.mark.parametrize(
    "words",
    [
        [str(datetime.date(2020, 1, 1) + datetime.timedelta(days=i)) for i in range(60)],
        [f"2020-01-01T10:{i:02}:00" for i in range(60)],
        [f"2020-01-01T10:{i:02}:00Z" for i in range(60)],
        [f"2020-01-01T10:{i:02}:00.125" for i in range(60)],
    ],
    ids=["days", "seconds", "zone", "fractions"],
)
def test_a_regression_on_dates_gives_dates(cli, tmp_path, words, way):
    with open(tmp_path / "t.csv", "w") as file:
        file.write("x,y\n" + "".join(f"{i},{word}\n" for i, word in enumerate(words)))
    options = [*FAST, "--epochs", 300, "--alpha", 0.05, "--validation", "t.csv"]
    assert cli("train", "t.csv", "--target", "y", *options, *way)[0] == 0
    found = predicted(cli("predict", "m.netkit", "t.csv")[1])
    times = [[np.datetime64(each.rstrip("Z")) for each in some] for some in (words, found)]
    step = times[0][1] - times[0][0]
    assert all(abs(one - other) <= 2 * step for one, other in zip(*times))
    assert {len(each) for each in found} <= {len(words[0].rstrip("Z")), len("2020-01-01T10:00:00.000000")}
    assert re.search(r"^r2 +(1|0\.99\S*) ", cli("evaluate", "m.netkit", "t.csv", "--metric", "r2")[1], re.M)


def test_a_regression_on_dates_stays_in_the_years_that_iso_has():
    column = pa.chunked_array([pa.array([0, 1, 5], pa.date32())])
    target = Target.fit("y", column, "regression")
    ends = [[-1e30], [1e30], [float("nan")]]
    assert target.decode(torch.tensor(ends)) == ["0001-01-01", "9999-12-31", "1970-01-01"]


def test_a_regression_on_numbers_gives_numbers(cli, tmp_path):
    write(tmp_path / "t.csv", [str(i / 7) for i in range(60)])
    assert cli("train", "t.csv", "--target", "y", *FAST)[0] == 0
    assert all(isinstance(each, float) for each in TableModel.load(tmp_path / "m.netkit").predict(tmp_path / "t.csv"))


def test_decimal_commas_are_spelled_and_measured(cli, tmp_path):
    (tmp_path / "t.csv").write_text("x;y\n" + "".join(f"{i % 2};{('1,50', '2,5')[i % 2]}\n" for i in range(60)))
    options = ["--separator", ";", "--decimal", ","]
    assert cli("train", "t.csv", "--target", "y", *options, *FAST)[0] == 0
    assert set(predicted(cli("predict", "m.netkit", "t.csv", *options)[1])) == {"1,50", "2,5"}
    assert cli("train", "t.csv", "--target", "y", *options, *FAST, "--task", "regression")[0] == 0


def test_labels_that_come_as_text_are_read_as_they_were_spelled_or_as_numbers():
    column = pa.chunked_array([[1.5, 2.5]])
    target = Target.fit("y", column, spelled={1.5: "1.50"})
    text = pa.chunked_array([["1.50", "1.5", "2.5"]])
    assert target.encode(text).flatten().tolist() == [0, 0, 1]
    with pytest.raises(DataError, match="^y: row 2 holds 'two', a class that training never saw$"):
        target.encode(pa.chunked_array([["2.5", "two"]]))


def test_spelled_classes_must_be_as_many():
    data = {**Target.fit("y", pa.chunked_array([[1, 2]])).to_json(), "spelled": ["1"]}
    with pytest.raises(ModelFileError, match="^the target is damaged: 1 of its classes are spelled$"):
        Target.from_json(data)


def test_a_model_of_the_first_version_has_plain_classes():
    data = {"name": "y", "task": "binary", "classes": ["12:30:00", "13:45:00"], "mean": 0.0, "scale": 1.0}
    target = Target.from_json(data)
    assert target.words and target.labels == ("12:30:00", "13:45:00")
    assert target.encode(pa.chunked_array([pa.array([45000], pa.time32("s"))])).item() == 0


def test_the_summary_of_labels_is_exact():
    found = Labels()
    found.feed(pa.chunked_array([[2**60, 2**60 + 1]]))
    found.feed(pa.chunked_array([pa.array([2**64 - 1], pa.uint64())]))
    assert [*found.values] == [2**60, 2**60 + 1, 2**64 - 1]


@WAYS
@pytest.mark.parametrize("first", [0, 1, 7, 1950])
def test_a_first_column_without_a_name_gets_one_and_is_left_out_where_it_names_the_rows(cli, tmp_path, first, way):
    rows = "".join(f"{i + first},{i % 5},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "t.csv").write_text('"",x,y\n' + rows)
    code, _, err = cli("train", "t.csv", "--target", "y", *FAST, *way)
    why = {0: "it numbers the rows", 1: "it numbers the rows", 7: "its whole numbers name the rows"}.get(first)
    about = "column 1: has no name in the file"
    if why:
        about = (
            f"column 1: left out: it has no name in the file, and {why}; --columns 'column 1=number' decides otherwise"
        )
    assert code == 0 and f"note: {about}\n" in err
    assert ("column 1" in TableModel.load(tmp_path / "m.netkit").features.names) == (first == 1950)
    assert cli("predict", "m.netkit", "t.csv")[0] == 0


@pytest.mark.parametrize("header", ["x,,y", ",column 1,y"])
def test_other_columns_without_a_name_are_refused(cli, tmp_path, header):
    (tmp_path / "t.csv").write_text(header + "\n" + "1,2,3\n" * 9)
    assert "every column needs a name" in cli("train", "t.csv", "--target", "y", *FAST)[2]


def test_a_near_name_with_blanks_is_quoted(cli, tmp_path):
    (tmp_path / "t.csv").write_text("a, num\n" + "1,2\n" * 9)
    assert (
        cli("train", "t.csv", "--target", "num", *FAST)[2] == "netkit: there is no column 'num'; did you mean ' num'?\n"
    )


class Counting:
    """A table or a schema that counts how many names were listed in all."""

    def __init__(self, inner):
        self._inner, self.listed = inner, 0

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        self.listed += len(found) if name in ("names", "column_names") else 0
        return found

    def __getitem__(self, name):
        return self._inner[name]


@pytest.mark.parametrize("width", [10, 100])
def test_finding_columns_lists_the_names_of_a_table_once_at_most(width):
    table = pa.table({f"c{i}": [1.0, 2.0] for i in range(width)})
    features, found = Features.fit(table), Counting(table)
    for each in features.columns:
        columns.column(found, each.name)
    one, other = Counting(table.schema), Counting(table.schema)
    sources._refuse_differing(Path("a"), one, Path("b"), other)
    assert found.listed <= width and one.listed <= 2 * width >= other.listed


@WAYS
@pytest.mark.parametrize("options", [["--target", "\udcec"], ["--target", "y", "--columns", "\udcec=text"]])
def test_a_name_that_utf_8_cannot_write_is_no_column(cli, tmp_path, options, way):
    write(tmp_path / "t.csv", ("a", "b"))
    found = cli("train", "t.csv", *options, *FAST, *way)
    assert found[0] == 1 and "there is no column '\\udcec'; there are x, y" in found[2]


@WAYS
def test_a_target_without_a_value_is_told(cli, tmp_path, way):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,\n" * 9)
    assert cli("train", "t.csv", "--target", "y", *FAST, *way)[0::2] == (1, "netkit: y: every value is missing\n")


def test_times_that_come_as_text_are_known_by_their_spelling():
    target = Target.fit("y", TIMES, spelled={"12:30:00": "12:30", "13:00:00": "13:00"})
    assert target.encode(pa.chunked_array([["13:00", "12:30:00"]])).flatten().tolist() == [1, 0]


TIMES = pa.chunked_array([pa.array([45000, 46800], pa.time32("s"))])


@WAYS
def test_a_first_column_without_a_name_can_be_set(cli, tmp_path, way):
    (tmp_path / "t.csv").write_text(",x,y\n" + "".join(f"{i},{i % 5},{'ab'[i % 2]}\n" for i in range(60)))
    code, _, err = cli("train", "t.csv", "--target", "y", "--columns", "column 1=number", *FAST, *way)
    assert code == 0 and "column 1" not in err
    assert "column 1" in TableModel.load(tmp_path / "m.netkit").features.names


@pytest.mark.parametrize("way", [(), ("--memory", "700MB")])
def test_a_target_that_is_hardly_one_of_classes_is_told(cli, tmp_path, way):
    names = "a,y\n" + "".join(f"{i % 5},name {i}\n" for i in range(60))
    years = "a,y\n" + "".join(f"{i % 7},{1990 + i % 6}\n" for i in range(60))
    for name, text in (("names", names), ("years", years)):
        (tmp_path / f"{name}.csv").write_text(text)
    options = ("--target", "y", "--epochs", "1", "--quiet", "--validation", "0", *way)
    code, _, err = cli("train", "names.csv", *options)
    said = "note: y: 60 classes in 60 rows, hardly a row of each to learn from; is it a name or a date?\n"
    assert (code, err) == (0, said)
    said = "note: y: its 6 values are taken for classes; task regression predicts a number\n"
    assert cli("train", "years.csv", *options)[2] == said == cli("inspect", "years.csv", "--target", "y")[2]
    for task in ("multiclass", "regression"):
        assert said not in cli("train", "years.csv", *options, "--task", task, "--out", f"{task}.netkit")[2]


@pytest.mark.parametrize("way", [{}, {"memory": "700MB"}])
@pytest.mark.parametrize("unit", [1e-300, 2.0**-600, 1e-160, 1e160, 2.0**600, 1e300])
def test_a_target_and_a_column_in_any_unit_train_as_in_their_own(tmp_path, unit, way):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (300, 2))
    how = {"epochs": 5, "quiet": True, "test": 0.2, "out": tmp_path / "m.netkit", **way}
    tables = [pa.table({"a": x[:, 0] * u, "b": x[:, 1], "y": (x.sum(1) + 3) * u}) for u in (1.0, unit)]
    one, other = (netkit.train(each, "y", metric=["r2", "rmse", "mean_absolute_error"], **how) for each in tables)
    exact = unit in (2.0**-600, 2.0**600)
    for part, scores in one.scores.items():
        wanted = {"loss": 1, "r2": 1, "rmse": unit, "mean_absolute_error": unit}
        wanted = {name: scores[name] * size for name, size in wanted.items()}
        assert other.scores[part] == pytest.approx(wanted, rel=1e-9 if exact else 1e-4, abs=0)
    assert np.allclose(np.array(other.predict(tables[1])) / unit, one.predict(tables[0]), rtol=1e-4, atol=1e-4)
    again = TableModel.load(tmp_path / "m.netkit")
    assert again.predict(tables[1]) == other.predict(tables[1])


@given(st.lists(st.floats(-1e307, 1e307), min_size=1, max_size=60), st.integers(0, 60), st.sampled_from([3, 7, None]))
def test_the_deviation_of_any_numbers_is_that_of_exact_arithmetic(values, place, block):
    from fractions import Fraction
    from math import isqrt

    whole, first, second = (NumberSummary() for _ in range(3))
    for each, part in ((whole, values), (first, values[:place]), (second, values[place:])):
        each.block = block
        each.feed(pa.chunked_array([pa.array(part, pa.float64())]))
    first.merge(second)
    exact = [Fraction(each) for each in values]
    mean = sum(exact) / len(exact)
    square = sum((each - mean) ** 2 for each in exact) / len(exact)
    root = Fraction(isqrt(int(square * 4**1200)), 2**1200)
    size = float(max(map(abs, exact)))
    for found in (whole, first):
        assert found.mean == pytest.approx(float(mean), rel=1e-12, abs=size * 1e-12)
        if root > Fraction(size) / 10**6 and root > 1e-300:
            assert found.deviation == pytest.approx(float(root), rel=1e-6)
