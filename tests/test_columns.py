"""Columns that nobody set: dates that are not ISO 8601, ids and row numbers."""

import datetime
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netkit
from netkit import DataError, SettingError, TableModel
from netkit.errors import ModelFileError
from netkit.tables.date_formats import fitting, parse_dates, pattern
from netkit.tables.encoders import column_types
from netkit.tables.features import Features, TableSummary
from netkit.tables.row_numbers import RowNumbers

DAYS = st.lists(
    st.dates(datetime.date(1970, 1, 1), datetime.date(2060, 1, 1)), min_size=2, max_size=30, unique=True
).map(lambda days: [*days, datetime.date(1999, 3, 25), datetime.date(2001, 4, 26)])


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%b %d, %Y", "%d %b %Y", "%Y/%m/%d"])
@settings(max_examples=10, deadline=None)
@given(days=DAYS, cuts=st.lists(st.integers(1, 30), max_size=3))
def test_dates_in_a_format_are_the_same_inputs_as_dates_however_the_table_is_cut(written, days, cuts):
    days = [day for day in days if "%y" not in written or day.year < 2060]
    words = pa.table({"t": [day.strftime(written) for day in days]})
    true = Features.fit(pa.table({"t": days}))
    summary, ends = TableSummary(), sorted({0, len(words), *(cut for cut in cuts if cut < len(words))})
    for start, end in zip(ends, ends[1:]):
        piece = words.slice(start, end - start)
        summary.see(piece)
        summary.feed(piece)
    found = Features.of(summary)
    assert found.columns[0].encoder.date_format() == written and found.columns[0].state == true.columns[0].state
    assert found.transform(words).equal(true.transform(pa.table({"t": days})))
    assert Features.from_json(found.to_json()) == found


IDENTIFIERS = {
    **dict.fromkeys(
        ("patient_id", "customerID", "id", "ID code", "caseid", "PID", "idno", "user.id", "rownames"), True
    ),
    **dict.fromkeys(("year", "humid", "acid", "width", "paid", "idle", "grid", "time"), False),
}


@pytest.mark.parametrize("name, out", IDENTIFIERS.items())
def test_ids_are_left_out_and_measurements_are_not(name, out):
    features = Features.fit(pa.table({name: [7 * i for i in range(60)], "z": [i % 5 for i in range(60)]}))
    assert (name in features.left_out) == out


NUMBERED = {
    "row": True,
    "Study": True,
    "obsNumber": True,
    "x": False,
    "time": False,
    "day_of_year": False,
    "Week": False,
}


@pytest.mark.parametrize("name, out", NUMBERED.items())
@given(first=st.sampled_from([0, 1]), cuts=st.lists(st.integers(1, 59), max_size=4), gap=st.integers(0, 60))
def test_what_counts_the_rows_is_no_input_but_for_times_however_it_is_cut(name, out, first, cuts, gap):
    values = np.arange(60) + first
    for broken in (False, gap < 60):
        numbers, ends = RowNumbers(name), [0, *sorted(set(cuts)), 60]
        values = np.where(np.arange(60) >= gap, values + 1, values) if broken and gap else values
        for start, end in zip(ends, ends[1:]):
            numbers.feed(pa.chunked_array([values[start:end]]))
        counts = not (broken and gap)
        assert bool(numbers.reason) == (out and counts), (values, numbers.reason)
        assert bool(numbers.note) == counts


