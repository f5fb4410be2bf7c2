"""Encoders of strangers: used, checked, blamed and saved like netkit's own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import netkit
from netkit import (
    DataError,
    DateSummary,
    Encoder,
    ModelFileError,
    NumberSummary,
    PluginError,
    SettingError,
    TextSummary,
    registry,
    spec,
)
from netkit.errors import UnknownComponent, UsageError
from netkit.tables import summaries
from netkit.tables.encoders import column_types
from netkit.tables.features import Features, TableSummary
from netkit.tables.model import TableModel
from netkit.tables.settings import Settings
from netkit.testing import BrokenPromise, check


@dataclass(frozen=True)
class Lengths(Encoder):
    """len(text) * factor, and whether training knew the value."""

    factor: float = 1.0

    def fit(self, summary: TextSummary) -> Any:
        return {"known": [*summary.counts]} if len(summary.counts) > 1 else "it never\nchanges"

    def names(self, column, state):
        return [f"{column} (length)", f"{column} (known)"]

    def transform(self, state, values, inputs):
        for row, value in enumerate(values.to_pylist()):
            inputs[row] = len(value or "") * self.factor, value in state["known"]
        return sum(value is not None and value not in state["known"] for value in values.to_pylist())

    def note(self, state):
        return f"{len(state['known'])} values are known"


@pytest.fixture
def lengths():
    with registry.using(registry.Registry()) as mine:
        mine.encoders.add(registry.Info("encoder", "lengths", "lab-len", "1.2", "x", Lengths))
        yield mine


WORDS = pa.table({"w": ["a", "bb", None, "bb"] * 9, "x": range(36), "y": [0.0, 1.0, 2.0, 1.0] * 9})
GIVEN = {
    "a name": "lengths",
    "text": "lengths:factor=2",
    "a qualified name": "lab-len/lengths",
    "a table": {"type": "lengths", "factor": 2},
    "a class": Lengths,
    "an instance": Lengths(2),
}


@pytest.mark.parametrize("value", GIVEN.values(), ids=GIVEN)
def test_a_column_is_set_to_an_encoder_in_any_way(lengths, value):
    [fitted, _] = Features.fit(WORDS, types={"w": value}, exclude=("y",)).columns
    assert fitted.encoder == spec.make("encoder", value) and fitted.inputs == ("w (length)", "w (known)")
    again = Settings.of({"target": "y", "columns": {"w": value}})
    assert again.columns == {"w": fitted.encoder} and Settings.of(json.loads(json.dumps(again.to_json()))) == again


TEXTS = {
    "w=lengths": {"w": Lengths()},
    "w=lengths,x=skip": {"w": Lengths(), "x": "skip"},
    " w=lengths , x= skip ,": {"w": Lengths(), "x": "skip"},
    "w=lengths:factor=2;x=skip": {"w": Lengths(2.0), "x": "skip"},
    "w=lengths:factor=2": {"w": Lengths(2.0)},
    "w=lab-len/lengths": {"w": Lengths()},
    "a:b=lengths,c=d=lengths": {"a:b": Lengths(), "c=d": Lengths()},
    "a, b=lengths;x=skip": {"a, b": Lengths(), "x": "skip"},
    "": {},
}


@pytest.mark.parametrize("text, columns", TEXTS.items(), ids=TEXTS)
def test_columns_in_one_text(lengths, text, columns):
    assert Settings.of({"target": "y", "columns": text}).columns == columns


WRONG = {
    "no name": ("=text", "columns: columns read name=encoder,..., got '=text'"),
    "no encoder": ("w=", "columns: columns read name=encoder,..., got 'w='"),
    "a list": (["w"], "columns: columns read name=encoder,..., got ['w']"),
    "a number": ({"w": 3}, "columns: w: encoder: a name, a table or an instance of Encoder is needed, got 3"),
    "a setting": ("w=lengths:fctor=2", "columns: w: lengths: there is no setting 'fctor'; did you mean factor?"),
    "a rule": ("w=text:levels=0", "columns: w: text: levels: expected `int` >= 1, got 0"),
    "unknown": (
        "w=lenths",
        "columns: w: skip or an encoder is needed, and encoder 'lenths' is unknown; did you mean le",
    ),
}


@pytest.mark.parametrize("value, message", WRONG.values(), ids=WRONG)
def test_what_columns_cannot_be_set_to_is_one_line(lengths, value, message):
    with pytest.raises(UsageError) as caught:
        Settings.of({"target": "y", "columns": value})
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_no_help_names_an_encoder(cli):
    columns = " ".join(cli("train", "--help")[1].partition("--columns")[2].partition("--separator")[0].split())
    assert columns.startswith("COLUMN=ENCODER,...") and "embedding" not in columns and "skip" in columns


def test_encoders_are_in_the_schema_and_completed(cli, lengths):
    schema = json.loads(cli("schema")[1])
    either = schema["properties"]["columns"]["anyOf"]
    assert {
        "type": "object",
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/encoder"}, {"enum": ["skip"]}]},
    } in either
    tables = {each["properties"]["type"]["enum"][-1]: each for each in schema["$defs"]["encoder"]["anyOf"][1:]}
    assert tables["lengths"]["properties"]["factor"]["type"] == "number"
    import click

    from netkit.cli.options import Value

    ctx = click.Context(click.Command("x"))
    offered = [item.value for item in Value("columns").shell_complete(ctx, None, "a=text,w=le")]
    assert offered == ["a=text,w=lengths"] and len(Value("columns").shell_complete(ctx, None, "w=")) == 5


def trained(tmp_path, table=WORDS, columns=None, **how):
    columns = {"w": "lengths:factor=0.5"} if columns is None else columns
    chosen = {"epochs": 2, "quiet": True, "validation": 0, "out": str(tmp_path / "m.netkit"), **how}
    return netkit.train(table, "y", columns=columns, task="regression", **chosen)


def header_of(path):
    text = path.read_bytes()
    return json.loads(json.loads(text[8 : 8 + int.from_bytes(text[:8], "little")])["__metadata__"]["netkit"])


def test_a_strangers_encoder_from_training_to_predictions(tmp_path, lengths, caplog, cli):
    caplog.set_level("INFO", "netkit")
    model = trained(tmp_path)
    assert "using encoder lab-len/lengths (lab-len 1.2)" in caplog.text and "w: 2 values are known" in caplog.text
    header = header_of(tmp_path / "m.netkit")
    assert header["features"]["columns"][0] == {
        "name": "w",
        "encoder": {"type": "lab-len/lengths", "factor": 0.5},
        "state": {"known": ["bb", "a"]},
    }
    assert header["components"]["lab-len/lengths"]["kind"] == "encoder"
    assert header["features"]["columns"][1]["encoder"] == {"type": "netkit-nn/number", "body": True}
    again = TableModel.load(tmp_path / "m.netkit")
    assert again.features == model.features
    caplog.clear()
    new = pa.table({"x": [1, 1, 1], "w": ["zz", "bb", None]})
    assert torch.equal(again.outputs(new), model.outputs(new)) and "w: 1 values that training never saw" in caplog.text
    described = cli("describe", "m.netkit")[1]
    assert "  w: lengths(factor=0.5)\n  x: number(body=True)\n" in described and "encoder lab-len/lengths" in described
    pyarrow.csv.write_csv(WORDS, tmp_path / "t.csv")
    told = cli("inspect", "t.csv", "--columns", "w=lengths:factor=3;y=skip")[1]
    assert ["w", "lengths", "9", "2", "lengths, 2 inputs", "bb 18, a 9"] in [
        re.split("  +", line) for line in told.split("\n")
    ]


@pytest.mark.parametrize("emptied", [False, True], ids=["listed", "list emptied"])
def test_an_encoder_that_is_not_installed_is_named(tmp_path, lengths, emptied, monkeypatch):
    from netkit.files.header import read_header

    trained(tmp_path)
    with registry.using(registry.Registry()):
        header = read_header(tmp_path / "m.netkit")
        if emptied:
            header = msgspec.structs.replace(header, components={})
        monkeypatch.setattr("netkit.model.read_header", lambda path: header)
        for load in (netkit.load, TableModel.load):
            with pytest.raises(ModelFileError, match="lab-len/lengths is not available: ") as caught:
                load(tmp_path / "m.netkit")
            assert str(caught.value).count("\n") == 0
        assert netkit.load(tmp_path / "m.netkit", missing="keep").header == header


def test_a_resumed_run_keeps_its_encoders(tmp_path, lengths):
    trained(tmp_path, checkpoint=str(tmp_path / "run"))
    with pytest.raises(SettingError) as caught:
        netkit.train(resume=tmp_path / "run", columns="w=text")
    said = "with {'w': 'lengths:factor=0.5'}, got {'w': 'text'}"
    assert str(caught.value) == f"columns: a resumed run goes on as it was begun, {said}"
    going = {"columns": "w=lengths:factor=0.5", "epochs": 3, "quiet": True, "out": str(tmp_path / "n.netkit")}
    resumed = netkit.train(WORDS, resume=tmp_path / "run", **going)
    whole = trained(tmp_path, epochs=3)
    assert torch.equal(resumed.outputs(WORDS), whole.outputs(WORDS))


@pytest.mark.parametrize("text", ["v", "w=3", '{"type": "os.system"}'])
def test_a_model_file_can_name_no_code(tmp_path, lengths, text):
    data = trained(tmp_path).features.to_json()
    for encoder in ({"type": text}, {"type": f"lab-len/{text}"}, {"type": "__main__:Lengths"}, text):
        data["columns"][0]["encoder"] = encoder
        with pytest.raises(ModelFileError, match="^the preparation of the columns is damaged: "):
            Features.from_json(data)


def test_columns_of_models_before_encoders_are_read():
    old = [
        {"type": "number", "name": "n", "center": 1.0, "scale": 2.0, "body": [0.5, 3.0], "missing": True},
        {"type": "date", "name": "d", "center": 0.0, "scale": 86400.0, "cycles": ["week"], "missing": False},
        {"type": "text", "name": "t", "levels": ["a", "b"], "other": True},
        {"type": "embedding", "name": "e", "levels": ["b"]},
        {"type": "number", "name": "type"},
    ]
    features = Features.from_json({"columns": old})
    assert Features.from_json(json.loads(json.dumps(features.to_json()))) == features
    assert [spec.name(each.encoder) for each in features.columns] == ["number", "date", "text", "embedding", "number"]
    assert features.names[:6] == ["n", "n (body)", "n (missing)", "d", "d (sin of the week)", "d (cos of the week)"]
    assert repr(features.columns[3:4]) == "(Codes(name='e', levels=('b',)),)"  # what 0.1 hashed into its checkpoints
    x = features.transform(pa.table({"n": [5.0], "d": ["1970-01-02"], "t": ["b"], "e": ["b"], "type": [7]}))
    assert x[0, [0, 3, 6, 7, 8, 9, 10]].tolist() == [2, 1, 0, 1, 0, 1, 7]


def stranger(**methods):
    """Lengths with parts replaced, registered as `wrong` of a distribution lab-wrong 1.2."""
    own = {"__doc__": "Wrong on purpose.", "__annotations__": {}}
    return dataclass(frozen=True)(type("Wrong", (Lengths,), {**own, **methods}))


def raises(error):
    def method(self, *arguments):
        raise error

    return method


def writes(value):
    def transform(self, state, values, inputs):
        inputs[:, 0] = value

    return transform


BLAMED = {
    "fit": ({"fit": raises(ValueError("no\nway"))}, "ValueError: no way"),
    "exits": ({"fit": raises(SystemExit(3))}, "SystemExit: 3"),
    "summary": ({"summary": raises(RuntimeError("no"))}, "RuntimeError: no"),
    "summary without feed": ({"summary": lambda self: 3}, "AttributeError: 'int' object has no attribute 'feed'"),
    "object": (
        {"fit": lambda self, summary: {"a": object()}},
        "fit must give a text or a state that a file can hold: JSON cannot hold it: got object",
    ),
    "nan": (
        {"fit": lambda self, summary: {"a": float("nan")}},
        "fit must give a text or a state that a file can hold: JSON cannot hold it: Out of ",
    ),
    "surrogate": (
        {"fit": lambda self, summary: {"a": "\ud800"}},
        "fit must give a text or a state that a file can hold: JSON cannot hold it: ",
    ),
    "nothing": (
        {"fit": lambda self, summary: None},
        "fit must give a text or a state that a file can hold: Expected `object`, got `null`",
    ),
    "names": ({"names": raises(KeyError("a"))}, "KeyError: 'a'"),
    "names twice": ({"names": lambda self, column, state: ["a", "a"]}, "names must differ, got ['a', 'a']"),
    "no names": ({"names": lambda self, *_: []}, "names must be a list of texts, one for each input, got []"),
    "name": ({"names": lambda self, *_: "ab"}, "names must be a list of texts, one for each input, got 'ab'"),
    "transform": ({"transform": raises(TypeError("no"))}, "TypeError: no"),
    "words": ({"transform": writes("a")}, "ValueError: could not convert string to float: 'a'"),
    "shape": (
        {"transform": writes([1.0, 2.0, 3.0])},
        "ValueError: could not broadcast input array from shape (3,) into ",
    ),
    "infinite": ({"transform": writes(1e300)}, "transform makes inf of 'a'"),
    "not a number": ({"transform": writes(float("nan"))}, "transform makes nan of 'a'"),
    "returned": (
        {"transform": lambda self, state, values, inputs: inputs},
        "transform gives how many values training never saw, or None, got ndarray",
    ),
    "too many": (
        {"transform": lambda self, state, values, inputs: len(values) + 1},
        "transform gives how many values training never saw, or None, got 37",
    ),
    "note": ({"note": lambda self, state: 3}, "note must be a text, got 3"),
    "layer": (
        {"layer": classmethod(lambda cls, columns: {"type": "densse"})},
        "UnknownComponent: layer 'densse' is unk",
    ),
}


@pytest.mark.parametrize("methods, message", BLAMED.values(), ids=BLAMED)
def test_what_an_encoder_does_wrong_is_one_line_that_names_the_column_and_the_encoder(tmp_path, methods, message):
    with registry.using(registry.Registry()) as mine:
        info = registry.Info("encoder", "wrong", "lab-wrong", "1.2", "x", stranger(**methods))
        mine.encoders.add(info)
        with pytest.raises(PluginError) as caught:
            trained(tmp_path, columns="w=wrong")
    assert str(caught.value).startswith(f"w: encoder lab-wrong/wrong (lab-wrong 1.2): {message}")
    assert "\n" not in str(caught.value) and not (tmp_path / "m.netkit").exists()


def test_an_encoder_may_blame_the_data_and_memory_is_nobodys_fault(tmp_path):
    for error, kind, message in (
        (DataError("a value is\ntoo long"), DataError, "^w: a value is too long$"),
        (MemoryError("x"), MemoryError, "^x$"),
    ):
        with pytest.raises(kind, match=message):
            trained(tmp_path, columns={"w": stranger(fit=raises(error))})


def test_an_encoder_that_nobody_registered_cannot_be_saved_and_says_so_before_training(tmp_path):
    with pytest.raises(UnknownComponent, match="^encoder 'Lengths' is not registered$"):
        trained(tmp_path, columns={"w": Lengths})


def test_numbers_of_numpy_in_a_state_are_plain(tmp_path, lengths):
    state = {"a": np.float32(0.5), "b": np.arange(3), "c": np.int64(3), "d": {1: (2.0, None)}}
    kind = stranger(fit=lambda self, summary: state, note=lambda self, state: "")
    features = Features.fit(WORDS, types={"w": kind}, exclude=("x", "y"))
    assert features.columns[0].state == {"a": 0.5, "b": [0, 1, 2], "c": 3, "d": {"1": [2.0, None]}}


def test_what_it_takes_must_be_known():
    with pytest.raises(
        PluginError, match=r"^w: encoder Wrong \(of abc\): takes must be number or date or text, got 'image'$"
    ):
        column_types({"w": stranger(takes="image")})


class Longest:
    """A summary of one's own."""

    def __init__(self):
        self.longest, self.rows, self.types = 0, 0, set()

    def feed(self, values):
        self.longest = max([self.longest, *(len(each) for each in values.drop_null().to_pylist())])
        self.rows += len(values)
        self.types.add(values.type)

    def merge(self, other):
        self.longest = max(self.longest, other.longest)


