"""What a person at a prompt or in a notebook sees: models, histories, learning curves and the bar."""

from __future__ import annotations

import fcntl
import os
import pickle
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import types
from copy import deepcopy

import pyarrow as pa
import pytest
import torch

import netkit
from netkit import Dense, History, Model, NetkitError, SettingError
from netkit.engine.progress import shown, words
from netkit.engine.text_table import TextTable
from netkit.kinds import Epoch

TABLE = pa.table({"a": [1.0, 2, 3, 4] * 9, "y": ["u", "v"] * 18})
X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
Y = X[:, :3].argmax(1)


def model(*layers, loss="categorical_cross_entropy"):
    return Model(layers or ["dense:units=8,activation=relu", "dense:units=3,activation=softmax"], loss)


def fitted(**options):
    return model().fit(X, Y, **{"epochs": 4, "alpha": 0.1, "validation": (X[:9], Y[:9]), "progress": False, **options})


def epoch(number, loss, best=False, validation=None, **metrics):
    return Epoch(number, loss, metrics, validation or {}, best)


# models


def test_a_model_is_a_line_before_and_after_it_is_built():
    made = model()
    assert repr(made) == ("Model(2 layers, loss=categorical_cross_entropy, not built: the input size is not known yet)")
    made.build((4,))
    assert repr(made) == "Model(4-8-3, loss=categorical_cross_entropy, 67 parameters)"
    deep = Model([Dense(units=2)] * 20, "huber:delta=0.5")
    deep.build((3,))
    assert repr(deep) == "Model(3-2-2-2-...-2-2-2-2, loss=huber:delta=0.5, 122 parameters)"
    edge = Model([Dense(units=2)] * 8, "huber")
    edge.build((3,))
    assert repr(edge) == "Model(3-2-2-2-2-2-2-2-2, loss=huber, 50 parameters)"


def test_a_summary_has_layers_settings_shapes_and_parameters():
    made = model(
        "reshape:shape=[1, 2, 2]",
        "flatten",
        "dense:units=8,activation=prelu",
        "batch_norm",
        "dense:units=3",
        loss="huber",
    )
    assert str(made.summary()).splitlines()[1:] == [
        "   layer                           output  parameters",
        "0  reshape:shape=[1, 2, 2]         ?       ?",
        "1  flatten                         ?       ?",
        "2  dense:units=8,activation=prelu  ?       ?",
        "3  batch_norm                      ?       ?",
        "4  dense:units=3                   ?       ?",
    ]
    network = made.build((4,))
    assert str(made.summary()).splitlines() == [
        repr(made),
        "   layer                          output        parameters",
        "   input                          (n, 4)                 0",
        "0  reshape:shape=[1, 2, 2]        (n, 1, 2, 2)           0",
        "1  flatten                        (n, 4)                 0",
        "2  dense:units=8,activation=null  (n, 8)                40",
        "3  prelu                          (n, 8)                 8",
        "4  batch_norm                     (n, 8)                16",
        "5  dense:units=3                  (n, 3)                27",
        "   total                                                91",
        "   state, not trained                                   16",
    ]
    assert network.params.numel() == 91 and network.state.numel() == 16
    assert "state" not in str(model().summary())


def test_a_component_that_was_never_registered_is_summed_up_too():
    class Mine(Dense):
        pass

    made = model(Mine(units=3, activation="softmax"))
    assert "Mine(" in str(made.summary()) and "Model(1 layers" in repr(made)


def test_html_is_a_table_without_colours_and_with_everything_escaped():
    made = TextTable("<b>&", ["a<", "n"], [["<script>", "1"], ["x", "-2"], ["y", ""]])
    assert made._repr_html_() == (
        '<table><caption style="text-align: left">&lt;b&gt;&amp;</caption>'
        '<tr><th style="text-align: left">a&lt;</th><th style="text-align: right">n</th></tr>'
        '<tr><td style="text-align: left">&lt;script&gt;</td><td style="text-align: right">1</td></tr>'
        '<tr><td style="text-align: left">x</td><td style="text-align: right">-2</td></tr>'
        '<tr><td style="text-align: left">y</td><td style="text-align: right"></td></tr></table>'
    )
    assert str(made).splitlines() == ["<b>&", "a<         n", "<script>   1", "x         -2", "y"]
    assert str(TextTable("none", ["a", "b"], [])) == "none\na  b"
    seen = model()._repr_html_()
    assert seen == model().summary()._repr_html_() and "color" not in seen and "dense:units=8,activation=relu" in seen


# histories


