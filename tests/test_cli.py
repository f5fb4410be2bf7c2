"""The command line, through real files."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from netkit import Activation, Reader, registry
from netkit.kinds import KINDS

QUICK = ("--epochs", 3, "--quiet")


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_from_a_table_to_predictions(netkit, penguins, tmp_path):
    trained = netkit("train", penguins, "--target", "species", "--epochs", 20)
    assert trained.returncode == 0, trained.stderr
    assert "multiclass, 3 classes" in trained.stdout and "saved penguins.netkit" in trained.stdout
    assert (
        "(chose the epoch)" in trained.stdout and "accuracy" in trained.stdout and "validation loss" in trained.stderr
    )
    predicted = netkit("predict", "penguins.netkit", penguins, "--out", "p.csv", "--probabilities")
    assert predicted.returncode == 0, predicted.stderr
    found = rows(tmp_path / "p.csv")
    truth = [row["species"] for row in rows(penguins)]
    assert sum(row["species"] == label for row, label in zip(found, truth, strict=True)) > 0.95 * len(truth)
    assert list(found[0]) == ["species", "species=Adelie", "species=Chinstrap", "species=Gentoo"]
    for row in found:
        chances = {name.partition("=")[2]: float(value) for name, value in row.items() if "=" in name}
        assert abs(sum(chances.values()) - 1) < 1e-5 and max(chances, key=chances.get) == row["species"]
    evaluated = netkit("evaluate", "penguins.netkit", penguins, "--metric", "accuracy", "--metric", "error_rate")
    assert float(evaluated.stdout.split("accuracy ")[1].split()[0]) > 0.95
    described = netkit("describe", "penguins.netkit")
    for part in (
        "netkit-nn/dense",
        "netkit-nn 0.1.0",
        "bill_length_mm: number(body=True)",
        "target: species (multiclass)",
        "dense(",
        "categorical_cross_entropy",
        "W 11x64",
    ):
        assert part in described.stdout or part == "W 11x64", described.stdout


def test_the_target_decides_the_task(cli, tmp_path):
    (tmp_path / "b.csv").write_text("x,y\n" + "".join(f"{i},{'yes' if i % 3 else 'no'}\n" for i in range(40)))
    (tmp_path / "r.csv").write_text("x,y\n" + "".join(f"{i},{1000 + i * 1.5}\n" for i in range(40)))
    assert "target y: binary" in cli("train", "b.csv", "--target", "y", *QUICK)[1]
    code, out, _ = cli("train", "r.csv", "--target", "y", "--epochs", 200, "--quiet", "--metric", "mean_absolute_error")
    assert code == 0 and "regression" in out
    cli("predict", "r.netkit", "r.csv", "--out", "p.csv")
    found, truth = ([float(row["y"]) for row in rows(tmp_path / name)] for name in ("p.csv", "r.csv"))
    error = sum(abs(a - b) for a, b in zip(found, truth, strict=True)) / 40
    assert error < 5
    printed = cli("evaluate", "r.netkit", "r.csv", "--metric", "mean_absolute_error")[1]
    assert abs(float(printed.split("mean_absolute_error ")[1].split()[0]) - error) < 1e-2
    cli("predict", "b.netkit", "b.csv", "--out", "p.csv")
    assert {row["y"] for row in rows(tmp_path / "p.csv")} <= {"yes", "no"}


def test_column_order_does_not_matter_and_the_target_may_be_absent(cli, penguins, tmp_path):
    cli("train", penguins, "--target", "species", *QUICK)
    table = rows(penguins)
    names = [name for name in reversed(table[0]) if name != "species"]
    with (tmp_path / "turned.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(table)
    assert cli("predict", "penguins.netkit", "turned.csv")[1] == cli("predict", "penguins.netkit", penguins)[1]


def test_same_seed_same_file_other_seed_other_file(cli, penguins, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert cli("train", penguins, "--target", "species", "--out", name, "--seed", seed, *QUICK)[0] == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("alpha", [".01", "1e-2", "01.0e-2"])
def test_numbers_are_read_as_people_write_them(cli, penguins, tmp_path, alpha):
    for name, given in (("a", "0.01"), ("b", alpha)):
        seed = ["--seed", "07" if name == "b" else "7"]
        assert cli("train", penguins, "--target", "species", "--out", name, "--alpha", given, *seed, *QUICK)[0] == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


CONFIG = """
target = "species"
epochs = 3
alpha = 0.005
quiet = true
optimizer = {type = "sgd", momentum = 0.9}
loss = "categorical_cross_entropy"
layers = [
    {type = "dense", units = 9, activation = "leaky_relu:slope=0.2"},
    {type = "dropout", rate = 0.1},
    {type = "dense", units = 3, activation = "softmax"},
]
"""


def test_a_toml_says_everything_and_options_beside_it_win(cli, penguins, tmp_path):
    (tmp_path / "net.toml").write_text(CONFIG)
    assert cli("train", penguins, "--config", "net.toml", "--out", "a")[0] == 0
    code, out, _ = cli("train", penguins, "--config", "net.toml", "--out", "b")
    assert code == 0 and "-9-9-3" in out
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    described = cli("describe", "a")[1]
    assert "leaky_relu(slope=0.2)" in described and "dropout(rate=0.1)" in described
    cli("train", penguins, "--config", "net.toml", "--out", "c", "--alpha", 0.05)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_ctrl_c_keeps_the_best_weights_and_says_so(penguins, tmp_path):
    command = [sys.executable, "-m", "netkit", "train", str(penguins), "--target", "species", "--epochs", "1000000"]
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a shell's background job ignores it
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **heed
    ) as process:
        for line in process.stdout:
            if "network" in line:
                break
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    told = [line for line in err.splitlines() if "epoch/s" not in line and "s/epoch" not in line]
    assert "note: stopped by Ctrl-C: kept the weights of epoch" in told[-1] and "Traceback" not in err, err
    assert "saved penguins.netkit" in out and (tmp_path / "penguins.netkit").exists()


def test_list_plugins_show_and_help(netkit):
    listed = netkit("list-plugins")
    for part in ("activation", "relu", "netkit-nn 0.1.0", "max(0, z)", "optimizer", "glorot_uniform"):
        assert part in listed.stdout
    losses = netkit("list-plugins", "--kind", "loss").stdout
    assert "mean_squared_error" in losses and "relu" not in losses
    table = json.loads(netkit("list-plugins", "--json").stdout)
    assert table["schema"] == 1
    relu = [c for row in table["plugins"] for c in row["components"] if c["name"] == "relu"]
    assert relu[0]["qualified"] == "netkit-nn/relu" and relu[0]["kind"] == "activation"
    shown = netkit("show", "leaky_relu").stdout
    assert "slope" in shown and "f'(z)" in shown and "from netkit-nn" in shown and "-4.00" in shown
    assert "train" in netkit("--help").stdout and netkit("--version").stdout.startswith("netkit-nn 0.")


@pytest.mark.parametrize("arguments", [["list-plugins"], ["--help"], ["train", "--help"], ["--version"]])
def test_what_only_looks_imports_no_torch(arguments):
    code = (
        "import sys\nfrom netkit.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as e: assert not e.code\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_completion_offers_names_without_torch():
    words = {"_NETKIT_COMPLETE": "bash_complete", "COMP_WORDS": "netkit train x.csv --activation le", "COMP_CWORD": "4"}
    code = (
        "import sys\nfrom netkit.cli import main\ntry: main()\n"
        "except SystemExit: pass\nprint('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, text=True, capture_output=True, check=True
    )
    assert "leaky_relu" in done.stdout and done.stderr.strip() == "False"


def test_without_plugins_the_command_says_that_there_are_none(netkit):
    listed = netkit("--no-plugin", "netkit-nn", "list-plugins")
    assert listed.returncode == 0 and "no components are registered" in listed.stderr and "blocked" in listed.stdout
    shown = netkit("--no-plugin", "netkit-nn", "show", "relu")
    assert shown.returncode == 2 and shown.stderr == "netkit: no component is called 'relu'\n"


GOOD = "x,z,y\n" + "".join(f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(30))
BAD = {
    "no file": (["train", "none.csv", "--target", "y"], 1, "none.csv: .*no such file"),
    "no column": (["train", "good.csv", "--target", "yy"], 1, "no column 'yy'; did you mean y"),
    "one value": (["train", "one.csv", "--target", "y"], 1, "y: .*one value"),
    "header only": (["train", "header.csv", "--target", "y"], 1, "header.csv: .*no rows"),
    "empty": (["train", "empty.csv", "--target", "y"], 1, "empty.csv: .*empty"),
    "inf": (["train", "inf.csv", "--target", "y"], 1, "x: .*row 3.*inf"),
    "ragged": (["train", "ragged.csv", "--target", "y"], 1, "ragged.csv: .*3"),
    "latin": (["train", "latin.csv", "--target", "y"], 1, "latin.csv: .*UTF-8"),
    "png": (["train", "png.csv", "--target", "y"], 1, "png.csv: "),
    "no target": (["train", "good.csv"], 2, "^netkit: target: the column to predict is needed$"),
    "no command": (["trian"], 2, "no such command 'trian'; did you mean train"),
    "activation": (
        ["train", "good.csv", "--target", "y", "--activation", "rellu"],
        2,
        "activation 'rellu' is unknown; did you mean relu",
    ),
    "setting": (
        ["train", "good.csv", "--target", "y", "--optimizer", "adam:beta=1"],
        2,
        "adam: there is no setting 'beta'; did you mean beta",
    ),
    "loss's task": (["train", "good.csv", "--target", "y", "--loss", "mean_squared_error"], 1, "y: .*regression"),
    "batch": (["train", "good.csv", "--target", "y", "--batch", "0"], 2, "^netkit: batch: expected `int` >= 1, got 0$"),
    "epochs": (
        ["train", "good.csv", "--target", "y", "--epochs", "-1"],
        2,
        "^netkit: epochs: expected `int` >= 1, got -1$",
    ),
    "alpha": (["train", "good.csv", "--target", "y", "--alpha", "inf"], 2, "alpha: .*got inf"),
    "validation": (
        ["train", "good.csv", "--target", "y", "--validation", "1"],
        2,
        "^netkit: validation: expected `float` < 1.0, got 1.0$",
    ),
    "hidden": (["train", "good.csv", "--target", "y", "--hidden", "0"], 2, "at least 1 unit, got 0"),
    "out": (
        ["train", "good.csv", "--target", "y", "--out", "no/such/folder.nk"],
        1,
        "no/such/folder.nk: cannot be written",
    ),
    "config": (
        ["train", "good.csv", "--config", "bad.toml"],
        2,
        "bad.toml: there is no setting 'activaton'; did you mean activation",
    ),
    "not toml": (["train", "good.csv", "--config", "good.csv"], 2, "good.csv: not TOML"),
    "no config": (["train", "good.csv", "--config", "none.toml"], 1, "none.toml: cannot be read"),
    "not a model": (["predict", "good.csv", "good.csv"], 1, "good.csv: not a netkit model"),
    "cut off": (
        ["predict", "cut.netkit", "good.csv"],
        1,
        "cut.netkit: (not a netkit model, or cut off|damaged model file)",
    ),
    "cut off later": (["predict", "cut2.netkit", "good.csv"], 1, "cut2.netkit: damaged model file"),
    "newer": (["describe", "newer.netkit"], 1, "newer.netkit: format 99 of netkit .* is newer than this netkit reads"),
    "no model": (["describe", "none.netkit"], 1, "none.netkit: cannot be read: no such file"),
    "column missing": (["predict", "good.netkit", "less.csv"], 1, "column 'z'"),
    "text for numbers": (["predict", "good.netkit", "text.csv"], 1, "x: row 3: 'abc' is not a number"),
    "label unseen": (["evaluate", "good.netkit", "labels.csv"], 1, "y: .*'c'"),
    "show": (["show", "rellu"], 2, "no component is called 'rellu'; did you mean relu"),
    "predict out": (
        ["predict", "good.netkit", "good.csv", "--out", "no/such/p.csv"],
        1,
        "no/such/p.csv: cannot be written",
    ),
    "diverges": (
        ["train", "good.csv", "--target", "y", "--optimizer", "sgd", "--alpha", "1e30", "--quiet"],
        1,
        "training diverged in epoch \\d+, batch",
    ),
}


@pytest.fixture
def files(tmp_path, cli):
    def write(name, text):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    write("good.csv", GOOD)
    write("one.csv", "x,y\n" + "1,a\n2,a\n3,a\n" * 5)
    write("header.csv", "x,y\n")
    write("empty.csv", "")
    write("inf.csv", "x,y\n1,a\n2,b\ninf,a\n4,b\n" * 1)
    write("ragged.csv", "x,y\n1,a\n2,b,c\n3,a\n")
    write("latin.csv", "x,y\n1,\xe9\n2,b\n".encode("latin-1"))
    write("png.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xff" * 20)
    write("bad.toml", 'activaton = "relu"\ntarget = "y"\n')
    write("less.csv", "x,y\n1,a\n")
    write("text.csv", GOOD.replace("\n2,", "\nabc,"))
    write("labels.csv", GOOD.replace(",b\n", ",c\n"))
    assert cli("train", "good.csv", "--target", "y", "--out", "good.netkit", *QUICK)[0] == 0
    whole = (tmp_path / "good.netkit").read_bytes()
    write("cut.netkit", whole[:100])
    write("cut2.netkit", whole[:-5])
    write("newer.netkit", whole.replace(b'\\"format\\": 2,', b'\\"format\\":99,'))


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_a_code_and_leaves_nothing(cli, files, case, tmp_path):
    import re

    arguments, code, message = BAD[case]
    before = sorted(path.name for path in tmp_path.iterdir())
    found, _, err = cli(*arguments)
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert found == code and len(lines) == 1 and lines[0].startswith("netkit: "), err
    assert re.search(message, lines[0]), lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_unseen_category_is_a_note_not_an_error(cli, tmp_path):
    (tmp_path / "a.csv").write_text("c,x,y\n" + "".join(f"{'pq'[i % 2]},{i},{i % 2}\n" for i in range(20)))
    (tmp_path / "b.csv").write_text("c,x\nr,3\np,4\n")
    cli("train", "a.csv", "--target", "y", *QUICK)
    code, out, err = cli("predict", "a.netkit", "b.csv")
    assert code == 0 and len(out.splitlines()) == 3 and "note: " in err and "c" in err


def test_constant_and_missing_columns_are_left_out_with_a_note(cli, tmp_path):
    (tmp_path / "a.csv").write_text("k,m,x,y\n" + "".join(f"1,,{i},{i % 2}\n" for i in range(20)))
    code, out, err = cli("train", "a.csv", "--target", "y", *QUICK)
    assert code == 0 and "note: k" in err and "note: m" in err and "network 1-" in out


def test_show_as_json_says_where_a_component_is_from_and_what_may_be_set(cli):
    code, out, _ = cli("show", "leaky_relu", "--json")
    [told] = json.loads(out)
    assert code == 0 and told["settings"] == {"slope": {"rule": "float, >= 0", "required": False, "default": "0.01"}}
    assert (told["kind"], told["qualified"], told["distribution"]) == (
        "activation",
        "netkit-nn/leaky_relu",
        "netkit-nn",
    )
    assert "class LeakyRelu" in "".join(Path(told["file"]).read_text().splitlines()[told["line"] - 1 :][:2]) and told[
        "doc"
    ].startswith("z where z > 0")


@dataclass(frozen=True)
class Shelf(Reader):
    """A file of shelves."""

    suffixes = (".shelf", ".sh")
    schemes = ("shelf",)
    tags: tuple[str, ...] = field(default_factory=lambda: ("a", "b"))
    order: Literal["up", "down"] = "up"

    def batches(self, where, size):
        raise NotImplementedError


def test_show_says_what_a_class_says_in_the_words_of_its_kind(cli):
    with registry.using(registry.Registry()) as mine:
        mine.readers.register("shelf", Shelf)
        assert cli("show", "shelf")[1].splitlines()[4:] == [
            "",
            "  suffixes: .shelf, .sh",
            "  schemes: shelf",
            "  tags = ('a', 'b'): list of (str)",
            "  order = 'up': up or down",
        ]
        [told] = json.loads(cli("show", "shelf", "--json")[1])
        assert told["says"] == {"suffixes": [".shelf", ".sh"], "schemes": ["shelf"]}
        assert told["settings"]["tags"] == {"rule": "list of (str)", "required": False, "default": "('a', 'b')"}
        assert re.search(r"^reader +shelf +A file of shelves\. ", cli("list-plugins", "--kind", "reader")[1], re.M)
    assert "  alpha: 0.001\n  adaptive: True\n  beta1 = 0.9: " in cli("show", "adam")[1]
    shown = cli("show", "categorical_cross_entropy")[1]
    assert (
        "  task: multiclass\n  outputs: simplex\n  head: softmax\n  metric: accuracy\n" in shown
        and "fused" not in shown.lower().split("head")[1]
    )


@pytest.mark.parametrize("command", ["list-plugins", "new-plugin"])
def test_completion_offers_every_kind(netkit, command):
    words = {"_NETKIT_COMPLETE": "bash_complete", "COMP_WORDS": f"netkit {command} --kind ", "COMP_CWORD": "3"}
    offered = netkit(env={**os.environ, **words}).stdout
    assert [line.removeprefix("plain,") for line in offered.splitlines()] == [*KINDS]


@dataclass(frozen=True)
class Leaves(Activation):
    """Its forward raises what it was told to."""

    kind_of_error: str = "SystemExit"

    def forward(self, z):
        error = {
            "SystemExit": SystemExit(0),
            "TypeError": TypeError("no\x1b[2J\nluck"),
            "Exit": SystemExit("bye"),
            "Base": BaseException(),
        }
        raise error[self.kind_of_error]

    def backward(self, grad, z, a):
        return grad


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("SystemExit", "SystemExit: 0"),
        ("Exit", "SystemExit: bye"),
        ("Base", "BaseException"),
        ("TypeError", "TypeError: no [2J luck"),
    ],
)
def test_a_component_that_ends_the_program_or_raises_is_one_line(cli, penguins, tmp_path, monkeypatch, given, said):
    monkeypatch.delenv("NETKIT_TRACEBACK", raising=False)
    with registry.using(registry.Registry()) as mine:
        mine.activations.register("leaves", Leaves)
        train = ["train", penguins, "--target", "species", "--activation", f"leaves:kind_of_error={given}", *QUICK]
        found, _, err = cli(*train)
        who, more = "activation run-time/leaves (registered by hand)", "netkit.testing.check('leaves') tells more"
        assert found == 1 and err.splitlines()[-1] == f"netkit: {who}: {said}; {more}" and "Traceback" not in err
        assert not list(tmp_path.iterdir())
        monkeypatch.setenv("NETKIT_TRACEBACK", "1")
        assert "Traceback" in cli(*train)[2]


@dataclass(frozen=True)
class Bound(Activation):
    """Its bound form is a function of this module that ends the program."""

    def forward(self, z):
        return z

    def backward(self, grad, z, a):
        return grad

    def bind_forward(self, z, a):
        return [lambda: sys.exit("bye")]


def test_a_function_of_a_plugin_that_ends_the_program_is_one_line(cli, penguins):
    with registry.using(registry.Registry()) as mine:
        mine.activations.register("bound", Bound)
        code, _, err = cli("train", penguins, "--target", "species", "--activation", "bound", *QUICK)
    said = "netkit: test_cli wanted to end the program (SystemExit: bye); nothing was finished"
    assert code == 1 and err.splitlines()[-1] == said


def test_what_is_netkits_own_fault_is_an_internal_error(cli, penguins, monkeypatch):
    from netkit.engine.training import Run

    def fails(*arguments):
        raise TypeError("no\x1b[2J\nluck")

    monkeypatch.delenv("NETKIT_TRACEBACK", raising=False)
    monkeypatch.setattr(Run, "_record", fails)
    train = ["train", penguins, "--target", "species", *QUICK]
    said = "netkit: internal error: TypeError: no [2J luck; set NETKIT_TRACEBACK=1 for the traceback"
    code, _, err = cli(*train)
    assert code == 70 and err.splitlines()[-1] == said and "Traceback" not in err
    monkeypatch.setenv("NETKIT_TRACEBACK", "1")
    assert "Traceback" in cli(*train)[2]


@dataclass(frozen=True)
class Rude(Activation):
    __doc__ = "a\x1b[2Jb\n\n    b\n      indented \u202e\n"
    call: Callable = None

    def forward(self, z):
        return z

    def backward(self, grad, z, a):
        return grad


def test_odd_docstrings_and_hints_hurt_no_command(cli):
    with registry.using(registry.Registry()) as mine:
        mine.activations.register("rude", Rude)
        mine.activations.register("number", type("Number", (Rude,), {"__doc__": 5}))
        listed = cli("list-plugins", "--kind", "activation")
        assert listed[0] == 0 and "  a [2Jb  " in listed[1]
        code, out, err = cli("schema")
        [table] = [each for each in json.loads(out)["$defs"]["activation"]["anyOf"] if "run-time/number" in str(each)]
        assert (code, err, table["properties"]["call"]) == (0, "", {})
        code, out, _ = cli("show", "rude")
        assert code == 0 and "\na?[2Jb\n\nb\n  indented ?\n" in out and "\x1b" not in out
        assert "No description." in cli("show", "number")[1]


def disputed():
    """A registry in which two strangers have one name."""
    mine = registry.Registry()
    mine.load()
    for letter in "ab":
        mine.kinds["activation"].add(registry.Info("activation", "swishy", f"lab-{letter}", "0.1", "x", Rude))
    return mine


def test_a_name_in_dispute_is_completed_and_explained_by_qualified_names(cli):
    import click

    from netkit.cli.options import Value
    from netkit.cli.plugins import names

    def offered(incomplete, complete=Value("activation").shell_complete, **params):
        ctx = click.Context(click.Command("x"))
        ctx.params = params
        return [item.value for item in complete(ctx, None, incomplete)]

    with registry.using(disputed()):
        for complete in (Value("activation").shell_complete, names):
            assert offered("swi", complete) == ["lab-a/swishy", "lab-b/swishy"]
            assert offered("lab-b/", complete) == ["lab-b/swishy"] and "netkit-nn/relu" in offered(
                "netkit-nn/r", complete
            )
        assert cli("show", "swishy") == (
            1,
            "",
            "netkit: activation 'swishy' is in dispute: write lab-a/swishy or lab-b/swishy\n",
        )
        assert cli("show", "lab-a/swishy")[0] == 0
        assert offered("le") == ["leaky_relu"] and offered("le", no_plugin=("netkit-nn", "nobody")) == []


def test_a_table_is_whole_on_a_terminal_and_a_line_a_row_elsewhere(monkeypatch, capsys):
    from netkit.cli.terminal import cells, table

    rows = [("loss", "some_name", "word " * 40, "netkit-nn 0.1"), ("loss", "b", "\u6f22" * 50, "x\x1b[31m")]
    table(rows)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        " ".join(row).replace("\x1b", "?").split() for row in rows
    ]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for width in (60, 80, 300):
        monkeypatch.setattr("shutil.get_terminal_size", lambda width=width: os.terminal_size((width, 40)))
        table(rows)
        out = capsys.readouterr().out
        assert max(map(cells, out.splitlines())) <= width
        assert out.count("\u6f22") == 50 and out.count("word") == 40 and "some_name" in out and "netkit-nn" in out
    assert out.count("\n") == 2


def test_lines_wrap_at_words_on_a_terminal_alone(monkeypatch, capsys):
    from netkit.cli.terminal import cells, say, wrapped

    say("  a  " + "word " * 30 + "\x1b[1m")
    assert capsys.readouterr().out == "  a  " + "word " * 30 + "?[1m\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 40)))
    say("  a  " + "word " * 30)
    first, *more = capsys.readouterr().out.splitlines()
    assert first == "  a  word word word" and {*more} == {"    word word word"} and len(more) == 9
    for text in ("x" * 95, "ab " + "\u6f22" * 60, " " * 40 + "deep words", "a  b", "e\u0301" * 30):
        for width in (4, 7, 20):
            lines = wrapped(text, width)
            assert "".join("".join(lines).split()) == "".join(text.split())
            assert all(cells(line) <= width for line in lines), (text, width, lines)


HOSTILE = "a\x1b[31mRED\x07\u202e"
UNDER_A_PTY = """
import csv, logging, sys
from netkit.cli import main

