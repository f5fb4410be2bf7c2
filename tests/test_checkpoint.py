"""Model files: what was saved comes back, and every file that cannot be used says why in one line."""

from __future__ import annotations

import copy
import json
import pickle
import re
import struct
from importlib import metadata

import pytest
import torch
from fuzz.targets import sealed

import netkit
from netkit import Dense, Model, registry
from netkit.errors import DataError, ModelFileError, SettingError, UnknownComponent
from netkit.tables.model import TableModel


@pytest.fixture
def saved(tmp_path):
    model = Model([Dense(4, 8, "leaky_relu:slope=0.3"), "layer_norm", Dense(units=2)], "huber:delta=0.5", seed=3)
    model.save(tmp_path / "m.netkit")
    return model, tmp_path / "m.netkit"


def rewritten(path, change):
    """The same file after `change(header)`, its tensors as they were."""
    raw = path.read_bytes()
    [size] = struct.unpack("<Q", raw[:8])
    outer = json.loads(raw[8 : 8 + size])
    header = json.loads(outer["__metadata__"]["netkit"])
    change(header)
    outer["__metadata__"]["netkit"] = json.dumps(header)
    path.write_bytes(sealed(json.dumps(outer, separators=(",", ":")).encode(), raw[8 + size :]))
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_comes_back_to_the_bit(tmp_path, dtype):
    model = Model(
        [Dense(4, 8, "relu"), "dropout:rate=0.1", Dense(units=3, activation="softmax")],
        "categorical_cross_entropy",
        seed=5,
        dtype=dtype,
    )
    model.save(tmp_path / "m.netkit")
    again = netkit.load(tmp_path / "m.netkit")
    x = torch.randn(9, 4)
    assert again.network.layers == model.network.layers and again.loss == model.loss and again.dtype == model.dtype
    assert torch.equal(again.forward(x), model.forward(x)) and again.seed == 5
    assert [path.name for path in tmp_path.iterdir()] == ["m.netkit"]


CHANGES = {
    "not the layers": (lambda h: h["layers"].pop(), "its tensors do not fit its layers: .*: none is needed, got "),
    "impossible": (
        lambda h: h["layers"][2].update(inputdim=5),
        "its network cannot be built: layer 2: dense: input has 8 features, built for 5",
    ),
    "no layers": (lambda h: h.update(layers=[]), "its network cannot be built: "),
    "bad setting": (lambda h: h["loss"].update(delta=-1), "its network cannot be built: netkit-nn/huber: delta: "),
    "unknown setting": (lambda h: h["loss"].update(data=1), "its network cannot be built: .*no setting 'data'"),
    "dtype": (lambda h: h.update(dtype="int8"), "its network cannot be built: dtype: float32 or float64"),
    "type": (lambda h: h.update(layers=7), "damaged model file: .*layers"),
    "key": (lambda h: h.pop("loss"), "damaged model file: .*loss"),
    "format": (lambda h: h.update(format=99, netkit="9.0"), "format 99 of netkit 9.0 is newer than this netkit reads"),
    "a path for a name": (
        lambda h: h["loss"].update(type="../../etc:system"),
        "its network cannot be built: loss .* is unknown",
    ),
    "absent": (
        lambda h: h["components"].update(
            {"lab-x/swish": {"kind": "activation", "distribution": "lab-x", "version": "2.1"}}
        ),
        "activation lab-x/swish is not available: pip install 'lab-x==2.1'",
    ),
    "older": (
        lambda h: h["components"].update(
            {"netkit-nn/a": {"kind": "loss", "distribution": "netkit-nn", "version": "9.1"}}
        ),
        "loss netkit-nn/a is not available: the model was saved with netkit-nn 9.1, .* has no such name: pip install 'netkit-nn==9.1'$",
    ),
    "by hand": (
        lambda h: h["components"].update({"run-time/a": {"kind": "loss", "distribution": "run-time", "version": ""}}),
        "loss run-time/a is not available: it was registered by hand in the program that saved the model; register it again",
    ),
    "no kind": (
        lambda h: h["components"].update({"a/a": {"kind": "poem", "distribution": "a", "version": "1"}}),
        "poem a/a is not available: pip install 'a==1'",
    ),
    "emptied": (
        lambda h: (h["components"].clear(), h["layers"][0]["activation"].update(type="lab-x/swish")),
        "component lab-x/swish is not available: pip install 'lab-x'$",
    ),
    "emptied, gone": (
        lambda h: (h["components"].clear(), h["loss"].update(type="netkit-nn/gone")),
        "component netkit-nn/gone is not available: netkit-nn .* has no such name: pip install 'netkit-nn'$",
    ),
    "a command for a distribution": (
        lambda h: h["components"].update({"a/a": {"kind": "loss", "distribution": "a'; rm -rf '", "version": "1"}}),
        "damaged model file: components: distribution: a name or a version of a package is needed, got \"a'; rm -rf '\"$",
    ),
    "a command for a version": (
        lambda h: h["components"].update(
            {"a/a": {"kind": "loss", "distribution": "a", "version": "1' --index-url=x '"}}
        ),
        "damaged model file: components: version: a name or a version of a package is needed, got ",
    ),
    "a command for a name": (
        lambda h: h["components"].update({"a/`x`": {"kind": "loss", "distribution": "a", "version": "1"}}),
        "damaged model file: components: component: a name or a version of a package is needed, got 'a/`x`'$",
    ),
    "a command for a kind": (
        lambda h: h["components"].update({"a/a": {"kind": "$(x)", "distribution": "a", "version": "1"}}),
        "damaged model file: components: kind: ",
    ),
    "no version": (
        lambda h: h["components"].update({"a/a": {"kind": "loss", "distribution": "a", "version": ""}}),
        "damaged model file: components: version: ",
    ),
}