@pytest.mark.parametrize("way", [(), ("--memory", "700MB")])
def test_row_numbers_ids_and_dates_in_a_format_from_the_shell(cli, tmp_path, way):
    rng = np.random.default_rng(0)
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(int(each)) for each in rng.integers(0, 700, 200)]
    rows = "".join(f"{i + 1},{9 * i % 1999},{day:%d/%m/%Y},{day.month % 2}\n" for i, day in enumerate(days))
    (tmp_path / "t.csv").write_text("case number,patientID,seen,y\n" + rows)
    code, _, err = cli("train", "t.csv", "--target", "y", "--epochs", "20", "--quiet", "--alpha", "0.03", *way)
    assert code == 0
    told = [line for line in err.splitlines() if "no better" not in line]
    assert told == [
        "note: case number: left out: it numbers the rows; --columns 'case number=number' decides otherwise",
        "note: patientID: left out: its whole numbers name the rows; --columns 'patientID=number' decides otherwise",
        "note: seen: read as dates, %d/%m/%Y; --columns 'seen=text' decides otherwise",
    ]
    model = TableModel.load(tmp_path / "t.netkit")
    assert model.features.names[0] == "seen" and "seen sin year" not in model.features.left_out
    assert model.predict(tmp_path / "t.csv") == model.predict(tmp_path / "t.csv", separator=",")
    iso = [day.isoformat() for day in days]
    table = pyarrow.csv.read_csv(tmp_path / "t.csv")
    typed = table.set_column(2, "seen", pa.array(days))
    assert model.outputs(typed).equal(model.outputs(table)) and len(iso) == 200
    (tmp_path / "odd.csv").write_text("seen\n01/02/2021\n31/02/2021\n")
    said = "netkit: seen: row 2: '31/02/2021' is not a date written %d/%m/%Y\n"
    assert cli("predict", "t.netkit", "odd.csv")[::2] == (1, said)
    kept = ("--columns", "case number=number,patientID=number,seen=text")
    assert cli("train", "t.csv", "--target", "y", "--epochs", "1", "--quiet", "--out", "k.netkit", *kept, *way)[0] == 0
    assert {"case number", "patientID"} <= {*TableModel.load(tmp_path / "k.netkit").features.names}


def test_dates_that_two_formats_fit_are_told(caplog):
    table = pa.table({"d": [f"{1 + i % 12:02}/{1 + i % 11:02}/2020" for i in range(60)], "y": [0.0, 1.5] * 30})
    netkit.train(table, "y", epochs=1, quiet=True)
    said = "d: read as dates, %m/%d/%Y, %d/%m/%Y fits as well; --columns 'd=date:format=%d/%m/%Y' decides otherwise"
    assert said in caplog.text
    model = netkit.train(table, "y", epochs=1, quiet=True, columns={"d": "date:format=%d/%m/%Y"})
    assert model.features.columns[0].encoder.date_format() == "%d/%m/%Y"
    with pytest.raises(DataError, match=r"^d: row 1: '01/01/2020' is not a date written %Y Q%q$"):
        netkit.train(table, "y", epochs=1, quiet=True, columns={"d": "date:format=%Y Q%q"})


@pytest.mark.parametrize(
    "words, format",
    [
        (["1981 Q1", "1981 Q4"], "%Y Q%q"),
        (["2002 Jan", "2003 Feb"], "%Y %b"),
        (["June 22, 2018", "Jul 3, 2018"], "%b %d, %Y"),
        (["25/11/63", "26/12/64"], "%d/%m/%y"),
        (["1920-21", "1921-22"], None),
        (["31/02/2020", "30/03/2020"], None),
        (["a", "b"], None),
    ],
)
def test_each_spelling_is_known_or_stays_text(words, format):
    from netkit.tables.date_formats import FORMATS

    assert fitting(pa.chunked_array([words]), FORMATS)[:1] == ([format] if format else [])


@pytest.mark.parametrize(
    "written", ["", "%d", "%d/%m", "%Y%Y-%m-%d", "(%d/%m/%Y)+" * 9, "%d/%m/%Y %H", "%x", "%d/%m/%Y é"]
)
def test_a_format_that_is_none_is_refused_in_a_setting_and_in_a_file(written):
    with pytest.raises(SettingError, match=re.escape("format: %d, %m or %b, and %Y or %y, as in %d/%m/%Y, are needed")):
        pattern(written)
    if written:
        data = Features.fit(pa.table({"d": ["1/2/2020", "25/3/2021"]})).to_json()
        data["columns"][0]["encoder"]["format"] = written
        with pytest.raises(ModelFileError, match="^the preparation of the columns is damaged: .*format: %d"):
            Features.from_json(data)


@pytest.mark.parametrize(
    "given, names",
    [
        ('"a,b"=skip', ["a,b"]),
        ('"a,b"=skip,c=number', ["a,b", "c"]),
        ('c=number, "a,b"=skip', ["c", "a,b"]),
        ('"a;b"=skip;c=text:levels=3', ["a;b", "c"]),
        ('"say \\"x\\", y"=skip', ['say "x", y']),
        ('"a=b"=skip', ["a=b"]),
        ("a b=skip,c:d=number", ["a b", "c:d"]),
        ('"quoted=skip', ['"quoted']),
    ],
)
def test_a_name_with_a_comma_is_quoted_in_one_text_for_all_columns(given, names):
    assert [*column_types(given)] == names
    assert column_types(dict.fromkeys(names, "skip")) == dict.fromkeys(names, "skip")