def test_an_encoder_may_bring_its_summary_and_is_shown_every_training_row():
    def fit(self, summary):
        assert summary.types == {pa.string()}
        return {"known": [str(summary.longest), str(summary.rows)]}

    kind = stranger(summary=lambda self: Longest(), fit=fit)
    seen = TableSummary(types=column_types({"w": kind}))
    for piece in ([None] * 40_000, ["a", "bbb"], [None]):
        seen.feed(pa.table({"w": pa.array(piece, None if piece[0] else pa.null())}))
    assert Features.of(seen).columns[0].state == {"known": ["3", "40003"]}


def test_missing_values_before_the_type_is_known_count():
    whole = pa.table({"n": [None] * 40_000 + [1.0, 3.0], "t": [None] * 40_000 + ["a", "a"]})
    seen = TableSummary()
    for start in (0, 16384, 39_999):
        seen.feed(pa.table({name: pa.array([None] * 40_000) for name in ("n", "t")}).slice(start, 16384))
    for name in ("n", "t"):
        seen.columns[name].feed(whole[name].slice(40_000))
    assert (seen.columns["n"].summary.missing, seen.columns["n"].summary.count) == (seen.columns["n"].rows - 2, 2)
    assert seen.columns["t"].summary.missing == seen.columns["t"].rows - 2 > 32_000


