"""What is fuzzed: each target takes any bytes as a file that somebody gives to the command.

The promise is the same for all: exit code 0, 1 or 2, every line of stderr printable and the last one the error, no file
written that was not asked for. Anything else is an AssertionError with what the command printed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

import netkit
from netkit import NetkitError, spec
from netkit.cli import main
from netkit.files.checkpoint import SIGN
from netkit.files.kept import KeptModel
from netkit.kinds import KINDS

__all__ = ["TARGETS", "ran", "seeds"]

CSV = b'x,z,"the, day",c,y\n' + b"".join(
    b'%d,%.2f,2024-01-%02d,"q""%d",%s\n' % (i, i / 7, i % 28 + 1, i % 3, b"ab"[i % 2 :][:1]) for i in range(24)
)
LINES = b"".join(
    b'{"x": %d, "c": "u%d", "t": "2024-01-01T00:00:00", "y": %s}\n' % (i, i % 3, [b"true", b"null"][i % 2])
    for i in range(24)
)
TABLE = pa.table({"x": [1.5, None, 3.0] * 8, "n": list(range(24)), "c": ["a", "b", None] * 8, "y": ["u", "v"] * 12})
TOML = b"""target = "y"
epochs = 2
alpha = 0.005
columns = {c = "text"}
optimizer = {type = "sgd", momentum = 0.9}
metric = ["accuracy", "f1"]
hidden = [8, {type = "dropout", rate = 0.2}, "dense:units=4,activation=tanh"]
[loss]
type = "categorical_cross_entropy"
[plugins]
disable = ["nobody"]
require = ["netkit-nn>=0.1"]
"""


def ran(*arguments: object) -> tuple[int, str]:
    """The command's exit code and stderr. Raises AssertionError where the promise is broken."""
    out, err = io.StringIO(), io.StringIO()
    os.environ["NETKIT_TRACEBACK"] = "1"
    before = _listed()
    with contextlib.chdir(folder()), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(each) for each in arguments])
        except SystemExit as ended:
            code = ended.code or 0
    said = err.getvalue()
    lines = said.split("\n")
    assert code in (0, 1, 2) and lines.pop() == "" and all(line.isprintable() for line in lines), said
    assert not code or lines[-1].startswith("netkit: "), said
    assert _listed() == before, f"wrote {_listed() - before}"
    return code, said


def _listed() -> set[str]:
    """All files but those beside a checkpoint, where a resumed run may write."""
    return {str(path) for path in folder().iterdir()}


@functools.cache
def folder() -> Path:
    """An empty folder of this process, where everything happens."""
    path = tempfile.mkdtemp(prefix="netkit-fuzz-")
    atexit.register(shutil.rmtree, path)
    return Path(path)


