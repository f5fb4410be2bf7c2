"""Readers as plugins: who reads what, strangers who break their promises, URIs, and what `netkit check` says of them."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import textwrap
import types
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from string import Template

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from conftest import ROOT
from test_registry import install  # noqa: F401

import netkit
from netkit import DataError, PluginError, Reader, SettingError, TextReader, UnknownComponent, registry
from netkit.files.places import absolute, is_read_from, scheme, suffix
from netkit.tables import memory
from netkit.tables.memory import budget_for
from netkit.tables.read import batches, read, source_of
from netkit.testing import examine
from netkit.testing.readers import PROMISES

OWN = metadata.distribution("netkit-nn")
LAB = """
    from dataclasses import dataclass
    import pyarrow as pa
    from netkit import Reader

    @dataclass(frozen=True)
    class Lab(Reader):
        '''The same table, whatever the file holds.'''
        suffixes, schemes = (".lab", ".csv"), ("lab",)

        def batches(self, where, size):
            yield pa.table({"who": [__name__]})
"""
ANNOUNCED = "[netkit.readers]\nlab = {}:Lab\n"
TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "y"]})


@pytest.fixture
def mine():
    """A registry to register readers with."""
    with registry.using(registry.Registry()) as mine:
        yield mine


def reader(batches, **members):
    """A reader of .lab and lab:// with this method."""
    members = {"suffixes": (".lab",), "schemes": ("lab",), "batches": batches, "__doc__": "A lab's.", **members}
    return dataclass(frozen=True)(type("Lab", (Reader,), members))


def lab(mine, batches, **members):
    mine.readers.register("lab", reader(batches, **members))


def sqlite():
    """The reader that `netkit new-plugin` writes."""
    source = (ROOT / "netkit" / "registry" / "templates" / "kinds" / "reader.py.txt").read_text()
    module = sys.modules["scaffolded_reader"] = types.ModuleType("scaffolded_reader")
    exec(Template(source).substitute(Class="Sqlite"), vars(module))
    return module.Sqlite


# who reads what


@pytest.mark.parametrize("entries", [ANNOUNCED, "[netkit]\nlab = {}\n"], ids=["announced", "a hook"])
def test_netkits_own_suffixes_are_its_own_and_no_stranger_is_imported_for_them(tmp_path, install, entries):  # noqa: F811
    hook = "\n    from netkit import hookimpl\n    @hookimpl\n    def netkit_readers():\n        return {'lab': Lab}\n"
    found = install("lab-one", LAB + hook, entries=entries.format("lab_one"))
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "data").write_text("a\n1\n")
    for name in ("t.lab", "t.lab.gz"):
        (tmp_path / name).write_text("")
    with registry.using(registry.Registry([OWN, found])):
        assert read(tmp_path / "t.csv").to_pydict() == read(tmp_path / "data").to_pydict() == {"a": [1]}
        assert "lab_one" not in sys.modules
        for where in (tmp_path / "t.lab", tmp_path / "t.lab.gz", "lab://anywhere"):
            assert read(where).to_pydict() == {"who": ["lab_one"]}
        assert read(tmp_path / "t.csv", reader="lab").to_pydict() == {"who": ["lab_one"]}  # unless somebody asks for it


def test_a_suffix_of_two_strangers_is_in_dispute_until_one_is_chosen(tmp_path, install):  # noqa: F811
    both = [install(name, LAB, entries=ANNOUNCED.format(name.replace("-", "_"))) for name in ("lab-one", "lab-two")]
    (tmp_path / "t.lab").write_text("")
    with registry.using(registry.Registry([OWN, *both])) as mine:
        for where in (tmp_path / "t.lab", "lab://x"):
            with pytest.raises(
                PluginError, match=r"^reader: (\.lab|lab://) is in dispute: choose lab-one/lab or lab-two/lab$"
            ):
                read(where)
        assert read(tmp_path / "t.lab", reader="lab-two/lab").to_pydict() == {"who": ["lab_two"]}
        for preferred in (["lab-two"], ["netkit-nn", "lab-two", "lab-one"]):
            with registry.using(mine.with_rules([], preferred)):
                assert read(tmp_path / "t.lab").to_pydict() == {"who": ["lab_two"]}
        with registry.using(mine.with_rules(["lab-one"], [])):
            assert read(tmp_path / "t.lab").to_pydict() == {"who": ["lab_two"]}