def test_layers_of_two_encoders_do_not_meet(tmp_path):
    def layer(cls, columns):
        assert [*columns] == [0] and columns[0][0] == cls()
        return "layer_norm"

    with registry.using(registry.Registry()) as mine:
        mine.encoders.add(
            registry.Info("encoder", "wrong", "lab-wrong", "1.2", "x", stranger(layer=classmethod(layer)))
        )
        model = trained(tmp_path, columns="w=wrong")
        assert [spec.name(each) for each in model.model.layers] == ["layer_norm", "dense", "dense"]
        layers = ["layer_norm", {"type": "dense", "units": 1}]
        own = trained(tmp_path, columns="w=wrong", layers=layers)
        assert [spec.name(each) for each in own.model.layers] == ["layer_norm", "dense"]
        table = WORDS.append_column("v", WORDS["w"])
        message = "^columns: encoders may bring one layer to a network, here w layer_norm and v embedding$"
        with pytest.raises(SettingError, match=message):
            trained(tmp_path, table=table, columns="w=wrong,v=embedding")


def test_one_layer_takes_all_columns_of_an_encoder_wherever_they_stand(tmp_path):
    table = pa.table({"a": ["k", "l"] * 30, "x": range(60), "b": ["u", "v", "w"] * 20, "y": [1.0, 2.0] * 30})
    model = trained(tmp_path, table=table, columns={"a": "embedding", "b": "embedding:dimensions=5"})
    first = model.model.layers[0]
    assert (first.columns, first.levels, first.dimensions) == ((0, 2), (3, 4), (2, 5))