@pytest.mark.parametrize("change, message", CHANGES.values(), ids=CHANGES)
def test_a_changed_header_is_refused_in_one_line(saved, change, message):
    with pytest.raises(ModelFileError, match=f"m.netkit: {message}") as caught:
        netkit.load(rewritten(saved[1], change))
    assert "\n" not in str(caught.value)


def test_a_broken_plugin_is_the_reason_why_its_component_is_missing(saved, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lab_x.py").write_text("raise RuntimeError('no luck')")
    info = tmp_path / "lab_x-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-x\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[netkit]\nlab = lab_x\n")
    CHANGES["absent"][0](found := {"components": {}})
    path = rewritten(saved[1], lambda header: header["components"].update(found["components"]))
    with registry.using(registry.Registry([*metadata.distributions()])):
        failed = r"import of lab_x failed: .*no luck \(line 1 of lab_x.py\)"
        reason = f"not available: lab-x 2.0 is broken: {failed}; pip install 'lab-x==2.1'$"
        with pytest.raises(ModelFileError, match=reason):
            netkit.load(path)
        assert re.search(reason, netkit.load(path, missing="keep").reason)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-x\nVersion: 2.0\nRequires-Dist: netkit-nn>=99\n")
    with (
        registry.using(registry.Registry([*metadata.distributions()])),
        pytest.raises(
            ModelFileError,
            match="lab-x 2.0 is incompatible: needs netkit-nn>=99, this is .*; pip install 'lab-x==2.1'$",
        ),
    ):
        netkit.load(path)
    with registry.using(registry.Registry([*metadata.distributions()], blocked=["lab-x"])):
        with pytest.raises(ModelFileError, match="lab-x 2.0 is blocked: blocked by name: lab-x$"):
            netkit.load(path)


def test_a_file_of_another_kind_is_refused(tmp_path, saved):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="not a netkit model: a safetensors file without netkit's header"):
        netkit.load(tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="was saved without a table's preparation; use netkit.load"):
        TableModel.load(saved[1])
    for text in (
        b"",
        b"12345678",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 3) + b"{x}",
    ):
        (tmp_path / "b").write_bytes(text)
        with pytest.raises(ModelFileError, match="not a netkit model, or cut off"):
            netkit.load(tmp_path / "b")
    with pytest.raises(DataError, match="nowhere: cannot be read: no such file"):
        netkit.load(tmp_path / "nowhere")


def test_every_cut_of_a_file_is_refused(saved):
    whole = saved[1].read_bytes()
    for size in range(0, len(whole), 97):
        saved[1].write_bytes(whole[:size])
        with pytest.raises(ModelFileError):
            netkit.load(saved[1])


def test_prepared_inputs_must_fit_the_network(cli, tmp_path, penguins):
    assert cli("train", penguins, "--target", "species", "--epochs", 1, "--out", "p.netkit")[0] == 0
    rewritten(tmp_path / "p.netkit", lambda header: header["features"]["columns"].pop())
    code, _, err = cli("predict", "p.netkit", penguins)
    assert code == 1 and "encoded inputs do not fit layers for (14,)" in err


def test_a_part_that_was_never_registered_is_not_saved(tmp_path):
    loss = type("Mine", (registry.losses["huber"],), {"__doc__": "Mine."})()
    model = Model([Dense(2, 1)], loss)
    with pytest.raises(UnknownComponent, match="loss 'Mine' is not registered"):
        model.save(tmp_path / "m.netkit")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_in_one_step(saved):
    model, path = saved
    before = path.read_bytes()
    with path.open("rb") as reader:  # whoever reads the old file while a new one is written gets the old one whole
        model.parameters()["0.b"].fill_(5)
        model.save(path)
        assert reader.read() == before != path.read_bytes()


