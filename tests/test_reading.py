"""Reading tables: every format, several files together, tables of other libraries, and what is refused."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netkit import train
from netkit.errors import DataError, SettingError
from netkit.tables.model import TableModel
from netkit.tables.read import batches, read, source_of
from netkit.tables.sources import Files, Types

CSV = {
    "byte-order mark": (b"\xef\xbb\xbfa,b\n1,x\n", {"a": [1], "b": ["x"]}),
    "windows lines": (b"a,b\r\n1,x\r\n", {"a": [1], "b": ["x"]}),
    "quoted newline": (b'a,b\n1,"x\ny, z"\n', {"a": [1], "b": ["x\ny, z"]}),
    "no last newline": (b"a,b\n1,x", {"a": [1], "b": ["x"]}),
    "missing": (b"a,b\n1,NA\n,x\n", {"a": [1, None], "b": [None, "x"]}),
    "quoted NA is a word": (b'a,b\n1,"NA"\n', {"a": [1], "b": ["NA"]}),
    "unicode": ("größe,名\n1,ü\n".encode(), {"größe": [1], "名": ["ü"]}),
    "bools": (b"a\ntrue\nfalse\n", {"a": [True, False]}),
}


@pytest.mark.parametrize("text, wanted", CSV.values(), ids=CSV)
def test_csv_reads_as_it_was_meant(tmp_path, text, wanted):
    (tmp_path / "t.csv").write_bytes(text)
    assert read(tmp_path / "t.csv").to_pydict() == wanted


def test_parquet_reads_as_csv_does(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").equals(table)
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,\n")
    assert read(tmp_path / "t.csv").equals(table)


BAD = {
    "missing": (None, "cannot be read: no such file"),
    "empty": (b"", "the file is empty"),
    "blank": (b" \n \n", "the file is empty"),
    "header alone": (b"a,b\n", "a header alone, and no rows"),
    "zero bytes": (b"a\0b\n1\n", "not a CSV file: it holds zero bytes"),
    "twice": (b"a,b,a\n1,2,3\n", "column names must differ, 'a' comes twice"),
    "nameless": (b"a,,c\n1,2,3\n", "every column needs a name, column 2 has none"),
    "ragged": (b"a,b\n1,2\n1,2,3\n", "not a table: "),
    "not UTF-8": (b"a,b\n1,x\n2,\xff\n", r"not UTF-8: line 3 holds b'2,\xff'"),
    "not UTF-8 in the header": (b"a,\xff\n1,x\n", r"not UTF-8: line 1 holds b'a,\xff'"),
    "not UTF-8 behind a quoted newline": (b'a,b\n1,"x\ny"\n2,\xff\n', r"not UTF-8: line 4 holds b'2,\xff'"),
    "not UTF-8 far into a line": (
        b"a,b\n" + b"x" * 90 + b",\xff\n",
        f"not UTF-8: line 2 holds {b'x' * 19 + b',' + bytes([255])!r}",
    ),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "not UTF-8 but UTF-16"),
    "another separator": (b"a;b\n1;2\n", "one column 'a;b'; is ';' the separator?"),
    "a tab": (b"a\tb\n1\t2\n", r"one column 'a\tb'; is '\t' the separator?"),
    "long row": (b"a,b\n" + b"x" * 2**23 + b",2\n1,2\n", "not a table: "),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_bad_files_are_one_line(tmp_path, text, message):
    path = tmp_path / "t.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)


DAMAGED = {
    "t.parquet": b"PAR1 and no more",
    "t.arrow": b"ARROW1",
    "t.jsonl": b'{"a": 1',
    "t.csv.gz": b"a,b\n1,2\n",
    "t.csv.zst": b"a,b\n1,2\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(DAMAGED[name])
    with pytest.raises(DataError, match=f"{name}: (not a table|cannot be read): ") as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def write(path, table):
    """The table in the format that the suffix of the path says."""
    kind = path.name.split(".")[1]
    if kind == "parquet":
        return pyarrow.parquet.write_table(table, path)
    if kind in ("arrow", "feather"):
        return pyarrow.feather.write_feather(table, str(path))
    with pa.output_stream(str(path)) as file:  # packs by suffix
        if kind in ("jsonl", "ndjson"):
            return file.write("".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode())
        return pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(delimiter="\t" if kind == "tsv" else ","))


TABLE = pa.table({"a": [1, 2, None], "b": ["x, y", None, 'q"\n;'], "c": [0.5, -1e300, 2.0], "d": [True, False, True]})
FILES = [
    "t.csv",
    "t.csv.gz",
    "t.csv.zst",
    "t.csv.bz2",
    "t.tsv",
    "t.tsv.gz",
    "t.parquet",
    "t.arrow",
    "t.feather",
    "t.jsonl",
    "t.ndjson",
    "t.jsonl.gz",
]


def pieced(files, size=2**20):
    """The table as its pieces make it."""

    def take(files):
        types, tables = Types(), []
        for path, piece in files.pieces(size):
            types.meet(path, piece.schema)
            tables.append(piece)
        return pa.concat_tables([types.cast(table) for table in tables])

    return files.settled(take)


@pytest.mark.parametrize("name", FILES)
def test_every_format_reads_the_same_table(tmp_path, name):
    write(tmp_path / name, TABLE)
    assert read(tmp_path / name).equals(TABLE)
    for size in (1, 20, 1000):
        assert pieced(Files(str(tmp_path / name)), size).to_pylist() == TABLE.to_pylist()


@pytest.mark.parametrize("size", [None, 4])
def test_a_first_column_without_a_name_is_text_where_that_is_asked_for(tmp_path, size):
    (tmp_path / "t.csv").write_text(",y\n01,1\n02,3\n")
    pieces = source_of(tmp_path / "t.csv", text=["column 1"]).pieces(size)
    assert [row for _, piece in pieces for row in piece["column 1"].to_pylist()] == ["01", "02"]


@pytest.mark.parametrize("size", [None, 100])
@pytest.mark.parametrize("text, said", [("", "not a table: Empty JSON file"), ("\n \n", "a header alone, and no rows")])
def test_json_lines_without_a_line_are_no_table(tmp_path, size, text, said):
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(DataError, match=rf"t\.jsonl: {said}$"):
        read(tmp_path / "t.jsonl") if size is None else [*batches(source_of(tmp_path / "t.jsonl"), size)]


@pytest.mark.parametrize("size", [None, 100])
def test_arrow_and_parquet_without_rows_are_headers_alone(tmp_path, size):
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as file:
        file.write(TABLE.to_batches()[0].slice(0, 0))
    with pyarrow.parquet.ParquetWriter(tmp_path / "t.parquet", TABLE.schema) as file:
        file.write_table(TABLE.slice(0, 0))
    for name in ("t.arrow", "t.parquet"):
        [(_, piece)] = Files(str(tmp_path / name)).pieces(size)
        assert piece.schema == TABLE.schema and not len(piece)


@pytest.mark.parametrize("pattern", ["parts", "parts/*.*", "parts/**/p*"])
def test_files_of_a_folder_or_a_pattern_are_one_table_in_sorted_order(tmp_path, pattern):
    (tmp_path / "parts" / "z").mkdir(parents=True)
    rows = [{"a": 1, "b": "x"}, {"a": 2.5, "b": None}, {"a": None, "b": "y"}, {"a": 3, "b": "z"}]
    for name, row in zip(("p1.csv", "p2.parquet", "p3.jsonl", "p4.csv.gz"), rows):
        write(tmp_path / "parts" / name, pa.table({key: [row[key]] for key in reversed(row)}))
    (tmp_path / "parts" / "_hidden.csv").write_text("no,table")
    files = Files(str(tmp_path / pattern).replace("*.*", "p*.*"))
    assert read(files.where).select(["a", "b"]).to_pylist() == rows
    assert pieced(files).equals(read(files.where))


def test_a_column_that_is_text_in_one_csv_file_is_text_in_all_as_it_is_written(tmp_path):
    for name, cell in (("a", "007"), ("b", "1"), ("c", "x")):
        (tmp_path / f"{name}.csv").write_text(f"k,n,t\n{cell},1,02\n")
    files = Files(str(tmp_path), text=("t",))
    whole = read(tmp_path, text=["t"])
    assert whole.to_pydict() == {"k": ["007", "1", "x"], "n": [1, 1, 1], "t": ["02"] * 3}
    assert pieced(files).equals(whole)


DIFFERENT = {
    "lacks": (
        {"a": [1], "b": [2]},
        {"a": [1]},
        r"b\.parquet: there is no column 'b', as in .*a\.parquet; files read together",
    ),
    "has more": ({"a": [1]}, {"a": [1], "b": [2]}, r"a\.parquet: there is no column 'b', as in .*b\.parquet"),
    "type": ({"a": [1]}, {"a": ["x"]}, r"b\.parquet: column 'a' holds string, in .*a\.parquet int64$"),
}


@pytest.mark.parametrize("first, second, message", DIFFERENT.values(), ids=DIFFERENT)
def test_files_that_differ_are_refused_by_name(tmp_path, first, second, message):
    for name, columns in (("a", first), ("b", second)):
        write(tmp_path / f"{name}.parquet", pa.table(columns))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_folder_without_tables_and_a_pattern_without_files_are_refused(tmp_path):
    (tmp_path / "readme.md").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"cannot be read: no \.csv, .* file is in it$"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"\*\.csv: cannot be read: no such file$"):
        read(tmp_path / "*.csv")


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        DataError, match="pipe: cannot be read: it is a pipe, and a table is gone through more than once$"
    ):
        read(tmp_path / "pipe")


def test_separators_and_decimal_commas(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1,5;x\n-2,0;y\n")
    assert read(tmp_path / "t.csv", separator=";", decimal=",").to_pydict() == {"a": [1.5, -2.0], "b": ["x", "y"]}
    for options, message in (
        ({"separator": ";;"}, "^separator: one character is needed, got ';;'$"),
        ({"decimal": ""}, "^decimal: one character is needed, got ''$"),
        ({"decimal": ","}, "^decimal: ',' is the separator of columns too$"),
    ):
        with pytest.raises(SettingError, match=message):
            read(tmp_path / "t.csv", **options)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6), min_size=1, max_size=8))
def test_text_is_read_as_it_is_written(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("text") / "t.csv"
    path.write_text(
        "x,y\n" + "".join('"' + cell.replace('"', '""') + '",1\n' for cell in cells), newline="", encoding="utf-8"
    )
    assert read(path, text=["x"])["x"].to_pylist() == cells


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_lines_may_end_between_quotes_wherever_a_block_ends(tmp_path, name):
    table = pa.table({"n": range(30000), "w": ["line\n" * (40 + n % 7) + ", end" for n in range(30000)]})
    with pa.output_stream(str(tmp_path / name)) as file:
        file.write(
            b"n,w\n" + b"".join(b'%d,"%s"\n' % (n, word.encode()) for n, word in zip(*table.to_pydict().values()))
        )
    assert read(tmp_path / name).equals(table)


class Stream:
    """A table of a library that netkit does not know."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