def test_settings_of_our_own_encoders():
    table = pa.table({"w": [f"v{i % 5}" for i in range(25)], "x": [*range(24), 1e6]})
    features = Features.fit(table, types={"w": "text:levels=2", "x": "number:body=false"})
    assert features.names == ["w=v0", "w=v1", "w (other)", "x"]
    assert features.notes == ("w: the 2 most frequent values keep an input each, the others share one",)


PIECES = st.lists(st.integers(0, 400), min_size=1, max_size=6)


def parts_of(values, sizes):
    """The values in pieces of these sizes, over and over."""
    ends = np.cumsum(sizes) % (len(values) + 1)
    return np.split(np.arange(len(values)), sorted(ends))


def facts(summary):
    names = ("count", "missing", "low", "high", "mean", "deviation", "quartiles", "cycles", "counts", "differ")
    return {name: getattr(summary, name) for name in names if hasattr(summary, name)}


def merged(kind, values, pieces, **about):
    def fed(rows):
        summary = kind()
        vars(summary).update(about)
        summary.feed(pa.chunked_array([values.take(pa.array(rows, pa.int64()))]))
        return summary

    first, *others = map(fed, pieces)
    for other in others:
        first.merge(other)
    return first


COLUMNS = {
    NumberSummary: pa.array([None if i % 11 == 3 else float(i * i % 97) * 1e3 for i in range(700)]),
    DateSummary: pa.array([None if i % 13 == 3 else 1.6e9 + 5000.0 * (i * i % 997) for i in range(700)]),
    TextSummary: pa.array([None if i % 11 == 3 else f"w{i * i % 31}" for i in range(700)]),
}


