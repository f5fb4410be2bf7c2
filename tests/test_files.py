"""Files on disk: written whole or not at all, never in the place of what is no file, and damage is always found."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import stat
import struct
import subprocess
import sys
import threading

import pytest
import torch
from fuzz.targets import sealed

import netkit
from netkit import DataError, Dense, Model, ModelFileError
from netkit.files.atomic import atomic_write, check_writable
from netkit.files.header import read_header
from netkit.tables.model import TableModel

DATA = "x,c,y\n" + "".join(f"{i},{'uvw'[i % 3]},{'ab'[i % 2]}\n" for i in range(40))
TRAIN = ("data.csv", "--target", "y", "--epochs", 1, "--quiet", "--hidden", 4)


@pytest.fixture(autouse=True)
def data(tmp_path):
    (tmp_path / "data.csv").write_text(DATA)


@pytest.fixture
def trained(cli, tmp_path):
    assert cli("train", *TRAIN, "--out", "m.netkit")[0] == 0
    return tmp_path / "m.netkit"


def small(seed=0):
    return Model([Dense(3, 2, "tanh"), Dense(units=1)], "mean_squared_error", seed=seed)


def read_from(fifo):
    """What comes out of a pipe, read by a thread, once its writer has ended."""
    found = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_bytes()))
    reader.start()
    return reader, found


WRITERS = {
    "model": lambda cli, path: cli("train", *TRAIN, "--out", path),
    "log": lambda cli, path: cli("train", *TRAIN, "--log", path, "--out", "other.netkit"),
    "predictions": lambda cli, path: cli("predict", "m.netkit", "data.csv", "--out", path),
}


@pytest.fixture(params=WRITERS)
def write(request, cli, trained):
    return lambda path: WRITERS[request.param](cli, path)


def test_a_pipe_is_written_to_and_stays_a_pipe(write, tmp_path):
    assert write(tmp_path / "plain")[0] == 0
    os.mkfifo(tmp_path / "pipe")
    reader, found = read_from(tmp_path / "pipe")
    code, _, err = write(tmp_path / "pipe")
    reader.join(10)
    assert code == 0 and (tmp_path / "pipe").is_fifo(), err
    assert found[0] == (tmp_path / "plain").read_bytes() or b'"seconds"' in found[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_written_to_and_stays_a_device(write, tmp_path, request):
    try:
        for name, minor in (("null", 3), ("full", 7)):
            os.mknod(tmp_path / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        (tmp_path / "null").write_bytes(b"")
    except OSError:
        pytest.skip("device nodes cannot be made or used here")
    assert write(tmp_path / "null")[0] == 0 and (tmp_path / "null").is_char_device()
    code, _, err = write(tmp_path / "full")
    if "[log]" in request.node.name:  # a reporter: told once, and the run goes on
        lost = r"reporter netkit-nn/json_log \(netkit-nn \S+\): OSError: \[Errno 28\] No space left on device; training"
        assert code == 0 and len(re.findall(f"^netkit: {lost} goes on without it$", err, re.M)) == 1
    else:
        assert code == 1 and err.splitlines()[-1].endswith("full: cannot be written: No space left on device")
    assert (tmp_path / "full").is_char_device()


def test_a_link_stays_a_link(write, tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "chain").symlink_to("link")
    (tmp_path / "dangling").symlink_to("new")
    assert write("chain")[0] == write("dangling")[0] == 0
    assert all((tmp_path / name).is_symlink() for name in ("link", "chain", "dangling"))
    assert (tmp_path / "real").read_bytes() not in (b"old", b"") and (tmp_path / "new").stat().st_size
    (tmp_path / "round").symlink_to("round")
    code, _, err = write("round")
    assert code == 1 and "netkit: round: cannot be written: Too many levels of symbolic links" in err
    assert (tmp_path / "round").is_symlink()


def test_a_file_that_nobody_may_write_is_refused_before_the_work(write, tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "kept").chmod(0o400)
    assert write("kept") == (1, "", "netkit: kept: cannot be written: it is read-only\n")
    assert (tmp_path / "kept").read_text() == "kept" and stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o400


def test_permissions_stay_and_new_ones_are_the_umasks(write, tmp_path):
    (tmp_path / "old").write_text("")
    (tmp_path / "old").chmod(0o646)
    before = os.umask(0o027)
    try:
        assert write("old")[0] == write("new")[0] == 0
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new")] == [0o646, 0o640]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("mode", ["w", "a"])
def test_standard_output_that_is_a_file_is_not_replaced_under_the_command(trained, tmp_path, mode):
    with (tmp_path / "out.csv").open(mode) as out:
        out.write("before\n")
        out.flush()
        command = [sys.executable, "-m", "netkit", "predict", trained, "data.csv", "--out", "/dev/stdout"]
        subprocess.run(command, check=True, cwd=tmp_path, stdout=out, timeout=120)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[:2] == ["before", "y"] and len(lines) == 42


def test_a_resumed_log_keeps_its_permissions_and_is_not_read_from_a_pipe(cli, tmp_path):
    (tmp_path / "log").write_text("")
    (tmp_path / "log").chmod(0o604)
    (tmp_path / "link").symlink_to("log")
    options = ("--checkpoint", "run", "--every", 1)
    assert cli("train", *TRAIN, *options, "--log", "link")[0] == 0
    (tmp_path / "log").write_bytes((tmp_path / "log").read_bytes() + b"\xff cut o")
    assert cli("train", "--resume", "run", "--epochs", 2)[0] == 0
    assert [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()] == [1, 2]
    assert (tmp_path / "link").is_symlink() and stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o604
    os.mkfifo(tmp_path / "pipe")
    reader, found = read_from(tmp_path / "pipe")
    assert cli("train", "--resume", "run", "--epochs", 3, "--log", "pipe")[0] == 0
    reader.join(10)
    assert json.loads(found[0])["number"] == 3


def test_many_threads_save_to_one_path_and_the_file_is_always_whole(tmp_path):
    models, failed = [small(seed) for seed in range(8)], []
    whole = []
    for number, model in enumerate(models):
        model.save(tmp_path / str(number))
        whole.append((tmp_path / str(number)).read_bytes())

    def save(model):
        try:
            for _ in range(20):
                model.save(tmp_path / "m")
                assert (tmp_path / "m").read_bytes() in whole
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=save, args=[model]) for model in models]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed and not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_a_temporary_file_that_was_left_over_is_in_nobodys_way(tmp_path):
    left = tmp_path / f".m.netkit.{os.getpid()}.part"
    left.write_text("of another process")
    with atomic_write(tmp_path / "m.netkit") as first, atomic_write(tmp_path / "m.netkit") as second:
        assert first != second and first.parent == tmp_path
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "m.netkit").read_text() == "1" and left.read_text() == "of another process"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([left.name, "data.csv", "m.netkit"])


def test_what_cannot_be_written_is_one_line_and_nothing_changes(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="cannot be written: embedded null byte$"):
        check_writable("a\0b")
    with pytest.raises(DataError, match=f"m: cannot be written: there is no folder {tmp_path}/no$"):
        check_writable(tmp_path / "no" / "m")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "m"):
        raise RuntimeError
    small().save(tmp_path / ("m" * 255))
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(tmp_path))
    with pytest.raises(DataError, match=f"m: cannot be written: no permission in {tmp_path}$"):
        check_writable(tmp_path / "m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "m" * 255]


def test_a_checkpoint_folder_keeps_the_temporary_files_of_others(cli, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".m.netkit.77.part").write_text("of a process that is at work")
    assert cli("train", *TRAIN, "--checkpoint", "run")[0] == 0
    assert (tmp_path / "run" / ".m.netkit.77.part").exists()


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        netkit.load(path)
    with pytest.raises(ModelFileError):
        read_header(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_flipped_bit_is_refused(trained, tmp_path):
    """A bit of every byte."""
    whole, rng = trained.read_bytes(), random.Random(0)
    said = set()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        said.add(refused(tmp_path / "d", damaged).partition(": ")[2])
    assert "damaged model file: its checksum is wrong" in said


def test_bytes_behind_the_end_and_spaces_are_refused(trained, tmp_path):
    whole = trained.read_bytes()
    assert "its checksum is wrong" in refused(tmp_path / "d", whole + b"\0")
    [size] = struct.unpack("<Q", whole[:8])
    spaced = struct.pack("<Q", size + 8) + whole[8 : 8 + size] + b" " * 8 + whole[8 + size :]
    assert "its checksum is wrong" in refused(tmp_path / "d", spaced)


def test_the_file_is_one_of_safetensors_with_its_checksum_in_the_metadata(tmp_path):
    from safetensors import safe_open

    model = Model([Dense(1, 3), Dense(units=1)], "mean_squared_error", dtype="float64")
    model.save(tmp_path / "m")
    with safe_open(tmp_path / "m", "pt") as file:
        about = file.metadata()
        assert set(about) == {"sha256", "netkit"} and json.loads(about["netkit"])["format"] == 2
        assert {name: file.get_tensor(name).tolist() for name in file.offset_keys()} == {
            name: value.tolist() for name, value in model.parameters().items()
        }


def headed(path, change, version=2):
    """The file with another header, and a right checksum, or as netkit 0.1 wrote it."""
    whole = path.read_bytes()
    [size] = struct.unpack("<Q", whole[:8])
    outer = json.loads(whole[8 : 8 + size])
    header = json.loads(outer["__metadata__"]["netkit"]) | {"format": version}
    change(header, outer)
    outer["__metadata__"]["netkit"] = json.dumps(header)
    if version == 1:
        del outer["__metadata__"]["sha256"]
    path.write_bytes(sealed(json.dumps(outer, separators=(",", ":")).encode(), whole[8 + size :]))
    return path


def test_a_file_of_the_first_format_is_read_and_one_of_the_second_needs_its_checksum(trained, tmp_path):
    model = TableModel.load(trained)
    headed(trained, lambda header, outer: header["scores"]["training"].update(loss=float("nan")), version=1)
    again = TableModel.load(trained)
    assert torch.equal(again.outputs(tmp_path / "data.csv"), model.outputs(tmp_path / "data.csv"))
    headed(trained, lambda header, outer: outer["__metadata__"].update(sha256="0" * 64), version=2)
    headed(trained, lambda header, outer: outer["__metadata__"].pop("sha256"))
    with pytest.raises(ModelFileError, match="m.netkit: damaged model file: its checksum is wrong$"):
        netkit.load(trained)


def column(number, **values):
    return lambda header, outer: header["features"]["columns"][number]["state"].update(values)


def target(**values):
    return lambda header, outer: header["target"].update(values)


ODD = {
    "center": (column(0, center=float("nan")), "a finite number is needed, got nan"),
    "infinite": (column(0, scale=float("inf")), "a finite number is needed, got inf"),
    "zero": (column(0, scale=0.0), r"Expected `float` >= 2.225\S+ - at "),
    "subnormal": (column(0, scale=1e-320), r"Expected `float` >= 2.225\S+ - at "),
    "levels": (column(1, levels=["u", "v", "v"]), "every level comes once"),
    "classes": (target(classes=["a", "a"]), "its classes repeat or are of several types: "),
    "mixed": (target(classes=["a", 1]), "its classes repeat or are of several types: "),
    "target": (target(scale=0.0), "the target is damaged: its scale is 0.0"),
    "format": (lambda header, outer: header.update(format=0), "damaged model file: Expected `int` >= 1"),
    "in_shape": (lambda header, outer: header.update(in_shape=[7]), "its tensors do not fit its layers: .*"),
    "dtype": (
        lambda header, outer: outer["0.W"].update(dtype="I32"),
        "damaged model file: 0.W: a tensor of F32 is needed, got I32$",
    ),
    "other dtype": (
        lambda header, outer: header.update(dtype="float64"),
        "damaged model file: .*: a tensor of F64 is needed, got F32$",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_a_header_that_says_what_cannot_be_is_refused_though_its_checksum_is_right(trained, case):
    change, message = ODD[case]
    with pytest.raises(ModelFileError, match=message) as caught:
        TableModel.load(headed(trained, change))
    assert "\n" not in str(caught.value)


def test_layers_that_take_other_rows_than_the_header_says_are_refused(tmp_path):
    small().save(tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"m: its layers take rows of \(3,\), not \(4,\)$"):
        netkit.load(headed(tmp_path / "m", lambda header, outer: header.update(in_shape=[4])))


COSTLY = {
    "Transformer(14,1,2000,2000)": (3,),
    "Transformer(2,1,9000,9000,1)": (3,),
    "LSTM(1,1,1000000)": (3, 1),
    "Upsample(scale_factor=3e8)": (1, 2),
    "ZeroPad1d((0,300000000))": (1, 4),
    "ConvTranspose1d(1,1,1,stride=4000000)": (1, 100),
}


@pytest.mark.parametrize("module", COSTLY)
def test_a_small_file_asks_for_little_memory_and_time(tmp_path, module):
    small().save(tmp_path / "m")

    def change(header, outer):
        header["layers"][0] = {"type": "netkit-nn/torch", "module": module}
        header["in_shape"] = COSTLY[module]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match="its settings ask for (a tensor|tensors of far|more operations)"):
        netkit.load(headed(tmp_path / "m", change))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_a_small_file_has_few_parts_however_deep(tmp_path):
    small().save(tmp_path / "m")
    inner = [{"type": "netkit-nn/dropout", "rate": 0.5}] * 40016
    parts = {"type": "netkit-nn/residual", "layers": inner}
    with pytest.raises(ModelFileError, match="its 4 tensors allow 40016 layers and parts of layers, got 4001[78]$"):
        netkit.load(headed(tmp_path / "m", lambda header, outer: header.update(layers=[parts])))


def test_a_network_has_a_bounded_number_of_layers(tmp_path):
    with pytest.raises(netkit.SettingError, match="^Model: 1 to 10000 layers are needed, got 10001$"):
        Model(["dropout"] * 10001, "mean_squared_error")


def test_a_column_of_tiny_numbers_makes_a_model_that_loads(cli, tmp_path):
    rows = "".join(f"{i % 5}e-310,{i % 3}e-315,{i % 7}e-312\n" for i in range(40))
    (tmp_path / "tiny.csv").write_text("a,b,y\n" + rows)
    train = ("train", "tiny.csv", "--target", "y", "--task", "regression", "--epochs", 1, "--quiet")
    assert cli(*train)[0] == 0 and cli("predict", "tiny.netkit", "tiny.csv")[0] == 0