def test_a_column_with_a_comma_from_the_shell_and_a_configuration(cli, tmp_path):
    (tmp_path / "t.csv").write_text('"a,b",c,y\n' + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(60)))
    (tmp_path / "net.toml").write_text('[columns]\n"a,b" = "skip"\n')
    for number, options in enumerate((("--columns", '"a,b"=skip'), ("--config", "net.toml"))):
        done = cli("train", "t.csv", "--target", "y", "--epochs", "1", "--quiet", "--out", f"{number}.netkit", *options)
        assert done[0] == 0 and TableModel.load(tmp_path / f"{number}.netkit").features.names == ["c"]
    assert cli("train", "t.csv", "--target", "y", "--columns", "a,b=skip")[2].startswith("netkit: columns: ")


def test_a_model_of_a_table_is_shown_in_a_few_lines():
    table = pa.table({"a": [i % 7 for i in range(60)], "y": [i % 2 for i in range(60)]})
    model = netkit.train(table, "y", epochs=1, quiet=True, hidden=[3])
    shown = repr(model).splitlines()
    assert shown[0] == f"TableModel of y: binary, from 1 columns: {model.model!r}" and len(shown) < 9
    assert any(line.startswith("accuracy ") for line in shown)


@pytest.mark.parametrize(
    "word, format, iso",
    [
        ("1981 Q3", "%Y Q%q", "1981-07-01"),
        ("2/3/20 23:59", "%d/%m/%y %H:%M", "2020-03-02T23:59"),
        ("2.3.68 0:00:59", "%d.%m.%y %H:%M:%S", "2068-03-02T00:00:59"),
        ("19750103", "%Y%m%d", "1975-01-03"),
        ("2/3/20 24:00", "%d/%m/%y %H:%M", None),
        ("2/3/20 23:60", "%d/%m/%y %H:%M", None),
        ("29/2/2019", "%d/%m/%Y", None),
        ("2 Jux 2019", "%d %b %Y", None),
    ],
)
def test_a_date_in_a_format_is_that_time_or_refused(word, format, iso):
    values = pa.chunked_array([[word, None]])
    if iso is None:
        with pytest.raises(DataError, match=re.escape(f"d: row 1: {word!r} is not a date written {format}")):
            parse_dates("d", values, format)
    else:
        assert parse_dates("d", values, format).to_pylist() == [float(np.datetime64(iso, "s").astype(int)), None]


def test_digits_with_a_leading_zero_are_read_as_they_are_written(cli, tmp_path):
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(n) for n in range(0, 600, 10)]
    (tmp_path / "t.csv").write_text("d,y\n" + "".join(f"{day:%d%m%Y},{day.month % 2}\n" for day in days))
    options = ("--columns", "d=date:format=%d%m%Y", "--epochs", "1", "--quiet")
    assert cli("train", "t.csv", "--target", "y", *options)[0] == 0
    assert cli("predict", "t.netkit", "t.csv", "--out", "p.csv")[0] == 0


def test_ids_that_repeat_and_years_without_a_name_stay(cli, tmp_path):
    table = {"z": [i % 5 for i in range(60)]}
    for values, out in ((range(60), True), ([i // 2 for i in range(60)], False)):
        features = Features.fit(pa.table({"patient_id": [7 * each for each in values], **table}))
        assert ("patient_id" in features.left_out) == out
    (tmp_path / "t.csv").write_text(",x,y\n" + "".join(f"{1950 + i},{i % 5},{i % 2}\n" for i in range(60)))
    err = cli("train", "t.csv", "--target", "y", "--epochs", "1", "--quiet")[2]
    assert "note: column 1: has no name in the file\n" in err
    assert "column 1" in TableModel.load(tmp_path / "t.netkit").features.names


@pytest.mark.parametrize("often, out", [(1, True), (2, False)])
@pytest.mark.parametrize("size", [7000, 50_000])
def test_many_ids_are_told_from_those_that_repeat_in_bounded_memory(often, out, size):
    numbers, values = RowNumbers("id"), np.random.default_rng(0).permutation(np.arange(50_000) // often) * 3
    for start in range(0, 50_000, size):
        numbers.feed(pa.chunked_array([values[start : start + size]]))
    assert bool(numbers.reason) == out and 2**12 < len(numbers._values) <= 2**14
