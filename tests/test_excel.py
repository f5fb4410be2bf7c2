"""The reader in examples/netkit-excel: a wheel that pip installs, real workbooks, and what is said when it is gone."""

from __future__ import annotations

import csv
import datetime
import shutil
import sys

import pytest
from conftest import ROOT
from environments import Environment
from openpyxl import Workbook

from netkit import DataError, registry
from netkit.tables.read import read


def book(path, **sheets):
    """A workbook with these rows on these sheets."""
    workbook = Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def numbers(row):
    """The cells of a row of CSV as Excel has them."""
    return [float(cell) if cell.replace(".", "", 1).isdigit() else cell or None for cell in row]


def test_a_workbook_trains_and_predicts_while_the_reader_is_installed(tmp_path, penguins):
    environment = Environment(tmp_path)
    package = shutil.copytree(ROOT / "examples" / "netkit-excel", tmp_path / "netkit-excel")
    environment.pip("wheel", "--no-deps", "--no-build-isolation", package, "-w", tmp_path / "wheels")
    [wheel] = (tmp_path / "wheels").iterdir()
    environment.install(wheel)
    assert environment.run("check", "excel").stdout.split()[:3] == ["reader", "excel", "ok"]
    with penguins.open() as file:
        rows = [*map(numbers, csv.reader(file))]
    book(tmp_path / "penguins.xlsx", notes=[["about"], ["penguins"]], penguins=rows)
    train = ["train", "penguins.xlsx", "--target", "species", "--epochs", 30, "--quiet", "--out", "m.netkit"]
    done = environment.run(*train, "--reader", "excel:sheet=penguins")
    assert "using reader netkit-excel/excel (netkit-excel 0.1.0)" in done.stdout
    book(tmp_path / "new.xlsx", new=[rows[0], *rows[1:300:100]])
    said = environment.run("predict", "m.netkit", "new.xlsx").stdout
    assert said.split() == ["species", *(row[rows[0].index("species")] for row in rows[1:300:100])]
    environment.pip("uninstall", "--yes", "netkit-excel")
    said = environment.run("predict", "m.netkit", "new.xlsx", code=1).stderr
    assert said == (
        "netkit: new.xlsx: not a CSV file: it holds zero bytes; "
        "no reader has .xlsx; there are .csv, .tsv, .txt, .parquet, .arrow, .feather, .jsonl, .ndjson\n"
    )


@pytest.fixture
def excel(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples" / "netkit-excel")
    import netkit_excel

    with registry.using(registry.Registry()) as mine:
        mine.readers.register("excel", netkit_excel.Excel)
        yield netkit_excel.Excel
    sys.modules.pop("netkit_excel", None)


def test_cells_keep_their_types_and_words_such_as_na_are_missing(tmp_path, excel):
    day = datetime.datetime(2024, 2, 29, 12)
    rows = [["", "n", "d", "w", "b"], [], [1, 1.5, day, "007", True], [2, "NA", None, " n/a ", False], [None] * 5]
    table = read(book(tmp_path / "t.xlsx", t=rows))
    assert table.to_pydict() == {
        "column 1": [1, 2],
        "n": [1.5, None],
        "d": [day, None],
        "w": ["007", None],
        "b": [True, False],
    }


REFUSED = {
    "types": ([["a"], [1], ["x"]], None, "column 'a' holds values of several types: int, str"),
    "sheet": ([["a"], [1]], "q1", "there is no sheet 'q1'; there are t"),
    "empty": ([], None, "the sheet is empty"),
}


@pytest.mark.parametrize("rows, sheet, message", REFUSED.values(), ids=REFUSED)
def test_what_a_workbook_lacks_is_one_line(tmp_path, excel, rows, sheet, message):
    path = book(tmp_path / "t.xlsx", t=rows)
    with pytest.raises(DataError) as caught:
        read(path, reader=excel(sheet=sheet))
    assert str(caught.value) == f"{path}: cannot be read by reader run-time/excel (registered by hand): {message}"


def test_a_damaged_workbook_is_one_line(tmp_path, excel):
    (tmp_path / "t.xlsx").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(DataError, match=r"t\.xlsx: cannot be read by reader run-time/excel .*BadZipFile: File is not"):
        read(tmp_path / "t.xlsx")