def test_a_write_that_fails_leaves_the_file_as_it_was(saved, monkeypatch):
    model, path = saved
    before = path.read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="m.netkit: cannot be written: No space left on device"):
        model.save(path)
    assert path.read_bytes() == before and [each.name for each in path.parent.iterdir()] == ["m.netkit"]


def test_a_model_without_its_plugin_is_kept_and_saved_byte_for_byte(saved, tmp_path):
    path = rewritten(saved[1], CHANGES["absent"][0])
    with pytest.raises(ModelFileError, match="lab-x/swish is not available"):
        netkit.load(path)
    kept = netkit.load(path, missing="keep")
    kept.save(tmp_path / "again.netkit")
    assert (tmp_path / "again.netkit").read_bytes() == path.read_bytes()
    assert kept.header.components["lab-x/swish"].version == "2.1"
    with pytest.raises(ModelFileError, match="activation lab-x/swish is not available: pip install 'lab-x==2.1'"):
        kept.predict(torch.zeros(1, 4))
    kept.parameters()["0.b"].fill_(7)
    kept.save(path)
    assert float(netkit.load(path, missing="keep").parameters()["0.b"][0]) == 7


def test_missing_refuses_other_words_and_keep_changes_nothing_where_all_is_here(saved):
    with pytest.raises(SettingError, match="^missing: refuse or keep is needed, got 'ignore'$"):
        netkit.load(saved[1], missing="ignore")
    assert isinstance(netkit.load(saved[1], missing="keep"), Model)


def test_describe_lets_no_control_character_through(saved, cli):
    rewritten(saved[1], lambda header: header["loss"].update(type="x\x1b[2J\u202e\n"))
    code, out, _ = cli("describe", saved[1])
    assert code == 0 and "loss: x?[2J??(" in out


def test_a_kept_model_has_other_metadata_too_and_can_be_copied(saved, tmp_path):
    path = rewritten(saved[1], CHANGES["absent"][0])
    raw = path.read_bytes()
    [size] = struct.unpack("<Q", raw[:8])
    outer = json.loads(raw[8 : 8 + size])
    outer["__metadata__"] |= {"author": "somebody", "zebra": "1"}
    path.write_bytes(sealed(json.dumps(outer, separators=(",", ":")).encode(), raw[8 + size :]))
    kept = netkit.load(path, missing="keep")
    assert not hasattr(kept, "predict") and not hasattr(kept, "_anything")
    for number, each in enumerate((kept, copy.copy(kept), copy.deepcopy(kept), pickle.loads(pickle.dumps(kept)))):
        each.save(tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == path.read_bytes()
    kept.parameters()["0.b"] = torch.zeros(3)
    with pytest.raises(SettingError, match="^parameters: a kept model has .*, got "):
        kept.save(path)


def failing(error):
    def build(self, shape, generator):
        raise error

    return build


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: h["loss"].update(data=1), "m.netkit: its network cannot be built: .*no setting 'data'"),
        (
            lambda h: h["layers"][1].update(type="run-time/leaves"),
            r"m.netkit: its network cannot be built: layer run-time/leaves \(registered by hand\): SystemExit: 0; ",
        ),
        (
            lambda h: h["layers"][1].update(type="run-time/raises"),
            r"m.netkit: its network cannot be built: layer run-time/raises \(registered by hand\): ValueError: no luck; ",
        ),
    ],
)
def test_a_model_that_its_plugins_cannot_build_any_more_is_kept(saved, tmp_path, change, reason):
    norm = registry.layers["layer_norm"]
    with registry.using(registry.Registry()) as mine:
        mine.layers.register("leaves", type("Leaves", (norm,), {"build": failing(SystemExit(0))}))
        mine.layers.register("raises", type("Raises", (norm,), {"build": failing(ValueError("no\nluck"))}))
        path = rewritten(saved[1], change)
        with pytest.raises(ModelFileError, match=reason):
            netkit.load(path)
        kept = netkit.load(path, missing="keep")
        with pytest.raises(ModelFileError, match=reason):
            kept.fit()
        kept.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_file_may_be_read_by_whoever_the_umask_lets(tmp_path):
    import os

    model = Model([Dense(inputdim=2, units=1)], "mean_squared_error")
    before = os.umask(0o022)
    try:
        model.save(tmp_path / "m.netkit")
    finally:
        os.umask(before)
    assert (tmp_path / "m.netkit").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_folder_is_no_place_for_a_model(path):
    with pytest.raises(DataError, match="cannot be written: it is a folder$"):
        Model([Dense(inputdim=2, units=1)], "mean_squared_error").save(path)