def _file(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


def _reader(suffix: str) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        ran("inspect", _file(f"data{suffix}", data))

    return target


def toml(data: bytes) -> None:
    """A configuration, up to but not including training."""
    path = _file("net.toml", data)
    ran("config", "fill", path)
    ran("inspect", _file("data.csv", CSV), "--config", path)


def component(data: bytes) -> None:
    """A component as text, on the command line."""
    words = data.decode(errors="surrogateescape").replace("\0", "")
    ran(
        "train",
        _file("data.csv", CSV),
        "--target",
        "none",
        "--optimizer",
        words,
        "--activation",
        words,
        "--hidden",
        words,
        "--columns",
        words,
    )
    for kind in KINDS:
        with contextlib.suppress(NetkitError):
            made = spec.make(kind, words)
            assert spec.make(kind, spec.text(made)) == made


def model(data: bytes) -> None:
    """A model file."""
    path = _file("m.netkit", data)
    for arguments in (["describe", path], ["describe", "--plan", path], ["predict", path, _file("data.csv", CSV)]):
        ran(*arguments)
    with contextlib.suppress(NetkitError):
        kept = netkit.load(path, missing="keep")
        if isinstance(kept, KeptModel):
            kept.save(path)
            assert path.read_bytes() == data


def sealed(head: bytes, tensors: bytes) -> bytes:
    """A model file with its length right, and its checksum where it has one in its place."""
    whole = struct.pack("<Q", len(head)) + head + tensors
    seal = b'{"__metadata__":{"sha256":"'
    start = 8 + len(seal)
    if not head.startswith(seal):
        return whole
    digits = hashlib.sha256(whole[:start] + b"0" * 64 + whole[start + 64 :]).hexdigest().encode()
    return whole[:start] + digits + whole[start + 64 :]


def outer(data: bytes) -> None:
    """The JSON at the start of a model file, with its length and checksum right and the tensors as they were."""
    size = int.from_bytes(_model()[:8], "little")
    model(sealed(data, _model()[8 + size :]))


def header(data: bytes) -> None:
    """What a model file says about itself, within JSON that is right."""
    size = int.from_bytes(_model()[:8], "little")
    about = json.loads(_model()[8 : 8 + size])
    about["__metadata__"]["netkit"] = data.decode(errors="replace")
    outer(json.dumps(about, separators=(",", ":")).encode())


def checkpoint(data: bytes) -> None:
    """A checkpoint behind a right checksum."""
    runs = folder() / "run"
    runs.mkdir()
    (runs / "000001-000000000000.checkpoint").write_bytes(SIGN + hashlib.sha256(data).digest() + data)
    try:
        ran(
            "train",
            "--resume",
            runs,
            "--epochs",
            1,
            "--quiet",
            "--out",
            runs / "m",
            "--log",
            runs / "l",
            _file("data.csv", CSV),
        )
    finally:
        shutil.rmtree(runs)


def state(data: bytes) -> None:
    """What a checkpoint says beside its tensors, within JSON that is right."""
    size = int.from_bytes(_checkpoint()[:8], "little")
    about = json.dumps(
        json.loads(_checkpoint()[8 : 8 + size]) | {"__metadata__": {"netkit": data.decode(errors="replace")}}
    ).encode()
    checkpoint(struct.pack("<Q", len(about)) + about + _checkpoint()[8 + size :])


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{
        suffix[1:]: _reader(suffix)
        for suffix in (".csv", ".csv.gz", ".csv.zst", ".jsonl", ".jsonl.gz", ".parquet", ".arrow")
    },
    "toml": toml,
    "component": component,
    "model": model,
    "outer": outer,
    "header": header,
    "checkpoint": checkpoint,
    "state": state,
}


@functools.cache
def seeds(name: str) -> list[bytes]:
    """Files that a target takes, to begin with."""
    texts = {"csv": CSV, "jsonl": LINES, "toml": TOML, "component": b"leaky_relu:slope=0.1"}
    if name.partition(".")[2]:
        kind, _, packing = name.partition(".")
        return [pa.Codec({"gz": "gzip", "zst": "zstd"}[packing]).compress(texts[kind]).to_pybytes()]
    if name in ("parquet", "arrow"):
        sink = pa.BufferOutputStream()
        (pyarrow.parquet.write_table if name == "parquet" else pyarrow.feather.write_feather)(TABLE, sink)
        return [sink.getvalue().to_pybytes()]
    if name in texts:
        return [texts[name]]
    whole = _checkpoint() if name in ("checkpoint", "state") else _model()
    size = int.from_bytes(whole[:8], "little")
    about = json.loads(whole[8 : 8 + size])
    return [
        {"outer": whole[8 : 8 + size], "header": said, "state": said}.get(name, whole)
        for said in [about["__metadata__"]["netkit"].encode()]
    ]


@functools.cache
def _model() -> bytes:
    return _trained()[0]


@functools.cache
def _checkpoint() -> bytes:
    return _trained()[1]


@functools.cache
def _trained() -> tuple[bytes, bytes]:
    """A model file, and the checkpoint of a run without the part that its checksum is about."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "data.csv").write_bytes(CSV)
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            main(
                [
                    "train",
                    f"{path}/data.csv",
                    "--target",
                    "y",
                    "--hidden",
                    "4;dropout:rate=0.2",
                    "--columns",
                    "c=embedding",
                    "--epochs",
                    "1",
                    "--checkpoint",
                    f"{path}/run",
                    "--out",
                    f"{path}/m.netkit",
                ]
            )
        [kept] = (path / "run").iterdir()
        return (path / "m.netkit").read_bytes(), kept.read_bytes()[len(SIGN) + 32 :]