def test_a_folder_has_the_files_of_all_readers_that_there_are(tmp_path, install):  # noqa: F811
    found = install("lab-one", LAB.replace("who", "a").replace("__name__", "2"), entries=ANNOUNCED.format("lab_one"))
    (tmp_path / "parts").mkdir()
    for name in ("a.csv", "b.lab", "readme.md", "none"):
        (tmp_path / "parts" / name).write_text("a\n1\n")
    with registry.using(registry.Registry([OWN, found])):
        assert read(tmp_path / "parts").to_pydict() == {"a": [1, 2]}
    with registry.using(registry.Registry([OWN])):
        assert read(tmp_path / "parts").to_pydict() == {"a": [1]}


def test_a_suffix_that_nobody_has_is_read_as_csv_and_explained_where_it_is_none(tmp_path, mine):
    (tmp_path / "t.dat").write_text("a,b\n1,x\n")
    assert read(tmp_path / "t.dat").to_pydict() == {"a": [1], "b": ["x"]}
    (tmp_path / "t.parqet").write_bytes(b"PAR1\0")
    with pytest.raises(DataError, match=r"holds zero bytes; no reader has \.parqet; did you mean \.parquet\?$"):
        read(tmp_path / "t.parqet")
    lab(mine, lambda self, where, size: iter([TABLE]), suffixes=(".zzz",))
    (tmp_path / "t.bin").write_bytes(b"\0")
    with pytest.raises(DataError, match=r"zero bytes; no reader has \.bin; there are \.csv, .*, \.ndjson, \.zzz$"):
        read(tmp_path / "t.bin")
    (tmp_path / "t").write_bytes(b"\0")
    with pytest.raises(DataError, match="holds zero bytes$"):
        read(tmp_path / "t")


def test_who_might_have_a_suffix_is_named(tmp_path, install):  # noqa: F811
    found = [
        install("lab-one", "import no_such_thing", entries=ANNOUNCED.format("lab_one")),
        install("lab-two", LAB, entries=ANNOUNCED.format("lab_two")),
        install("lab-three", "import no_such_thing"),
        install("lab-four", "", entries="[netkit.losses]\nlab = lab_four:Lab\n"),
    ]
    (tmp_path / "t.lab").write_bytes(b"\0")
    with registry.using(registry.Registry([OWN, *found], blocked=["lab-two", "lab-four"])):
        with pytest.raises(DataError) as caught:
            read(tmp_path / "t.lab")
    said = str(caught.value).partition("; there are ")[2].split("; ")[1:]
    assert said[0].startswith("lab-three is broken: import of lab_three failed: ")
    assert said[1] == "lab-two is blocked: blocked by name: lab-two"
    assert said[2].startswith("reader 'lab' of lab-one 0.1: import of lab_one failed: ") and len(said) == 3


def test_a_reader_whose_suffixes_are_none_is_passed_over(tmp_path, mine):
    mine.readers.register("odd", reader(lambda self, where, size: iter([TABLE]), suffixes=None))
    lab(mine, lambda self, where, size: iter([TABLE]))
    (tmp_path / "t.lab").write_text("")
    assert read(tmp_path / "t.lab").equals(TABLE)


# a reader that is given