@pytest.mark.parametrize("kind", COLUMNS, ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(sizes=PIECES, block=st.sampled_from([1, 50, 2**14, None]))
def test_merged_summaries_are_that_of_the_whole_column(kind, sizes, block):
    values = COLUMNS[kind]
    whole = facts(merged(kind, values, [np.arange(len(values))], block=block))
    found = facts(merged(kind, values, parts_of(values, sizes), block=block))
    close = {"mean", "deviation"}
    assert {key: value for key, value in found.items() if key not in close} == {
        key: value for key, value in whole.items() if key not in close
    }
    for key in close & found.keys():
        assert found[key] == pytest.approx(whole[key], rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.sampled_from([7, 64]), st.integers(40, 3000))
def test_merged_at_the_borders_of_blocks_they_have_the_same_bits(blocks, block, most):
    values = np.random.default_rng(0).standard_normal(2000)
    ends = np.cumsum([each * block for each in blocks])
    pieces = np.split(np.arange(2000), [end for end in ends if end < 2000])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summaries, "SAMPLE", most)
        found, whole = (
            merged(NumberSummary, pa.array(values), each, block=block) for each in (pieces, [np.arange(2000)])
        )
        assert (found.mean, found.deviation) == (whole.mean, whole.deviation)
        if found._stride == 1 or all(end % found._stride == 0 for end in ends):
            assert found.quartiles == whole.quartiles
        found.feed(pa.chunked_array([values[:100]]))
        whole.feed(pa.chunked_array([values[:100]]))
        assert (found.mean, found.deviation) == (whole.mean, whole.deviation)