STRUCTURED = np.array([(1, 0.5, "x"), (2, 1.5, "y")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")])
IN_MEMORY = {
    "pyarrow": (TABLE, TABLE.to_pydict()),
    "a batch": (TABLE.to_batches()[0], TABLE.to_pydict()),
    "a stream": (Stream(TABLE), TABLE.to_pydict()),
    "structured": (STRUCTURED, {"a": [1, 2], "b": [0.5, 1.5], "c": ["x", "y"]}),
    "array": (np.array([[1, 2], [3, 4]]), {"x0": [1, 3], "x1": [2, 4]}),
    "Fortran order": (np.asfortranarray([[1.0, 2], [3, 4]]), {"x0": [1, 3], "x1": [2, 4]}),
    "words": (np.array([["a", "b"], ["c", "d"]]), {"x0": ["a", "c"], "x1": ["b", "d"]}),
    "tensor": (torch.tensor([[1.0, 2], [3, 4]], requires_grad=True), {"x0": [1, 3], "x1": [2, 4]}),
}


@pytest.mark.parametrize("data, wanted", IN_MEMORY.values(), ids=IN_MEMORY)
def test_tables_in_memory(data, wanted):
    assert read(data).to_pydict() == wanted


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_of_other_libraries(library):
    frame = pytest.importorskip(library).DataFrame({"a": [1, 2], "b": ["x", None]})
    assert read(frame).to_pydict() == {"a": [1, 2], "b": ["x", None]}


REFUSED = {
    "nothing": (None, "table: a path, a table or an array is needed, got NoneType"),
    "a vector": (np.zeros(3), r"table: cannot be read: an array of two axes is needed, got shape \(3,\)"),
    "objects": (np.array([[object()]]), "table: cannot be read: "),
    "no rows": (pa.table({"a": pa.array([], pa.int64())}), "table: a header alone, and no rows"),
}


@pytest.mark.parametrize("data, message", REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused(data, message, penguins):
    model = train(penguins, "species", epochs=1, quiet=True)
    for take in (read, model.predict, model.evaluate, lambda data: train(data, "a")):
        with pytest.raises(DataError, match=f"^{message}"):
            take(data)


def test_a_saved_model_takes_any_table_and_any_order_of_columns(cli, penguins, tmp_path):
    assert cli("train", penguins, "--target", "species", "--epochs", 5, "--quiet")[0] == 0
    model = TableModel.load(tmp_path / "penguins.netkit")
    table = read(penguins)
    wanted = model.predict(penguins)
    turned = table.select(table.column_names[::-1]).drop_columns("species")
    (tmp_path / "parts").mkdir()
    for part in range(2):
        pyarrow.parquet.write_table(turned.slice(part * 200, 200), tmp_path / "parts" / f"{part}.parquet")
    for same in (table, Stream(turned), str(tmp_path / "parts"), turned.to_batches()[0]):
        assert model.predict(same) == wanted
    assert cli("predict", "penguins.netkit", tmp_path / "parts")[1].split()[1:] == wanted
    with pytest.raises(DataError, match="^there is no column 'island'; there are x0"):
        model.predict(np.zeros((2, 3)))


def test_text_stays_text_where_a_later_table_looks_like_numbers(cli, tmp_path):
    (tmp_path / "a.csv").write_text(
        "k,y\n" + "".join(f"{'0' * (i % 3)}1{'x' * (i % 2)},{i % 3}{'n' * (i % 2)}\n" for i in range(60))
    )
    assert cli("train", "a.csv", "--target", "y", "--epochs", 2, "--quiet")[0] == 0
    (tmp_path / "b.csv").write_text("k,y\n01,1\n1,0\n001,2\n")
    assert read(tmp_path / "b.csv", text=TableModel.load(tmp_path / "a.netkit").encoding.text).to_pydict() == {
        "k": ["01", "1", "001"],
        "y": ["1", "0", "2"],
    }
    assert cli("evaluate", "a.netkit", "b.csv")[2] == ""
    (tmp_path / "c.csv").write_text("k\n0001\n")
    assert "k: 1 values that training never saw" in cli("predict", "a.netkit", "c.csv")[2]