def test_a_history_is_the_list_of_records():
    seen = []
    history = fitted(callbacks=[seen.append])
    assert isinstance(history, History) and isinstance(history, list) and history == seen and seen == history
    assert len(history) == 4 and history[-1] is seen[-1] and [each.number for each in history] == [1, 2, 3, 4]
    assert isinstance(history[1:3], History) and history[1:3] == seen[1:3] and history[::2][-1].number == 3
    assert pickle.loads(pickle.dumps(history)) == history == deepcopy(history)
    with pytest.raises(IndexError):
        history[4]


def test_the_history_of_a_table_is_one_too():
    made = netkit.train(TABLE, "y", epochs=2, quiet=True)
    assert isinstance(made.history, History) and made.history["epoch"] == [1, 2]
    assert "validation accuracy" in made.history.columns


def test_a_history_has_columns():
    history = fitted()
    assert history.columns == ["epoch", "loss", "accuracy", "validation loss", "validation accuracy"]
    assert history["epoch"] == [1, 2, 3, 4] and history["loss"] == [each.loss for each in history]
    assert history["accuracy"] == [each.metrics["accuracy"] for each in history]
    assert history["validation loss"] == [each.validation["loss"] for each in history]
    assert history.to_dict() == {name: history[name] for name in history.columns}
    assert fitted(validation=None, metrics=[]).columns == ["epoch", "loss"]
    assert History().columns == ["epoch"] and History().to_dict() == {"epoch": []} and History().best is None


def test_a_number_that_an_epoch_lacks_is_nan():
    mixed = History([epoch(1, 0.5, f1=0.25), epoch(2, 0.25)])
    assert mixed["f1"][0] == 0.25 and mixed["f1"][1] != mixed["f1"][1]


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(
        SettingError, match="^history: there is no column 'validation_loss'; did you mean 'validation loss'"
    ):
        fitted()["validation_loss"]
    with pytest.raises(SettingError, match="^history: there is no column 'x'; it has epoch, loss, accuracy$"):
        fitted(validation=None)["x"]


def test_a_history_is_two_lines_and_not_a_wall():
    history = History(
        [epoch(n, 1 / n, n in (1, 40), {"loss": 0.5 if n != 40 else 0.123456}, f1=0.5) for n in range(1, 1001)]
    )
    assert repr(history) == (
        "History of 1000 epochs: loss 1 -> 0.001, f1 0.5, validation loss 0.5\n"
        "best epoch 40: loss 0.025, f1 0.5, validation loss 0.1235"
    )
    assert history.best.number == 40
    assert repr(History()) == "History of 0 epochs"
    assert repr(History([epoch(1, 2.0)])) == "History of 1 epoch: loss 2"
    html = history._repr_html_()
    assert (
        html.count("<tr>") == 4 and "0.1235" in html and html.index("first") < html.index("best") < html.index("last")
    )
    assert "History of 0 epochs" in History()._repr_html_()


class Axes:
    def __init__(self):
        self.lines, self.line, self.labels, self.has_legend = {}, None, {}, False

    def plot(self, x, y, label):
        self.lines[label] = x, y

    def axvline(self, x, **look):
        self.line = x

    def set(self, **labels):
        self.labels = labels

    def legend(self):
        self.has_legend = True


@pytest.fixture
def matplotlib(monkeypatch):
    pyplot = types.ModuleType("matplotlib.pyplot")
    pyplot.subplots = lambda rows, columns, squeeze, figsize: (None, [[Axes() for _ in range(columns)]])
    package = types.ModuleType("matplotlib")
    package.pyplot = pyplot
    monkeypatch.setitem(sys.modules, "matplotlib", package)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)


def test_learning_curves_have_an_axes_for_each_score(matplotlib):
    history = fitted()
    loss, accuracy = history.plot()
    assert loss.lines == {
        "training": (history["epoch"], history["loss"]),
        "validation": (history["epoch"], history["validation loss"]),
    }
    assert accuracy.lines["validation"][1] == history["validation accuracy"] and accuracy.has_legend
    assert loss.labels == {"xlabel": "epoch", "ylabel": "loss"} and accuracy.labels["ylabel"] == "accuracy"
    assert loss.line == accuracy.line == history.best.number
    [alone] = history.plot("accuracy")
    assert alone.labels["ylabel"] == "accuracy"
    [bare] = History([epoch(1, 2.0), epoch(2, 1.0)]).plot()
    assert [*bare.lines] == ["training"] and bare.line is None
    with pytest.raises(SettingError, match="there is no column 'auc'"):
        history.plot("auc")


def test_without_matplotlib_the_line_for_pip_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingError, match="^history.plot: matplotlib is not installed: pip install matplotlib$"):
        fitted().plot()


# the bar

SCORES = {"loss": 0.032123, "accuracy": 0.9938, "f1": 0.981}
RECORD = epoch(1, 0.0066481, validation=SCORES, accuracy=1.0, f1=0.5)