def test_a_summary_of_nothing():
    numbers, text = NumberSummary(), TextSummary()
    assert (
        numbers.count == numbers.missing == numbers.mean == numbers.deviation == 0 and np.isnan(numbers.quartiles).all()
    )
    assert text.counts == {} and text.differ
    numbers.merge(NumberSummary())
    assert numbers.low == np.inf and numbers.high == -np.inf


def promised(**methods):
    """A text encoder that keeps its promises, but for the parts replaced."""

    def transform(self, state, values, inputs):
        inputs[:, 0] = [len(each or "") for each in values.to_pylist()]
        inputs[:, 1] = [each in state["known"] for each in values.to_pylist()]

    def fit(self, summary):
        return {"known": sorted(summary.counts)[:5]}

    return stranger(**{"transform": transform, "fit": fit, "note": lambda self, state: "", **methods})


def within_the_block(self, state, values, inputs):
    lengths = np.array([len(each or "") for each in values.to_pylist()])
    inputs[:, 0] = lengths - lengths.mean() if len(lengths) else 0


def missing_is_nan(self, state, values, inputs):
    inputs[:, 0] = [np.nan if each is None else len(each) for each in values.to_pylist()]


def remembers(self, state, values, inputs):
    SEEN.update(values.to_pylist())
    inputs[:, 0] = len(SEEN)


SEEN: set = set()
COUNTS = iter(range(10**9))


def learns(self, state, values, inputs):
    state["known"] += [each for each in values.to_pylist() if each and each not in state["known"]]
    inputs[:, 0] = [state["known"].index(each) if each else -1 for each in values.to_pylist()]


def rebinds(self, state, values, inputs):
    inputs = np.array([len(each or "") for each in values.to_pylist()])  # noqa: F841


