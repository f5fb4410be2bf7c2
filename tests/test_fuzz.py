"""Damaged and odd files of every kind: one line and an exit code, or success. `tests/fuzz/` searches on for longer."""

from __future__ import annotations

import json
import re
import struct

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fuzz.targets import TARGETS, ran, seeds
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

# derandomized, so that a suite that passed passes again; tests/fuzz/ is for finding more
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
TOKENS = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"null",
    b"NaN",
    b"-1",
    b"1e999",
    b"[",
    b"{",
    b"}",
    b"]",
    b":",
    b"=",
    b"Infinity",
    b"\\ud800",
    b"9" * 23,
    b"0",
    b"true",
    b'""',
    b"[]",
    b"{}",
    b"../x",
    b"2147483648",
    b"\x1b[2J",
    b"'",
    b"[" * 2000,
]
WORD = re.compile(rb'"(?:\\.|[^"\\])*"|-?[\d.]+|\w+')
EDITS = st.lists(
    st.tuples(st.sampled_from(["flip", "put", "cut", "end", "word"]), st.floats(0, 0.999), st.sampled_from(TOKENS)),
    min_size=1,
    max_size=4,
)


def edited(data, edits):
    """The file after each edit: where, as a share of its length, and what."""
    for how, share, token in edits:
        place = int(share * len(data))
        words = [*WORD.finditer(data)]
        if how == "flip" and data:
            data = data[:place] + bytes([data[place] ^ 1 << len(token) % 8]) + data[place + 1 :]
        elif how == "word" and words:
            word = words[int(share * len(words))]
            data = data[: word.start()] + token + data[word.end() :]
        elif how in ("put", "cut", "end"):
            data = data[:place] + {"put": token + data[place:], "cut": data[place + len(token) :], "end": b""}[how]
    return data


@pytest.mark.parametrize("name", TARGETS)
@FEW
@given(edits=EDITS)
def test_a_damaged_file_is_one_line_or_none(name, edits):
    for whole in seeds(name):
        TARGETS[name](edited(whole, edits))


CELLS = st.lists(
    st.sampled_from(
        [
            "a",
            "1",
            "-2.5",
            "é",
            '"',
            '""',
            "'",
            ",",
            ";",
            "\t",
            "\n",
            "\r",
            "\r\n",
            "\0",
            "\ufeff",
            "\u202e",
            " ",
            "inf",
            "2024-02-30",
            "x" * 300,
        ]
    ),
    max_size=5,
).map("".join)