def test_words_begin_with_the_validation_set_and_end_where_room_does():
    every = "validation loss 0.03212 accuracy 0.9938 f1 0.981, training loss 0.006648 accuracy 1 f1 0.5"
    assert words(RECORD) == every
    ends = {0, 23, 39, 48, 72, 83, 90}
    assert {len(words(RECORD, room)) for room in range(100)} == ends
    for room in range(100):
        assert every.startswith(words(RECORD, room))
        assert len(words(RECORD, room)) == max(end for end in ends if end <= room)
    assert words(epoch(1, 0.5, accuracy=1.0)) == "loss 0.5 accuracy 1"


def drawn(columns, records, monkeypatch, **options):
    """What a terminal of so many columns shows in the end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    seen = bytearray()

    def read():
        try:
            while piece := os.read(master, 65536):
                seen.extend(piece)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    with open(slave, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", terminal)
        for _ in shown(iter(records), len(records), **options):
            pass
    reader.join()
    os.close(master)
    lines = seen.decode().replace("\r\n", "").split("\r")
    assert all(len(line) < columns for line in lines)
    return lines[-1]


@pytest.mark.parametrize(
    "columns, said",
    [
        (30, ""),
        (80, "validation loss 0.03212 accuracy 0.9938"),
        (120, "validation loss 0.03212 accuracy 0.9938 f1 0.981, training loss 0.006648 accuracy 1"),
        (200, words(RECORD)),
    ],
)
def test_the_bar_on_a_terminal_stays_whole(columns, said, monkeypatch):
    last = drawn(columns, [RECORD] * 100, monkeypatch)
    numbers = re.escape(f", {said}" if said else "")
    assert re.fullmatch(rf"100%\|█+\| 100/100 \[00:0\d<00:00{numbers}\]", last), last


def test_a_bar_that_is_not_wanted_is_not_drawn(monkeypatch, capsys):
    assert drawn(80, [RECORD], monkeypatch, show=False) == ""
    assert [*shown(iter([RECORD, RECORD]), 4, done=2)] == [RECORD, RECORD]
    assert re.search(r"4/4 \[.*, validation loss 0.03212 .* f1 0.5\]", capsys.readouterr().err)  # a file has room


def test_a_notebook_without_widgets_has_a_bar_of_text_and_no_warning():
    """And to import a model no bar is loaded."""
    code = """
import sys, types
import netkit.model
assert not {"tqdm.auto", "IPython", "matplotlib"} & set(sys.modules)  # torch loads tqdm
sys.modules["IPython"] = shell = types.ModuleType("IPython")
shell.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["ipykernel"] = types.ModuleType("ipykernel")
from netkit.engine.progress import shown
from netkit.kinds import Epoch
epochs = (Epoch(n, 1.0, {}) for n in range(3))
for _ in shown(epochs, 3):
    import time; time.sleep(0.15)
"""
    for how in ("error", "always"):
        done = subprocess.run([sys.executable, "-W", how, "-c", code], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
        assert "2/3 [" in done.stderr and "3/3 [" in done.stderr and "loss 1]" in done.stderr


# two at once


def test_a_model_is_trained_by_one_call_at_a_time():
    made, started, go_on = model(), threading.Event(), threading.Event()

    def wait(epoch):
        started.set()
        assert go_on.wait(30)

    thread = threading.Thread(
        target=made.fit, args=(X, Y), kwargs={"epochs": 1, "progress": False, "callbacks": [wait]}
    )
    thread.start()
    assert started.wait(30)
    try:
        with pytest.raises(NetkitError, match="^fit: one training at a time is possible, this model is in another"):
            made.fit(X, Y, epochs=1, progress=False)
        assert deepcopy(made).fit(X, Y, epochs=1, progress=False)  # a copy is a model of its own
    finally:
        go_on.set()
        thread.join()
    assert len(made.fit(X, Y, epochs=1, progress=False)) == 1


def test_after_a_failure_a_model_can_be_trained_again():
    made = model()
    with pytest.raises(KeyError):
        made.fit(X, Y, epochs=1, progress=False, callbacks=[lambda epoch: {}["x"]])
    assert len(made.fit(X, Y, epochs=1, progress=False)) == 1


def test_a_table_model_is_trained_by_one_call_at_a_time():
    table = TABLE
    made = netkit.train(table, "y", epochs=1, quiet=True)
    with pytest.raises(NetkitError, match="^fit: one training at a time"):
        made.fit(
            table, epochs=1, quiet=True, callbacks=[lambda epoch: made.model.fit(torch.zeros(9, 1), torch.zeros(9))]
        )
