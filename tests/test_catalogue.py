"""The error catalogue: what a person types, the one line that comes back on stderr, and the exit code.

What needs a file of its own kind stands beside its other tests: tables in test_reading.py and test_data.py,
configurations in test_config.py, model files in test_checkpoint.py, checkpoints in test_resume.py, plugins in
test_registry.py and test_isolation.py. `test_every_message_has_a_test` looks at all of them.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import netkit.registry
from netkit import errors

ROOT = Path(__file__).parents[1]
GOOD = "x,z,y\n" + "".join(f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(30))
LAYERS, METRICS = (f"; there are {', '.join(lookup)}" for lookup in (netkit.registry.layers, netkit.registry.metrics))
TRAIN = ["train", "good.csv", "--target", "y", "--epochs", "1", "--quiet"]
CATALOGUE = [
    (
        [*TRAIN, "--hidden", "1000000000000000"],
        1,
        "network: layers for rows of shape (2,) need more memory than there is",
    ),
    ([*TRAIN, "--hidden", "9" * 23], 2, f"hidden[0]: a whole number of at most 64 bits is needed, got {'9' * 23}"),
    ([*TRAIN, "--hidden", "dense"], 2, "layer 0: dense: units is required"),
    ([*TRAIN, "--hidden", "64x32"], 2, "hidden: units separated by commas, such as 64,32, are needed, got '64x32'"),
    ([*TRAIN, "--hidden", "64 32"], 2, "hidden: units separated by commas, such as 64,32, are needed, got '64 32'"),
    ([*TRAIN, "--epoch", "5"], 2, "no such option --epoch; did you mean --epochs?"),
    ([*TRAIN, "--zzz", "5"], 2, "no such option --zzz"),
    (
        [*TRAIN, "--activation", "flatten"],
        2,
        "activation: Flatten is a layer that changes the shape of rows; give it among the layers",
    ),
    (
        ["train", "none.csv", "--target", "y", "--optimizer", "Adam"],
        2,
        "optimizer: optimizer 'Adam' is unknown; did you mean adam?",
    ),
    (
        ["train", "none.csv", "--target", "y", "--schedule", "cosine:last=x"],
        2,
        "schedule: cosine: there is no setting 'last'; it has floor",
    ),
    ([*TRAIN, "--columns", "num=skip"], 1, "there is no column 'num'; there are x, z, y"),
    ([*TRAIN, "--hidden", "4,\u00b2"], 2, f"hidden[1]: layer '\u00b2' is unknown{LAYERS}"),
    (
        [*TRAIN, "--optimizer", f"adam:beta1={'9' * 5000}"],
        2,
        f"optimizer: adam: beta1: expected `float`, got '{'9' * 5000}'",
    ),
    (
        [*TRAIN, "--memory", f"{'9' * 400}GB"],
        2,
        f"memory: a size such as 512MB, 2GB or 800MiB is needed, got '{'9' * 400}GB'",
    ),
    ([*TRAIN, "--batch", "inf"], 2, "batch: expected `int`, got inf"),
    (
        ["config", "fill", "digits.toml"],
        2,
        "digits.toml: not TOML: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit",
    ),
    ([*TRAIN, "--layers", "x"], 2, f"layers[0]: layer 'x' is unknown{LAYERS}"),
    ([*TRAIN, "--layers", "dense:units=3,activation=sigmoid"], 2, "layers: the last one gives (3,), y needs (1,)"),
    (
        [*TRAIN, "--layers", "dense:units=1"],
        2,
        "binary_cross_entropy: needs outputs between 0 and 1, the last layer's activation is identity; use sigmoid",
    ),
    ([*TRAIN, "--out", "good.csv"], 2, "out: another file than one that is read is needed, got 'good.csv'"),
    ([*TRAIN, "--log", "./good.csv"], 2, "log: another file than one that is read is needed, got './good.csv'"),
    (
        ["predict", "m.netkit", "good.csv", "--out", "m.netkit"],
        2,
        "out: another file than one that is read is needed, got 'm.netkit'",
    ),
    (
        [*TRAIN, "--optimizer", "sgd", "--alpha", "1e38", "--batch", "4"],
        1,
        "training diverged in epoch 1, batch 2: loss or weights are nan or infinite; "
        "try a smaller alpha than 1e+38, or standardise the inputs; nothing is saved",
    ),
    ([*TRAIN, "--out", "x" * 300], 1, f"{'x' * 300}: cannot be written: File name too long"),
    (
        [*TRAIN, "--memory", "600MB", "--batch", "1000000"],
        2,
        "memory: at least 1620MB are needed for 2 inputs, 401 parameters and 101000000 values a batch, got 600MB",
    ),
    ([*TRAIN, "--validation", "nan"], 2, "validation: expected `float` >= 0.0, got nan"),
    ([*TRAIN, "--alpha", "nan"], 2, "alpha: expected `float` > 0.0, got nan"),
    ([*TRAIN, "--clip", "0"], 2, "clip: expected `float` > 0.0, got 0"),
    ([*TRAIN, "--every", "0"], 2, "every: 30s, 5min, 2h or a number of epochs is needed, got '0'"),
    ([*TRAIN, "--keep", "0"], 2, "keep: expected `int` >= 1, got 0"),
    ([*TRAIN, "--precision", "half"], 2, "precision: float32 or bfloat16 is needed, got 'half'"),
    ([*TRAIN, "--batch", "8.5"], 2, "batch: expected `int`, got 8.5"),
    ([*TRAIN, "--batch", "eight"], 2, "batch: expected `int`, got 'eight'"),
    (
        [*TRAIN, "--batch", "0", "--alpha", "-1", "--metric", "f1", "--metric", "f2"],
        2,
        "batch: expected `int` >= 1, got 0; alpha: expected `float` > 0.0, got -1; metric[1]: metric 'f2' is unknown"
        f"{METRICS}",
    ),
    (["train", "--target", "y"], 2, "data: a table is needed, such as netkit train table.csv --target y"),
    (["train", "good.csv"], 2, "target: the column to predict is needed"),
    ([*TRAIN, "--nothing"], 2, "no such option --nothing"),
    ([*TRAIN, "--columns", "x"], 2, "columns: columns read name=encoder,..., got 'x'"),
    (
        [*TRAIN, "--columns", "x=txet"],
        2,
        "columns: x: skip or an encoder is needed, and encoder 'txet' is unknown; did you mean text?",
    ),
    ([*TRAIN, "--columns", "w=text"], 1, "there is no column 'w'; there are x, z, y"),
    ([*TRAIN, "--columns", "x=skip,z=skip"], 1, "no column is left to learn from"),
    ([*TRAIN, "--separator", "ab"], 2, "separator: one character is needed, got 'ab'"),
    ([*TRAIN, "--separator", '"'], 2, "separator: a character of ASCII, no quote and no line end, is needed, got '\"'"),
    ([*TRAIN, "--decimal", "é"], 2, "decimal: a character of ASCII, no quote and no line end, is needed, got 'é'"),
    ([*TRAIN, "--decimal", ","], 2, "decimal: ',' is the separator of columns too"),
    ([*TRAIN, "--separator", ";"], 1, "good.csv: one column 'x,z,y'; is ',' the separator?"),
    ([*TRAIN, "--task", "regression"], 1, "y: a regression needs numbers, got 'a'"),
    (
        [*TRAIN, "--task", "regression", "--loss", "binary_cross_entropy"],
        2,
        "task: binary_cross_entropy is for binary, got regression",
    ),
    (
        [*TRAIN, "--metric", "f1", "--metric", "r2"],
        2,
        "r2: scores regression tasks, binary_cross_entropy is for binary",
    ),
    (
        [*TRAIN, "--optimizer", "adam:"],
        2,
        "optimizer: adam: settings read setting=value,..., got nothing after the colon",
    ),
    ([*TRAIN, "--optimizer", "adam:beta1"], 2, "optimizer: adam: settings read setting=value,..., got 'beta1'"),
    ([*TRAIN, "--optimizer", "adam:beta1=0,beta1=0"], 2, "optimizer: adam: beta1 is given twice"),
    ([*TRAIN, "--optimizer", "adam:beta1=2"], 2, "optimizer: adam: beta1: expected `float` < 1.0, got 2"),
    (
        [*TRAIN, "--optimizer", "sgd:momentum=0\udcff"],
        2,
        "optimizer: sgd: momentum: text is needed that UTF-8 can write, got '0\\udcff'",
    ),
    ([*TRAIN, "--checkpoint", "good.csv"], 1, "good.csv: cannot be written: File exists"),
    ([*TRAIN, "--resume", "none"], 1, "none: cannot be resumed: no such folder"),
    ([*TRAIN, "--resume", "."], 1, ".: cannot be resumed: no checkpoint is in it"),
    ([*TRAIN, "--out", "/"], 1, "/: cannot be written: it is a folder"),
    ([*TRAIN, "--out", "/no/m"], 1, "/no/m: cannot be written: there is no folder /no"),
    ([*TRAIN, "--log", "/"], 1, "/: cannot be written: it is a folder"),
    (["config", "fill", "deep.toml"], 2, "deep.toml: not TOML: brackets are nested too deeply"),
    (
        ["predict", "line.netkit", "good.csv", "--probabilities"],
        2,
        "y: this model has no class probabilities, its outputs are plain values",
    ),
    (
        ["new-plugin", f"netkit-{'a' * 70}"],
        2,
        f"new-plugin: a component's name has at most 64 letters, digits and _, got 70: '{'a' * 70}'",
    ),
    (["show", "rellu"], 2, "no component is called 'rellu'; did you mean relu, relu6, prelu?"),
    (["check", "rellu"], 2, "check: no component is called 'rellu'; did you mean relu, relu6, prelu?"),
    (["check", "--plugin", "nobody"], 1, "check: no plugin of a distribution 'nobody' is installed"),
    (["new-plugin", "a b"], 2, "new-plugin: a distribution's name has letters, digits, -, _ and ., got 'a b'"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    CATALOGUE,
    ids=[" ".join(row[0]).encode("ascii", "replace").decode() for row in CATALOGUE],
)
def test_bad_input_is_this_line_and_this_code(cli, tmp_path, arguments, code, line):
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "digits.toml").write_text(f"epochs = {'9' * 5000}")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    if "line.netkit" in arguments:
        (tmp_path / "line.csv").write_text("x,z,y\n" + "".join(f"{i},{i * i},{i / 7}\n" for i in range(30)))
        assert cli("train", "line.csv", "--target", "y", "--epochs", 1, "--quiet")[0] == 0
    before = sorted(tmp_path.iterdir())
    found, _, err = cli(*arguments)
    *told, last = err.splitlines()
    assert (found, last) == (code, f"netkit: {line}") and all(
        each.startswith("note: ") or ": 30 rows;" in each for each in told
    )
    assert sorted(tmp_path.iterdir()) == before


RARE = [
    "training: the loss was never finite",  # `DivergenceError` comes first, unless a plugin's loss returns nan alone
    "damaged checkpoint: plugins",  # what msgspec says behind it is tested by tests/fuzz
    "network: at least one layer is needed",
    "target: at least one row is needed",  # Python alone
    "Model: the input size is not known yet",
    "the annotations of its settings cannot be read",
    "at least one row is needed, got shape",
]
"""Messages without a test of their words."""


def messages():
    """The constant parts of every message that netkit raises, and where."""
    kinds = {name for name in vars(errors) if name.endswith("Error")} | {"UnknownComponent"}
    for path in sorted((ROOT / "netkit").rglob("*.py")):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                parts = getattr(node.args[0], "values", [node.args[0]])
                words = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
                yield (
                    f"{path.relative_to(ROOT)}:{node.lineno}",
                    [each.strip(" :;,'\"(") for each in words if len(each.strip(" :;,'\"(")) > 5],
                )


def runs(words):
    """Three words in a row, or all where there are fewer: what a test says of a message at least."""
    for text in words:
        each = text.split()
        yield from (" ".join(each[start : start + 3]) for start in range(max(1, len(each) - 2)))


def test_every_message_has_a_test():
    tests = " ".join(path.read_text() for path in sorted((ROOT / "tests").glob("test_*.py")))
    tests = re.sub(r"\.\*|\\", "", re.sub(r'"\s*\n\s*[rf]*"', "", tests))
    lacking = [
        f"{where}: {words}" for where, words in messages() if words and not any(map(tests.__contains__, runs(words)))
    ]
    lacking = [each for each in lacking if not any(rare in each for rare in RARE)]
    assert not lacking, "\n".join(lacking)