@settings(FEW, max_examples=150)
@given(
    rows=st.lists(st.lists(CELLS, max_size=5), max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
@example(rows=[["x" * 70000, "y"], ["1", "2" * 70000]], encoding="utf-8", end="\n")
def test_any_text_as_csv_is_one_line_or_none(rows, encoding, end):
    TARGETS["csv"](end.join(",".join(row) for row in rows).encode(encoding, errors="replace"))


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def put(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else [*value]
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


DEEP = json.loads("[" * 300 + "]" * 300)
ODD = [
    None,
    True,
    -1,
    0,
    3,
    2**31,
    2**63,
    10**400,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../x",
    "\ud800",
    "\x1b[2J\u202e",
    "x" * 9999,
    [],
    {},
    DEEP,
    [-1],
    [2**40, 2**40],
    {"type": "x/y"},
    {"type": "netkit-nn/relu", "z": 1},
]


@pytest.mark.parametrize("name", ["header", "outer", "state"])
@settings(FEW, max_examples=250)
@given(data=st.data())
def test_any_value_anywhere_in_a_header_is_one_line_or_none(name, data):
    [whole] = seeds(name)
    value = json.loads(whole)
    for _ in range(data.draw(st.integers(1, 2))):
        value = put(value, data.draw(st.sampled_from([*places(value)])), data.draw(st.sampled_from(ODD)))
    TARGETS[name](json.dumps(value).encode())


def changed(name, old, new):
    [whole] = seeds(name)
    assert old in whole, whole
    return whole.replace(old, new, 1)


def arrow(*offsets, text=b"a"):
    """An Arrow file with one column of text, its offsets as they are given."""
    sink = pa.BufferOutputStream()
    good, bad = (struct.pack(f"<{len(each)}i", *each) for each in ([0, len(text), len(text)], offsets))
    table = pa.table({"c": pa.StringArray.from_buffers(2, pa.py_buffer(good), pa.py_buffer(text))})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes().replace(good, bad)


FOUND = {
    "an offset behind the text": ("arrow", lambda: arrow(0, 2**30, 1), "not a table: .*offset"),
    "text that is no UTF-8": ("arrow", lambda: arrow(0, 1, 1, text=b"\xff"), "not a table: .*Invalid UTF8"),
    "a name that is no UTF-8": ("jsonl", lambda: b'{"\xf9": 1}\n', "not UTF-8: the name of a column holds b'\\\\xf9'"),
    "a first row that is null": (
        "jsonl",
        lambda: b'null{"a": 1}\n',
        "not a table: a row is null; every row is an object",
    ),
    "text in JSON that is no UTF-8": ("jsonl", lambda: b'{"a": "\xaf"}\n', "not a table: .*UTF8"),
    "an option that is no UTF-8": ("component", lambda: b"sgd:momentum=0\xff", None),
    "a number of 77 bits": ("component", lambda: b"dense:units=99999999999999999999999", None),
    "a shape of text": (
        "outer",
        lambda: changed("outer", b'"shape":[', b'"shape":["x",'),
        r"damaged model file: Expected `int`, got `str` - at `\$\[...\].shape\[0\]`",
    ),
    "a shape below zero": (
        "outer",
        lambda: changed("outer", b'"shape":[', b'"shape":[-1,'),
        "damaged model file: Expected `int` >= 0",
    ),
    "half of a pair": (
        "header",
        lambda: changed("header", b'"name": "x"', b'"name": "\\ud800"'),
        "damaged model file: 'utf-8' codec can't encode",
    ),
    "no such cycle": (
        "header",
        lambda: changed("header", b'"week"', b'"weak"'),
        "the preparation of the columns is damaged: Invalid enum value 'weak'",
    ),
    "more than all memory": (
        "header",
        lambda: changed("header", b'"units": 4', b'"units": 2147483648'),
        r"its settings ask for a tensor \(7, 2147483648\), far more",
    ),
    "options of other types": (
        "state",
        lambda: changed("state", b'"batch":32', b'"batch":[32]'),
        r"run: cannot be resumed: batch: expected `int`, got \[32\]",
    ),
    "no target": (
        "state",
        lambda: changed("state", b'"target":"y"', b'"target":null'),
        "run: cannot be resumed: target: the column to predict is needed",
    ),
    "rows that there are not": (
        "state",
        lambda: changed("state", b'"row":0', b'"row":99'),
        "resume: damaged checkpoint: no run can stand where it says",
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_fuzzing_found_stays_found(case, monkeypatch):
    name, make, message = FOUND[case]
    said = []
    monkeypatch.setattr("fuzz.targets.ran", lambda *arguments: said.append(ran(*arguments)))
    TARGETS[name](make())
    assert message is None or any(code and re.search(message, err) for code, err in said), said


SEVENS = [row % 7 for row in range(24)]
WHOLE = pa.array(SEVENS)
WORDS = pa.array([f"ab{row}" for row in SEVENS])
COLUMNS = {
    **{
        str(kind): WHOLE.cast(pa.int32()).cast(kind)
        for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.bool_(), pa.date32(), pa.time32("s"))
    },
    **{
        str(kind): WHOLE.cast(kind)
        for kind in (pa.time64("ns"), pa.timestamp("ns", "UTC"), pa.duration("s"), pa.duration("ns"))
    },
    **{str(kind): WORDS.cast(kind) for kind in (pa.string_view(), pa.binary(), pa.binary_view(), pa.large_string())},
    "dictionary": WORDS.dictionary_encode(),
    "dictionary of numbers": WHOLE.dictionary_encode(),
    "runs": pc.run_end_encode(WHOLE),
    "decimal": WHOLE.cast(pa.decimal128(21, 2)),
    "null": pa.nulls(24),
    "list": pa.array([[row] for row in SEVENS]),
    "struct": pa.array([{"a": row} for row in SEVENS]),
    "interval": pa.array([pa.MonthDayNano([1, row, 3]) for row in SEVENS]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_type_is_used_left_out_or_refused(kind, tmp_path):
    table = pa.table({"c": COLUMNS[kind], "x": range(24), "w": WORDS, "t": WHOLE.cast(pa.timestamp("s"))})
    path = tmp_path / "t.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    for target in ("c", "x"):
        assert ran("inspect", path)[0] == 0
        code, _ = ran("train", path, "--target", target, "--epochs", 1, "--quiet", "--out", tmp_path / "m")
        assert ran("inspect", path, "--target", target)[0] == code
    assert code == 0
    for name in ("x", "w", "t"):  # in a later table the column holds something else
        path = tmp_path / f"{name}.arrow"
        other = table.set_column(table.schema.names.index(name), name, COLUMNS[kind])
        with pa.ipc.new_file(path, other.schema) as writer:
            writer.write_table(other)
        ran("evaluate", tmp_path / "m", path)