def longest(self, state, values, inputs):
    assert max(len(each or "") for each in values.to_pylist()) >= 0
    inputs[:, 1] = [len(each or "") for each in values.to_pylist()]


def beside(self, state, values, inputs):
    inputs[:, 0] = [len(each or "") for each in values.to_pylist()]
    if inputs.base is not None:
        inputs.base[:, -1] = 0


class Last(Longest):
    """Knows its last piece alone."""

    def feed(self, values):
        self.longest = 0
        super().feed(values)


class Forgetful(Longest):
    """Merges nothing."""

    def merge(self, other):
        pass


def by_longest(summary, **more):
    return promised(summary=lambda self: summary(), fit=lambda self, found: {"known": [str(found.longest)]}, **more)


@dataclass(frozen=True)
class Unclipped(Encoder):
    """x / deviation."""

    takes = "number"

    def fit(self, summary):
        return {"scale": summary.deviation}

    def names(self, column, state):
        return [column]

    def transform(self, state, values, inputs):
        inputs[:, 0] = np.nan_to_num(values.to_numpy(zero_copy_only=False) / state["scale"], posinf=np.inf)


BROKEN = {
    "takes": (promised(takes="image"), r"takes must be number or date or text, got 'image'"),
    "state": (promised(fit=lambda self, summary: {"a": object()}), r"fit: .*JSON cannot hold it: got object"),
    "never fitted": (
        promised(fit=lambda self, summary: "no"),
        r"fit must give a state for one column of 2, it says no, no",
    ),
    "random state": (
        promised(fit=lambda self, summary: {"known": [next(COUNTS)]}),
        "fit gives another state for the same",
    ),
    "last piece": (by_longest(Last), r"the state fed in two pieces, cut at \d+, is "),
    "no merge": (by_longest(Forgetful), r"the state of two merged summaries, cut at \d+, is "),
    "merge is missing": (by_longest(type("Few", (Longest,), {"merge": None})), "merge raises TypeError: "),
    "names alike": (promised(names=lambda self, column, state: [column, column]), "names must differ"),
    "names without column": (
        promised(names=lambda self, column, state: ["a", "b"]),
        r"two columns have inputs of one name",
    ),
    "too few names": (promised(names=lambda self, column, state: [column]), "transform: .*IndexError: "),
    "rows coupled": (promised(transform=within_the_block), "rows are independent: 1 rows at a time 'red' becomes "),
    "missing": (promised(transform=missing_is_nan), "transform makes nan of None"),
    "overflow": (Unclipped, "transform makes (-?inf|nan) of "),
    "remembers": (promised(transform=remembers), "transform must write into inputs|rows are independent"),
    "learns": (promised(transform=learns), "transform changes the state|rows are independent"),
    "rebinds": (promised(transform=rebinds), "transform must write into inputs, which stay the same for every value"),
    "no rows": (promised(transform=longest), r"transform: .*ValueError: max\(\) "),
    "beside": (promised(transform=beside), "transform writes beside its inputs"),
    "note": (promised(note=lambda self, state: None), "treatment or note: column: .*note must be a text, got None"),
    "long note": (promised(note=lambda self, state: "x" * 250), "note is a few words, got 250 characters"),
    "layer": (
        promised(layer=classmethod(lambda cls, columns: {"type": "dense", "units": 2, "inputdim": 3})),
        r"layer: takes rows of \(3,\), not \(6,\)",
    ),
    "layer of a column too many": (
        promised(layer=classmethod(lambda cls, columns: "embedding:columns=[99],levels=[3],dimensions=[2]")),
        "layer: embedding: column 99 of rows",
    ),
    "no layer": (promised(layer=classmethod(lambda cls, columns: 3)), "layer: .* is needed, got 3"),
}


@pytest.mark.parametrize("kind, message", BROKEN.values(), ids=BROKEN)
def test_the_checks_find_an_encoder_that_does_not_keep_its_promises(kind, message):
    with pytest.raises(BrokenPromise, match=message):
        check(kind)


def test_a_strangers_encoder_that_keeps_them_passes():
    assert [report.promises for report in check(promised())] == [11]
    assert check(by_longest(Longest))
