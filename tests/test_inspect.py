"""`netkit inspect`, on real files."""

from __future__ import annotations

import csv
import datetime
import json

import pytest

from netkit.tables.model import TableModel

LOST = "note: y: 100 rows without a value are left out\n"


def told(cli, *arguments, notes=""):
    code, out, err = cli("inspect", *arguments, "--json")
    assert code == 0 and err == notes
    return json.loads(out)


def test_it_tells_what_is_in_every_column(cli, penguins):
    about = told(cli, penguins, "--target", "species")
    table = list(csv.DictReader(penguins.read_text().splitlines()))
    assert about["rows"] == len(table) == 344
    columns = {each["name"]: each for each in about["columns"]}
    assert list(columns) == [name for name in table[0] if name != "species"]
    for name, column in columns.items():
        cells = [row[name] for row in table if row[name] not in ("", "NA")]
        assert column["missing"] == len(table) - len(cells) and column["distinct"] == len({*cells})
        if column["type"] == "number":
            assert column["range"] == [min(map(float, cells)), max(map(float, cells))]
        else:
            assert column["top"] == [[level, cells.count(level)] for level, _ in column["top"]]
            assert [count for _, count in column["top"]] == sorted((count for _, count in column["top"]), reverse=True)
    assert sum(each["inputs"] for each in about["columns"]) == about["inputs"]
    assert about["target"] == {
        "name": "species",
        "task": "multiclass",
        "loss": "categorical_cross_entropy",
        "classes": {"Adelie": 152, "Gentoo": 124, "Chinstrap": 68},
    }


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_a_terminal(cli, penguins, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = cli("inspect", penguins, "--target", "species")
    assert code == 0 and not err and max(map(len, out.splitlines()[1:])) <= width
    assert "bill_length_mm     number        2       164  standardised + missing  32.1 to 59.6\n" in out or width == 80
    assert "target species: multiclass, loss categorical_cross_entropy\nclasses: Adelie 44.2%, Gentoo 36.0%" in out


@pytest.fixture
def mixed(tmp_path):
    """A table with a column for each thing that can happen."""
    start = datetime.date(2020, 1, 1)
    with (tmp_path / "mixed.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tail", "same", "empty", "name", "many", "zip", "day", "flag", "y"])
        writer.writerows(
            [
                1e6 if i == 5 else i % 9,
                3,
                "",
                f"n{i}",
                f"m{i % 150}",
                f"{i % 30:05}",
                start + datetime.timedelta(i),
                i % 2 == 0,
                i / 7 if i % 10 else "",
            ]
            for i in range(1000)
        )
    return "mixed.csv"


def test_it_tells_what_becomes_of_a_column_and_why_not(cli, mixed):
    about = told(cli, mixed, "--target", "y", notes=LOST)
    assert {each["name"]: each["becomes"] for each in about["columns"]} == {
        "tail": "standardised + body",
        "same": "left out: every value is 3",
        "empty": "left out: every value is missing",
        "name": "left out: every value differs, as in a name",
        "many": "one-hot of 100 levels + other",
        "zip": "standardised",
        "day": "standardised + week + year",
        "flag": "standardised",
    }
    assert (
        about["rows"] == 900
        and about["target"]["range"] == [1 / 7, 999 / 7]
        and about["target"]["task"] == "regression"
    )
    flag = next(each for each in about["columns"] if each["name"] == "flag")
    assert flag["stored"] == "bool" and flag["top"] == [["False", 500], ["True", 400]]
    code, out, err = cli("inspect", mixed, "--target", "y")
    assert out.endswith("\ntarget y: regression, loss mean_squared_error, from 0.142857 to 142.714\n")
    assert code == 0 and err == LOST


def test_columns_can_be_set_and_a_configuration_is_heeded(cli, mixed, tmp_path):
    (tmp_path / "net.toml").write_text(
        'target = "y"\nepochs = 3\n[columns]\nzip = "text"\nmany = "embedding"\nname = "skip"\n'
    )
    about = told(cli, mixed, "--config", "net.toml", notes=LOST)
    columns = {each["name"]: each for each in about["columns"]}
    assert columns["zip"]["becomes"] == "one-hot of 27 levels" and columns["zip"]["top"][0] == ["00001", 34]
    assert columns["many"]["type"] == "embedding" and columns["name"]["becomes"] == "left out: as it is set"
    assert about == told(cli, mixed, "--target", "y", "--columns", "zip=text,many=embedding,name=skip", notes=LOST)


def test_the_same_columns_are_trained_on(cli, mixed, tmp_path):
    (tmp_path / "net.toml").write_text(
        'target = "y"\nepochs = 1\nquiet = true\nvalidation = 0\n[columns]\nzip = "text"\nmany = "embedding"\n'
    )
    inputs = told(cli, mixed, "--config", "net.toml", notes=LOST)["inputs"]
    code, out, _ = cli("train", mixed, "--config", "net.toml")
    assert code == 0 and f"network {inputs}-" in out
    assert "zip=00003" in TableModel.load(tmp_path / "mixed.netkit").features.names
    (tmp_path / "new.csv").write_text("many,zip,day,flag,tail\nm3,00003,2020-05-05,true,3\nm3,3,2020-05-05,true,3\n")
    code, out, err = cli("predict", "mixed.netkit", "new.csv")
    assert code == 0 and len({*out.splitlines()[1:]}) == 2 and "zip: 1 values that training never saw" in err


def test_european_tables(cli, tmp_path):
    rows = "".join(f"{i},5;{'ja' if i % 3 else 'nein'}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("x;y\n" + rows)
    written = ("--separator", ";", "--decimal", ",")
    assert told(cli, "t.csv", *written)["columns"][0]["range"] == [0.5, 59.5]
    assert cli("train", "t.csv", "--target", "y", "--epochs", 2, "--quiet", *written)[0] == 0
    (tmp_path / "net.toml").write_text('separator = ";"\ndecimal = ","\n')
    assert told(cli, "t.csv", "--config", "net.toml") == told(cli, "t.csv", *written)
    for command in ("predict", "evaluate"):
        assert cli(command, "t.netkit", "t.csv", *written)[0] == 0
        code, _, err = cli(command, "t.netkit", "t.csv")
        assert code == 1 and err == "netkit: t.csv: one column 'x;y'; is ';' the separator?\n"


WRONG = {
    "columns": (["--columns", "x"], 2, "columns read name=encoder,..., got 'x'"),
    "type": (
        ["--columns", "x=txt"],
        2,
        "netkit: columns: x: skip or an encoder is needed, and encoder 'txt' is unknown; did you mean text?",
    ),
    "name": (["--columns", "z=text"], 1, "netkit: there is no column 'z'; there are x, y"),
    "target": (["--target", "z"], 1, "netkit: there is no column 'z'; there are x, y"),
    "separator": (["--separator", ";;"], 2, "netkit: separator: one character is needed, got ';;'"),
    "config": (["--config", "bad.toml"], 2, "netkit: bad.toml: there is no setting 'colums'; did you mean columns?"),
}


@pytest.mark.parametrize("arguments, code, message", WRONG.values(), ids=WRONG)
def test_mistakes_are_one_line(cli, tmp_path, arguments, code, message):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4\n")
    (tmp_path / "bad.toml").write_text('colums = {x = "text"}\n')
    found, out, err = cli("inspect", "t.csv", *arguments)
    assert found == code and not out and message in err and len(err.splitlines()) == 1