def test_a_given_reader_takes_its_suffixes_and_what_nobody_has(tmp_path, mine):
    lab(mine, lambda self, where, size: iter([pa.table({"a": [self.start]})]), start=7, __annotations__={"start": int})
    for name in ("t.csv", "t.what", "t.lab"):
        (tmp_path / name).write_text("a\n1\n")
    for given in ("lab", "lab:start=8", {"type": "lab", "start": 8}, mine.readers["lab"](start=8)):
        start = 7 if given == "lab" else 8
        found = [read(tmp_path / name, reader=given)["a"].to_pylist() for name in ("t.csv", "t.what", "t.lab")]
        assert found == [[1], [start], [start]] and read("else://x", reader=given).to_pydict() == {"a": [start]}
    assert read(tmp_path / "t.lab").to_pydict() == {"a": [7]}
    with pytest.raises(UnknownComponent, match="^reader 'lob' is unknown; did you mean lab"):
        read(tmp_path / "t.csv", reader="lob")
    assert read(tmp_path / "t.lab", reader=reader(lambda self, where, size: iter([TABLE]))()).equals(TABLE)


def test_the_command_takes_a_reader_with_its_settings(cli, tmp_path):
    (tmp_path / "t.what").write_text("x;y\n" + "".join(f"{i},5;{'ab'[i % 2]}\n" for i in range(40)))
    told = ["--reader", 'csv:separator=";",decimal=","']
    assert (
        cli("inspect", "t.what", *told)[1].splitlines()[0]
        == "t.what: 40 rows, 2 columns and 3 inputs (fitted on all rows)"
    )
    assert cli("train", "t.what", "--target", "y", "--epochs", 1, "--quiet", "--out", "m.netkit", *told)[0] == 0
    assert len(cli("predict", "m.netkit", "t.what", *told)[1].split()) == 41
    assert "\nloss " in cli("evaluate", "m.netkit", "t.what", *told)[1]
    train = ["train", "t.what", "--target", "y", "--quiet", *told]
    assert cli(*train, "--epochs", 1, "--checkpoint", "run", "--out", "n.netkit")[0] == 0
    assert cli("train", "--resume", "run", "--epochs", 2, "--out", "n.netkit")[0] == 0
    assert cli(*train, "--epochs", 2, "--out", "m.netkit")[0] == 0
    assert (tmp_path / "n.netkit").read_bytes() == (tmp_path / "m.netkit").read_bytes()
    for command in (["train", "t.what", "--target", "y"], ["predict", "m.netkit", "t.what"]):
        code, _, err = cli(*command, "--reader", "csv:separator=ab")
        assert code == 2 and err.endswith("separator: one character is needed, got 'ab'\n") and err.count("\n") == 1


@pytest.mark.parametrize("name, wanted", [("t.lab", ";."), ("t.none", ";.")])
def test_separator_and_decimal_go_to_whoever_has_such_settings(tmp_path, mine, name, wanted):
    def told(self, where, size):
        yield pa.table({"a": [self.separator + self.decimal]})

    rules = {"separator": str, "decimal": str}
    lab(mine, told, separator="|", decimal=".", __annotations__=rules)
    lab_alone = reader(lambda self, where, size: iter([TABLE]), suffixes=(".none",))
    mine.readers.register("none", lab_alone)
    (tmp_path / name).write_text("")
    if name == "t.none":
        assert read(tmp_path / name, separator=";").equals(TABLE)
    else:
        assert read(tmp_path / name).to_pydict() == {"a": ["|."]}
        assert read(tmp_path / name, separator=";").to_pydict() == {"a": [wanted]}
        with pytest.raises(SettingError, match="^lab: separator: expected `str`, got 5$"):
            read(tmp_path / name, separator=5)