bad, kinds = sys.argv[1], ["A\x1b[2J", "B\x07", "C\x9b1m"]
name = f"t{bad}.csv"
with open(name, "w", newline="") as file:
    csv.writer(file).writerows([[bad, "same" + bad, "b", "y" + bad]] + [
        [["p" + bad, "q"][i % 2], 1, i * i % 11, kinds[i % 3]] for i in range(60)
    ])
train = ["train", name, "--target", "y" + bad, "--epochs", "2", "--quiet", "--out", f"m{bad}.netkit"]
for given in (
    train, [*train, "--test", "0.2"], [*train, "--hidden", bad], [*train, "--group", bad + "x"], [bad],
    ["train", "--" + bad], ["inspect", name, "--target", "y" + bad], ["describe", f"m{bad}.netkit"],
    ["evaluate", f"m{bad}.netkit", name], ["predict", f"m{bad}.netkit", bad], ["describe", bad], ["show", bad],
    ["list-plugins", "--kind", "loss"], ["check", "relu"], ["check", bad], ["show", "relu"], ["doctor"],
):
    try:
        main(given)
    except SystemExit:
        print("DID", given[0].isprintable() and given[0])
"""


def test_nothing_steers_a_terminal_and_no_line_is_wider_than_it(tmp_path):
    """Under a pty: through a pipe click takes such characters out by itself."""
    import fcntl
    import pty
    import struct
    import termios

    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", UNDER_A_PTY, HOSTILE],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    out = b""
    with suppress(OSError):  # the end of a pty
        while part := os.read(mine, 65536):
            out += part
    os.close(mine)
    assert process.wait() == 0
    text = out.decode().replace("\r\n", "\n")
    assert text.count("DID") == 17 and "internal error" not in text, text
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert [line for line in text.split("\n") if len(line) > 80] == []


def test_list_plugins_of_one_distribution(cli):
    code, out, _ = cli("list-plugins", "--plugin", "Netkit.NN", "--kind", "loss")
    assert code == 0 and out.startswith("loss") and out.count("\n") > 4
    assert cli("list-plugins", "--plugin", "nobody") == (
        1,
        "",
        "netkit: list-plugins: no plugin of a distribution 'nobody' is installed\n",
    )


def test_training_stops_early_and_leaves_a_log(cli, tmp_path, penguins):
    how = "--target body_mass_g --epochs 60 --hidden 100 --alpha 0.01 --quiet --log log.jsonl"
    train = ["train", penguins, *how.split()]
    code, out, _ = cli(*train, "--patience", 3, "--clip", 5, "--out", "m.netkit")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    best = [line["number"] for line in lines if line["best"]][-1]
    assert code == 0 and len(lines) == best + 3 < 60 and f"kept the weights of epoch {best} of {len(lines)}" in out
    assert (
        set(lines[0]) == {"number", "loss", "metrics", "validation", "best", "seconds"}
        and lines[0]["validation"]["r2"] < 1
    )
    code, _, err = cli(*train[:-1], "no/folder/log")
    assert code == 1 and err == (f"netkit: no/folder/log: cannot be written: there is no folder {tmp_path}/no/folder\n")


def test_help_is_whole_and_in_groups(cli):
    out = cli("--help")[1]
    assert "..." not in out.partition("Commands:")[2] and max(map(len, out.splitlines())) <= 80
    out = cli("train", "-h")[1]
    headings = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Data:", "Network:", "Training:", "Rows held out:", "Output:", "Options:"]
    assert max(map(len, out.splitlines())) <= 80 and "[netkit list-plugins --kind loss]" in " ".join(out.split())


def test_show_tells_the_defaults_of_a_class_its_place_and_its_source(cli):
    assert "\n  task: regression\n" in cli("show", "huber")[1]
    shown = cli("show", "auc")[1]
    assert (
        "also called auc\n" in shown and "  tasks: binary, multiclass\n" in shown and "higher_is_better: True" in shown
    )
    place = Path(shown.splitlines()[2].rpartition(":")[0])
    source = cli("show", "auc", "--source")[1].splitlines()
    assert source[0].startswith(f"# {place}:") and "\n".join(source[1:]) in place.read_text()
    with registry.using(registry.Registry()) as mine:
        mine.readers.register("made", type("Made", (Shelf,), {"__module__": "nowhere"}))
        code, _, err = cli("show", "made", "--source")
        assert (code, err) == (1, "netkit: show: run-time/made was written in a session, there is no source of it\n")