def test_a_tab_separates_what_has_decimal_commas(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tb\n1,5\tx\n")
    assert read(tmp_path / "t.tsv", decimal=",").to_pydict() == {"a": [1.5], "b": ["x"]}
    with pytest.raises(SettingError, match="^decimal: ',' is the separator of columns too$"):
        read(tmp_path / "t.tsv", decimal=",", separator=",")


# strangers who break their promises


def raising(error):
    def batches(self, where, size):
        yield TABLE
        raise error

    return batches


RAISED = {
    "anything": (KeyError("q"), "KeyError: 'q'"),
    "the system": (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
    "its own words": (DataError("there is no sheet"), "there is no sheet"),
    "the file again": (DataError("{where}: there is no sheet"), "there is no sheet"),
    "pyarrow": (pa.ArrowInvalid("too\nbad"), "too bad"),
    "its own plugin": (PluginError("a \x1b[2Jlicence"), "a [2Jlicence"),
    "exit": (SystemExit(3), "SystemExit: 3"),
    "interrupt": (KeyboardInterrupt(), "KeyboardInterrupt"),
    "many lines": (ValueError("one\n  two\x1b[2J"), "ValueError: one two [2J"),
}


@pytest.mark.parametrize("size", [None, 100])
@pytest.mark.parametrize("error, said", RAISED.values(), ids=RAISED)
def test_whatever_a_strangers_reader_raises_is_one_line(tmp_path, mine, error, said, size):
    path = tmp_path / "t.lab"
    path.write_text("")
    if "{where}" in str(error):
        error = DataError(str(error).format(where=path))
    lab(mine, raising(error))
    with pytest.raises(DataError) as caught:
        [*source_of(path).pieces(size)]
    assert str(caught.value) == f"{path}: cannot be read by reader run-time/lab (registered by hand): {said}"


def test_a_reader_of_a_distribution_is_named_with_its_version(tmp_path, install):  # noqa: F811
    found = install(
        "lab-one", LAB.replace("yield", "raise KeyError; yield"), version="0.3", entries=ANNOUNCED.format("lab_one")
    )
    with registry.using(registry.Registry([OWN, found])):
        with pytest.raises(
            DataError, match=r"^lab://x: cannot be read by reader lab-one/lab \(lab-one 0\.3\): KeyError"
        ):
            read("lab://x")


DAMAGED = pa.Table.from_arrays(
    [pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))], ["a"]
)
BROKEN = {
    "no table": ([TABLE, {"a": [1]}], "gives a dict for a piece, a table or a batch of pyarrow is needed"),
    "other columns": ([TABLE, TABLE.select(["b", "a"])], "gives a piece with columns ['b', 'a'] behind ['a', 'b']"),
    "no piece": ([], "gives no piece, not even one without rows"),
    "damaged": ([DAMAGED], "gives a damaged table: .*UTF-?8.*"),
}


@pytest.mark.parametrize("size", [None, 100])
@pytest.mark.parametrize("pieces, said", BROKEN.values(), ids=BROKEN)
def test_what_a_strangers_reader_gives_is_checked(mine, pieces, said, size):
    lab(mine, lambda self, where, size: iter(pieces))
    said = said if "*" in said else re.escape(said)
    with pytest.raises(PluginError, match=rf"^lab://x: reader run-time/lab \(registered by hand\) {said}$"):
        [*source_of("lab://x").pieces(size)]


def test_batches_without_an_iterator_is_one_line(mine):
    lab(mine, lambda self, where, size: None)
    with pytest.raises(
        DataError, match=r"^lab://x: cannot be read by .*: TypeError: 'NoneType' object is not iterable$"
    ):
        read("lab://x")


def test_pieces_may_be_batches_in_lists_and_many_without_a_size(mine):
    lab(mine, lambda self, where, size: [*TABLE.to_batches(), *TABLE.to_batches()])
    assert read("lab://x").equals(pa.concat_tables([TABLE, TABLE]))
    assert pa.concat_tables(batches(source_of("lab://x"), 1)).equals(pa.concat_tables([TABLE, TABLE]))


@pytest.mark.parametrize("how", ["closed", "in dispute", "broken", "stubborn"])
def test_a_reader_that_is_not_read_to_its_end_is_closed(mine, how):
    open_now = set()

    def batches(self, where, size):
        open_now.add(where)
        try:
            yield TABLE
            yield (
                TABLE
                if how == "closed"
                else TABLE.drop_columns("a")
                if how == "broken"
                else pa.table({"a": ["x"], "b": [1]})
            )
        finally:
            open_now.discard(where)
            if how == "stubborn":
                raise RuntimeError("I will not go")

    lab(mine, batches)
    if how == "closed" or how == "stubborn":
        pieces = source_of("lab://x").pieces(1)
        assert next(pieces)[1].equals(TABLE) and open_now
        pieces.close()
    else:
        with pytest.raises((PluginError, DataError)):
            read("lab://x")
    assert not open_now


# readers that guess types


@dataclass(frozen=True)
class Wide(TextReader):
    """Columns of three characters each."""

    obeys = True
    suffixes = (".wide",)

    def batches(self, where: str, size: int | None) -> Iterator[pa.Table]:
        names, *rows = [
            [line[at : at + 3].strip() for at in range(0, len(line), 3)]
            for line in Path(where).read_text().splitlines()
        ]
        step = max(1, len(rows) if size is None else size // 20)
        for start in range(0, max(1, len(rows)), step):
            columns = [
                pa.array([row[at] for row in rows[start : start + step]], pa.string()) for at in range(len(names))
            ]
            told = self.text if self.obeys else ()
            yield pa.table([c if name in told else self.values(c) for name, c in zip(names, columns)], names)

    def values(self, words: pa.Array) -> pa.Array:
        try:
            return pa.array([int(word) for word in words.to_pylist()])
        except ValueError:
            return words


@pytest.mark.parametrize("size", [None, 20])
def test_a_reader_that_guesses_is_told_what_is_text_and_what_keeps_its_spelling(tmp_path, mine, size):
    mine.readers.register("wide", Wide)
    (tmp_path / "t.wide").write_text("k  y  z  \n007001 1 \n1  2  x  \n")
    source = source_of(tmp_path / "t.wide", text=["\udcff"], spelled=["y"])
    table = source.settled(
        lambda files: pa.concat_tables(piece for _, piece in files.pieces(size)) if size is None else _met(files, size)
    )
    assert table.to_pydict() == {"k": [7, 1], "y": [1, 2], "z": ["1", "x"]}
    assert source.spelled["y"].first == {1: "001", 2: "2"}
    again = source_of(tmp_path / "t.wide", text=["k", "y"], spelled=["y"])
    assert pa.concat_tables(piece for _, piece in again.pieces(None)).to_pydict()["k"] == ["007", "1"]
    assert source_of(tmp_path / "t.wide", reader=Wide(text=("k",))).readables[0].reader == Wide(text=("k",))
    for spelled in ([], ["k"]):
        assert read(tmp_path / "t.wide", reader=Wide(text=("k",)), spelled=spelled)["k"].to_pylist() == ["007", "1"]


def _met(files, size):
    from netkit.tables.sources import Types

    types_met, tables = Types(), []
    for where, piece in files.pieces(size):
        types_met.meet(where, piece.schema)
        tables.append(piece)
    return pa.concat_tables([types_met.cast(each) for each in tables])


def test_a_reader_that_does_not_listen_is_asked_twice_at_most(tmp_path, mine):
    mine.readers.register("wide", dataclass(frozen=True)(type("Deaf", (Wide,), {"obeys": False, "__doc__": "Deaf."})))
    (tmp_path / "t.wide").write_text("z  \n1  \nx  \n")
    source = source_of(tmp_path / "t.wide", spelled=["z"])
    with pytest.raises(DataError, match=r"t\.wide: column 'z' holds string, in .*t\.wide int64$"):
        source.settled(lambda files: _met(files, 20))


# URIs


def test_what_is_a_uri(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scheme("sqlite:///shop.db?table=t") == scheme("SQLite://x") == "sqlite" and scheme("a+b.c-1://") == "a+b.c-1"
    assert scheme("t.csv") == scheme("C:/t.csv") == scheme("://x") == scheme("1a://x") == scheme("a/b://c") == ""
    assert suffix("a/t.CSV.gz") == suffix("t.csv") == ".csv" and suffix("a.b/t") == "" == suffix("t.gz")
    assert absolute("t.csv") == str(tmp_path / "t.csv") and absolute("lab:///t.csv") == "lab:///t.csv"
    Path("lab:").mkdir()
    Path("lab:/t.csv").write_text("a\n1\n")
    assert scheme("lab://t.csv") == "" and read("lab://t.csv").to_pydict() == {"a": [1]}


@pytest.mark.parametrize(
    "where, out, same",
    [
        ("t.db", "./t.db", True),
        ("sqlite:///t.db?table=t", "t.db", True),
        ("sqlite:///a/../t%2Edb#x", "t.db", True),
        ("sqlite:///{folder}/t.db", "t.db", True),
        ("sqlite:////{folder}/t.db", "{folder}/t.db", True),
        ("sqlite://t.db", "t.db", True),
        ("sqlite:///t.db?table=m", "m", False),
        ("http://host/t.db", "t.db", False),
        ("sqlite://", ".", False),
    ],
)
def test_a_path_that_a_uri_reads_is_known(tmp_path, monkeypatch, where, out, same):
    monkeypatch.chdir(tmp_path)
    assert is_read_from(where.format(folder=tmp_path), out.format(folder=tmp_path)) is same


def test_a_scheme_that_nobody_has_is_one_line(cli, mine):
    code, _, err = cli("inspect", "sqlite:///shop.db")
    assert (code, err) == (
        1,
        "netkit: sqlite:///shop.db: cannot be read: no reader has sqlite://; there is none for a URI\n",
    )
    lab(mine, lambda self, where, size: iter([TABLE]), schemes=("sqlite", "lab"))
    _, _, err = cli("inspect", "sqlit:///shop.db")
    assert err == "netkit: sqlit:///shop.db: cannot be read: no reader has sqlit://; did you mean sqlite?\n"
    _, _, err = cli("inspect", "http://x/t.csv")
    assert err == "netkit: http://x/t.csv: cannot be read: no reader has http://; there are sqlite://, lab://\n"


def shop(path, rows):
    """A database with a table of so many rows, and the same as Arrow."""
    random = np.random.default_rng(0)
    price, n = random.normal(size=rows).round(3), random.integers(0, 9, rows)
    kind = ["ab"[int(a > b / 9)] for a, b in zip(price, n)]
    table = pa.table({"price": price, "n": n, "kind": kind})
    with closing(sqlite3.connect(path / "shop.db")) as database, database:
        database.execute("create table orders (price, n, kind)")
        database.executemany("insert into orders values (?, ?, ?)", zip(*table.to_pydict().values()))
    pyarrow.feather.write_feather(table, str(path / "shop.arrow"))


def test_a_database_streams_and_resumes_and_is_not_written_over(cli, mine, tmp_path, monkeypatch):
    mine.readers.register("sqlite", sqlite())
    shop(tmp_path, 100_000)
    train = ["--target", "kind", "--hidden", 4, "--quiet", "--memory", "600MB", "--batch", 1000]
    uri = "sqlite:///shop.db?table=orders"
    code, out, err = cli("train", uri, *train, "--epochs", 2, "--out", "a.netkit", "--checkpoint", "run")
    assert code == 0 and "using reader run-time/sqlite (registered by hand)" in out and "streamed: " in out
    assert not err or re.fullmatch("note: kind: no better than no model: .*\n", err)
    assert cli("train", "shop.arrow", *train, "--epochs", 2, "--out", "b.netkit")[0] == 0
    assert (tmp_path / "a.netkit").read_bytes() == (tmp_path / "b.netkit").read_bytes()
    assert cli("train", "--resume", "run", "--epochs", 3, "--out", "c.netkit")[0] == 0  # reads the same URI again
    assert cli("train", "shop.arrow", *train, "--epochs", 3, "--out", "d.netkit")[0] == 0
    assert (tmp_path / "c.netkit").read_bytes() == (tmp_path / "d.netkit").read_bytes()
    for option in ("--out", "--log"):
        assert cli("train", uri, *train, option, "shop.db")[2].endswith(
            "file than one that is read is needed, got 'shop.db'\n"
        )
    assert cli("predict", "a.netkit", uri, "--out", "shop.db")[0] == 2
    both = [cli("predict", "a.netkit", where)[1] for where in (uri, "shop.arrow")]
    assert both[0] == both[1] and both[0].count("\n") == 100_001
    _, _, err = cli("predict", "a.netkit", "sqlite:///shop.db")
    assert err.endswith("the URI must say which table, such as sqlite:///shop.db?table=orders\n")
    assert "OperationalError: unable to open database file" in cli("predict", "a.netkit", "sqlite:///no.db?table=t")[2]
    assert not (tmp_path / "no.db").exists()
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    size = os.path.getsize("shop.db")
    assert budget_for(source_of(uri), None) is None and 400e6 + 16 * size < 1e9
    monkeypatch.setattr(memory, "available", lambda: int(400e6 + 16 * size) - 1)
    with pytest.raises(SettingError, match="^memory: at least 460MB are needed"):
        budget_for(source_of(uri), None)


def test_a_uri_validates_and_python_takes_one(mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine.readers.register("sqlite", sqlite())
    shop(tmp_path, 200)
    uri = "sqlite:///shop.db?table=orders"
    model = netkit.train(uri, "kind", epochs=1, validation=uri, quiet=True)
    assert model.predict(uri) == model.predict("shop.arrow") and set(model.scores) == {"validation", "training"}


# what the checks say

ARROW = {
    "suffixes": (".lab",),
    "schemes": (),
    "sample": lambda self, table, folder: pyarrow.feather.write_feather(table, f"{folder}/t.lab") or f"{folder}/t.lab",
}
GOOD = """
    def batches(self, where, size):
        with pa.OSFile(where) as source:
            table = pa.ipc.open_file(source).read_all()
        step = max(1, len(table) if size is None else size // 30)
        for start in range(0, max(1, len(table)), step):
            yield table.slice(start, step)
"""


def changed(*pairs):
    """The good reader with parts of its text replaced."""
    source = textwrap.dedent(GOOD)
    for old, new in pairs:
        assert old in source
        source = source.replace(old, new)
    names = {"pa": pa, "Path": Path, "kept": []}
    exec(source, names)
    return names["batches"]


MUTANTS = {
    "no tuple": ({"suffixes": ".lab"}, changed(), "suffixes: a tuple such as ('.xlsx',) is needed, got '.lab'"),
    "upper case": ({"suffixes": (".Lab",)}, changed(), "suffixes: each reads like '.xlsx', in lower case, got '.Lab'"),
    "no dot": ({"suffixes": ("lab",)}, changed(), "suffixes: each reads like '.xlsx', in lower case, got 'lab'"),
    "a whole URI": ({"schemes": ("lab://",)}, changed(), "schemes: each reads like 'sqlite', in lower case, got 'lab://'"),
    "nowhere": ({"suffixes": ()}, changed(), "there is no suffix and no scheme by which netkit would find it"),
    "elsewhere": ({"suffixes": (".lob",)}, changed(), "sample: a path with ('.lob',) or a URI with () is needed, got '/"),
    "a path": (
        {"sample": lambda self, table, folder: folder},
        changed(),
        "sample: where it is, as text, is needed, got PosixPath(",
    ),
    "order": (
        {},
        changed(("table.slice(start, step)", "table.slice(start, step).take([*range(min(step, len(table) - start))][::-1])")),
        "batches(where, None): row 1 is {'n': 499, ",
    ),
    "a row lost": ({}, changed(("size // 30)", "size // 30)\n    table = table.slice(0, 499) if size == 1000 else table")), "batches(where, 1000): 499 rows, expected 500"),
    "size": ({}, changed(("size // 30", "len(table)")), "got 500 of 500 rows at once, which are "),
    "many": ({}, changed(("len(table) if size is None else size // 30", "100")), "batches(where, None): all rows in one piece are needed, got 5 pieces"),
    "once": (
        {},
        changed(("    with", "    if kept and size is None:\n        return\n    kept.append(where)\n    with")),
        "batches(where, None): 0 rows, expected 500",
    ),
    "columns": (
        {},
        changed(("table.slice(start, step)", "table.slice(start, step).select(['n', 'x', 'word'] if not start else ['x', 'n', 'word'])")),
        "batches(where, 1000): columns ['n', 'x', 'word'] are needed, got ['x', 'n', 'word']",
    ),
    "dictionaries": ({}, changed(("yield table.slice(start, step)", "yield table.to_pydict()")), "batches(where, None): tables or batches of pyarrow are needed, got a dict"),
    "nothing": ({}, changed(("max(1, len(table)), step", "len(table), step")), "batches(where, None): a piece without rows is needed where there are none"),
    "absent": (
        {},
        changed(("    with", "    if not Path(where).exists():\n        return iter([])\n    with")),
        "batches(where, None): what is not there must raise, got 0 pieces",
    ),
    "open": ({}, changed(("    with", "    kept.append(open(where))\n    with")), "closed behind the first piece, t.lab is still open"),
    "raises": ({}, changed(("    with", "    raise ValueError('no')\n    with")), "Lab() raises ValueError: no"),
    "no docstring": ({"__doc__": None}, changed(), "a docstring is needed"),
}  # fmt: skip


def test_a_good_reader_keeps_its_promises():
    found = examine("reader", reader(changed(), **ARROW))
    assert found.broken == "" and found.remarks == () and found.promises > len(PROMISES)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("members, batches, said", MUTANTS.values(), ids=MUTANTS)
def test_a_broken_reader_is_told_what_is_wrong(members, batches, said):
    assert said in examine("reader", reader(batches, **{**ARROW, **members})).broken


GUESSING = {
    "right": ({}, ""),
    "deaf": ({"obeys": False}, "text=('n',): the column must be strings, got int64"),
    "other values": (
        {"values": lambda self, words: pa.array([f"{word}!" for word in words.to_pylist()])},
        "values of n: row 1 is '0!', expected 0",
    ),
    "fewer values": ({"values": lambda self, words: words.slice(1)}, "values(words): 499 values for 500 words"),
}


@pytest.mark.parametrize("members, said", GUESSING.values(), ids=GUESSING)
def test_a_reader_that_guesses_is_held_to_more(members, said):
    def guessed(self, where, size):
        with pa.OSFile(where) as source:
            table = pa.ipc.open_file(source).read_all()
        step = max(1, len(table) if size is None else size // 30)
        for name in self.text if self.obeys else ():
            table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
        for start in range(0, max(1, len(table)), step):
            yield table.slice(start, step)

    def values(self, words):
        try:
            return words.cast(pa.float64())
        except pa.ArrowInvalid:
            return words

    members = {"batches": guessed, "values": values, "obeys": True, "__doc__": "Guesses.", **ARROW, **members}
    assert said in examine("reader", dataclass(frozen=True)(type("Guess", (TextReader,), members))).broken
    assert said or examine("reader", dataclass(frozen=True)(type("Guess", (TextReader,), members))).broken == ""


def test_a_reader_without_a_sample_is_remarked_upon():
    alone = reader(lambda self, where, size: iter([TABLE]))()
    [remark] = examine("reader", alone).remarks
    assert remark == "Lab(): it has no sample(table, folder), so nothing was read"
