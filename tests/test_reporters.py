"""Reporters: told of a run from its start to its end, and never in its way."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import netkit
from netkit import DataError, DivergenceError, Epoch, Model, Reporter, RunInfo, SettingError, UnknownComponent, registry
from netkit.engine.training import Run
from netkit.tensors import generator
from netkit.testing import BrokenPromise, check

X = torch.randn(60, 4, generator=generator(1, 0))
Y = X.sum(1, True).tanh()
LAYERS = [{"type": "dense", "units": 6, "activation": "tanh"}, {"type": "dense", "units": 1}]
HEARD: list[Any] = []


@dataclass(frozen=True)
class Hears(Reporter):
    """Writes down whatever it is told, under its name."""

    name: str = "one"

    def start(self, about):
        HEARD.append((self.name, "start", about))
        return f"state of {self.name}"

    def epoch(self, state, epoch):
        HEARD.append((self.name, state, epoch))

    def end(self, state, trouble):
        HEARD.append((self.name, state, "end", trouble))


@dataclass(frozen=True)
class HearsBatches(Hears):
    """The same, and batches."""

    def batch(self, state, number, loss):
        HEARD.append((self.name, state, number, loss))


@dataclass(frozen=True)
class Raises(Hears):
    """Raises what it was told to, where it was told to."""

    where: str = "epoch"
    error: Any = RuntimeError("no\nluck")

    def start(self, about):
        super().start(about)
        if self.where == "start":
            raise self.error

    def batch(self, state, number, loss):
        if self.where == "batch":
            HEARD.append((self.name, "batch"))
            raise self.error

    def epoch(self, state, epoch):
        super().epoch(state, epoch)
        if self.where == "epoch":
            raise self.error

    def end(self, state, trouble):
        super().end(state, trouble)
        if self.where == "end":
            raise self.error


@pytest.fixture(autouse=True)
def heard():
    HEARD.clear()
    return HEARD


def fitted(reporters=(), model=None, **options):
    model = model or Model(LAYERS, "mean_squared_error", seed=3)
    return model, model.fit(X, Y, **{"epochs": 3, "batch": 7, "progress": False, "reporters": reporters, **options})


def test_a_reporter_is_told_of_the_run_from_start_to_end(heard):
    model, history = fitted([Hears()], optimizer="adam:beta1=0.8", validation=(X[:9], Y[:9]))
    (_, _, about), *epochs, end = heard
    assert [each for _, _, each in epochs] == history and all(isinstance(each, Epoch) for each in history)
    assert end == ("one", "state of one", "end", None) and {state for _, state, _ in epochs} == {"state of one"}
    assert isinstance(about, RunInfo) and about.network is model.network and (about.epochs, about.done) == (3, 0)
    assert json.loads(json.dumps(about.settings)) == about.settings
    given = {"batch": 7, "epochs": 3, "seed": 3, "loss": "mean_squared_error", "clip": None, "plan": True}
    assert {name: about.settings[name] for name in given} == given
    assert about.settings["optimizer"] == "adam:beta1=0.8" and about.settings["alpha"] == 0.001
    assert about.settings["layers"] == ["dense:units=6,activation=tanh", "dense:units=1"]


def test_what_was_never_registered_is_told_as_it_looks(heard):
    @dataclass(frozen=True)
    class Mine(registry.optimizers["sgd"]):
        """sgd under another class."""

    fitted([Hears()], optimizer=Mine())
    assert heard[0][2].settings["optimizer"].endswith("Mine(momentum=0.0, nesterov=False, weight_decay=0.0)")


@pytest.mark.parametrize("plan", [True, False])
def test_batches_are_told_to_those_who_listen(heard, plan, monkeypatch):
    weights = torch.rand(60, generator=generator(2, 0))
    model, history = fitted([HearsBatches("b"), Hears("e")], plan=plan, metrics=[], weights=weights)
    batches = [each[2:] for each in heard if each[0] == "b" and len(each) == 4 and each[2] != "end"]
    assert [number for number, _ in batches] == [*range(1, 28)] and not [
        e for e in heard if e[0] == "e" and len(e) > 3
    ][1:]
    sizes = [7] * 8 + [4]
    for epoch in history:
        losses = [loss for _, loss in batches[9 * epoch.number - 9 : 9 * epoch.number]]
        assert sum(n * loss for n, loss in zip(sizes, losses)) / 60 == pytest.approx(epoch.loss, rel=1e-5)


def test_nobody_who_listens_to_batches_costs_nothing(monkeypatch):
    told = []
    epochs = Run.epochs
    monkeypatch.setattr(Run, "epochs", lambda self: told.append(self.on_batches) or epochs(self))
    for reporters in ([], [Hears()], [HearsBatches()]):
        fitted(reporters)
    assert told[:2] == [None, None] and callable(told[2])


def test_where_nobody_listens_nobody_asks_what_the_settings_are(monkeypatch):
    """To name a component may import a stranger's plugin."""
    monkeypatch.setattr("netkit.engine.reporting.plain", lambda value: 1 / 0)
    fitted()
    with pytest.raises(ZeroDivisionError):
        fitted([Hears()])


@pytest.mark.parametrize("plan", [True, False])
def test_the_same_bits_whoever_listens(plan):
    params = [fitted(each, plan=plan, average=0.9)[0].network.params for each in ([], [Hears(), HearsBatches()])]
    assert torch.equal(*params)


def test_the_network_has_the_parameters_that_the_record_speaks_of_and_at_the_end_those_that_are_kept(heard):
    seen = []

    @dataclass(frozen=True)
    class Looks(Hears):
        """The parameters, whenever it is told something."""

        def start(self, about):
            return about.network

        def batch(self, state, number, loss):
            kept = state.params.clone()
            assert not kept.is_inference() and not torch.is_inference_mode_enabled()

        def epoch(self, state, epoch):
            seen.append(state.params.clone())

        def end(self, state, trouble):
            seen.append(state.params.clone())

    records = []
    model = Model(LAYERS, "mean_squared_error", seed=3)
    options = {"alpha": 0.3, "keep_best": True, "epochs": 9, "metrics": [], "validation": (X[:9], -Y[:9])}
    _, history = fitted(
        [Looks()], model, callbacks=[lambda epoch: records.append(model.network.params.clone())], **options
    )
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(seen, records, strict=False)) and len(seen) == 10
    best = [epoch.number for epoch in history if epoch.best][-1]
    assert best < 9 and torch.equal(seen[-1], seen[best - 1]) and torch.equal(seen[-1], model.network.params)


WHERE = {"start": 1, "batch": 2, "epoch": 2, "end": 5}
"""What a reporter has been told when it raises there in a run of three epochs."""


@pytest.mark.parametrize(
    "error", [RuntimeError("no\nluck"), SystemExit(3), KeyboardInterrupt(), type("Odd", (BaseException,), {})()]
)
@pytest.mark.parametrize("where", WHERE)
def test_one_that_raises_is_told_once_and_stops_nobody(heard, where, error):
    without, history = fitted()
    with pytest.warns(UserWarning) as warned:
        model, told = fitted([Hears("before"), Raises("bad", where, error), Hears("after")])
    assert torch.equal(model.network.params, without.network.params) and len(told) == 3
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    who = "reporter Raises (of test_reporters)"
    assert [str(each.message) for each in warned] == [f"{who}: {said}; training goes on without it"]
    assert len([each for each in heard if each[0] == "bad"]) == WHERE[where]
    for name in ("before", "after"):
        assert [each[-1] for each in heard if each[0] == name][1:] == [*told, None]


def test_a_real_ctrl_c_in_a_reporter_ends_the_run(heard):
    @dataclass(frozen=True)
    class Slow(Hears):
        """While it is at work somebody presses Ctrl-C."""

        def epoch(self, state, epoch):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            fitted([Slow("slow"), Hears("other")])
    finally:
        signal.signal(signal.SIGINT, before)
    ends = [each for each in heard if each[2] == "end"]
    assert [each[0] for each in ends] == ["slow", "other"]
    assert all(isinstance(each[3], KeyboardInterrupt) for each in ends)


def _raise(epoch):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        ({"alpha": 1e9, "plan": True}, DivergenceError),
        ({"callbacks": [_raise]}, ZeroDivisionError),
        ({"callbacks": [lambda epoch: True]}, None),
    ],
)
def test_whatever_ends_the_run_ends_reporters(heard, options, trouble):
    if trouble:
        with pytest.raises(trouble):
            fitted([Hears()], **options)
    else:
        assert len(fitted([Hears()], **options)[1]) == 1
    assert len([each for each in heard if each[2] == "end"]) == 1
    assert isinstance(heard[-1][3], trouble) if trouble else heard[-1][3] is None


@pytest.mark.parametrize("refusal", [DataError("curve.svg: cannot be written"), SettingError("url: https is needed")])
def test_a_reporter_may_refuse_a_run_before_it_begins_but_not_later(heard, refusal):
    model = Model(LAYERS, "mean_squared_error", seed=3)
    before = model.build((4,)).params.clone()
    with pytest.raises(type(refusal)) as caught:
        fitted([Hears("before"), Raises("bad", "start", refusal), Hears("after")], model)
    assert caught.value is refusal and torch.equal(model.network.params, before)
    assert [each[0] for each in heard] == ["before", "bad", "before"] and heard[-1][2:] == ("end", refusal)
    with pytest.warns(UserWarning, match=f"{refusal}; training goes on without it"):
        fitted([Raises("bad", "epoch", refusal)])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("json_log", SettingError, "reporters: a list is needed, got 'json_log'"),
        (["json_logs"], UnknownComponent, "reporter 'json_logs' is unknown; did you mean json_log?"),
        (["json_log"], SettingError, "json_log: path is required"),
        ([print], SettingError, "reporter: a name, a table or an instance of Reporter is needed"),
    ],
)
def test_a_mistake_in_reporters_is_an_error_before_anything_is_trained(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        fitted(given)


def test_reporters_by_text_table_class_and_instance(tmp_path, heard):
    with registry.using(registry.Registry()) as mine:
        mine.reporters.register("hears", Hears)
        log = tmp_path / "log"
        fitted(
            [
                "hears:name=text",
                {"type": "hears", "name": "table"},
                Hears,
                Hears("instance"),
                {"type": "json_log", "path": str(log)},
            ]
        )
    assert [each[0] for each in heard if each[1] == "start"] == ["text", "table", "one", "instance"]
    assert len(log.read_text().splitlines()) == 3


# On tables, and from the command line.

OPTIONS = ["--target", "species", "--epochs", 2, "--hidden", 4, "--quiet"]


@pytest.fixture
def hears(cli):
    """cli where the reporters of this file are registered."""
    with registry.using(registry.Registry()) as mine:
        mine.reporters.register("hears", Hears)
        mine.reporters.register("raises", Raises)
        yield cli


def test_report_on_the_command_line_may_be_repeated_and_is_named(hears, heard, penguins, tmp_path):
    code, out, err = hears(
        "train", penguins, *OPTIONS, "--report", "hears:name=a", "--report", "hears:name=b", "--log", "log"
    )
    assert code == 0 and [each[0] for each in heard if each[1] == "start"] == ["a", "b"]
    assert out.count("using reporter run-time/hears (run-time )") == 1 and "json_log" not in out
    about = heard[0][2]
    assert about.settings["report"] == ["hears:name=a", "hears:name=b"] and about.settings["target"] == "species"
    assert json.loads(json.dumps(about.settings)) == about.settings and about.settings["plugins"]["disable"] == []
    assert about.settings["layers"][0] == "dense:units=4,activation=relu"
    assert [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()] == [1, 2]


def test_one_that_raises_on_the_command_line_is_one_line(hears, heard, penguins):
    code, out, err = hears("train", penguins, *OPTIONS, "--report", "raises:where=epoch", "--out", "m.netkit")
    said = "reporter run-time/raises (registered by hand): RuntimeError: no luck; training goes on without it"
    assert code == 0 and err.splitlines().count(f"netkit: {said}") == 1 and "saved m.netkit" in out


def test_report_in_a_configuration_its_schema_and_what_fill_prints(hears, heard, penguins, tmp_path):
    (tmp_path / "c.toml").write_text('target = "species"\nepochs = 1\nreport = ["hears:name=toml", {type = "hears"}]\n')
    assert hears("train", penguins, "--config", "c.toml", "--quiet")[0] == 0
    assert [each[0] for each in heard if each[1] == "start"] == ["toml", "one"]
    schema = json.loads(hears("schema")[1])
    assert schema["properties"]["report"]["items"] == {"$ref": "#/$defs/reporter"}
    named = [each["properties"]["type"]["enum"] for each in schema["$defs"]["reporter"]["anyOf"][1:]]
    assert ["netkit-nn/json_log", "json_log"] in named
    assert '\nreport = ["hears:name=toml", {"type" = "hears"}]\n' in hears("config", "fill", "c.toml")[1]
    assert "\n# report =\n" in hears("config", "fill")[1]
    (tmp_path / "c.toml").write_text('target = "species"\nreport = "hear"\n')
    code, _, err = hears("train", penguins, "--config", "c.toml")
    assert code == 2 and "c.toml: report[0]: reporter 'hear' is unknown; did you mean hears?" in err


def test_a_resumed_run_is_reported_as_it_was_begun_or_otherwise(hears, heard, penguins):
    begun = ["train", penguins, *OPTIONS, "--checkpoint", "run", "--report", "hears:name=begun"]
    assert hears(*begun)[0] == 0
    for more, epochs, name in (([], 3, "begun"), (["--report", "hears:name=other"], 4, "other")):
        heard.clear()
        assert hears("train", "--resume", "run", "--epochs", epochs, *more)[0] == 0
        assert {each[0] for each in heard} == {name}
        about = heard[0][2]
        assert (about.epochs, about.done) == (epochs, epochs - 1)
        assert [each[2].number for each in heard[1:-1]] == [epochs]


def test_train_and_fit_on_tables_take_reporters(heard, penguins):
    with registry.using(registry.Registry()) as mine:
        mine.reporters.register("hears", Hears)
        model = netkit.train(penguins, "species", epochs=1, quiet=True, report=[Hears("train")])
        model.fit(penguins, epochs=1, quiet=True, report="hears:name=fit")
    assert [each[0] for each in heard if each[1] == "start"] == ["train", "fit"]
    with pytest.raises(SettingError, match="report: a list is needed, got 3"):
        model.fit(penguins, report=3)


def test_a_log_that_cannot_be_opened_is_one_line_before_training(cli, penguins, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    code, out, err = cli("train", penguins, *OPTIONS, "--log", "pipe")
    assert code == 1 and err.splitlines()[-1] == "netkit: pipe: cannot be written: No such device or address"
    assert "saved" not in out
    code, out, err = cli("train", penguins, *OPTIONS, "--report", "json_log:path=no/log")
    assert code == 1 and err.splitlines()[-1] == "netkit: no/log: cannot be written: No such file or directory"


def test_a_log_that_is_lost_on_the_way_is_closed(tmp_path, monkeypatch):
    from netkit_plugins.reporters import json_log

    log = registry.reporters["json_log"](str(tmp_path / "log"))
    state = log.start(RunInfo({}, None, 3))
    monkeypatch.setattr(json_log, "asdict", lambda epoch: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        log.epoch(state, Epoch(1, 0.5, {}))
    assert state.file.closed


# What `netkit check` says of reporters.


def broken(method, code, **more):
    """A reporter one of whose methods does something that it should not."""
    names = {"start": "about", "epoch": "state, epoch", "batch": "state, number, loss", "end": "state, trouble"}
    space = {"HEARD": HEARD, "os": os, "torch": torch, "threading": threading}
    source = {"epoch": "pass", method: code}
    for name, body in source.items():
        exec(f"def {name}(self, {names[name]}):\n    {body}", space)
    methods = {name: space[name] for name in source}
    made = type("Broken", (Reporter,), {"__doc__": "It is broken.", "__module__": __name__, **methods, **more})
    return dataclass(frozen=True)(made)


CASES = {
    "parameters at the start": (broken("start", "about.network.params.add_(1)"), "start changes the network's parameters"),
    "parameters after a batch": (broken("batch", "HEARD[-1].params.mul_(2)", start=lambda self, about: HEARD.append(about.network)), "batch changes the network's parameters"),
    "gradients": (broken("start", "about.network.grads.zero_()"), "start changes the network's gradients"),
    "settings": (broken("start", "about.settings.clear()"), "start changes the settings of the run"),
    "the record": (broken("epoch", "epoch.metrics['mine'] = 1"), "epoch changes the record of the epoch"),
    "at the end": (broken("end", "HEARD[-1].params.mul_(2)", start=lambda self, about: HEARD.append(about.network)), "end changes the network's parameters"),
    "itself": (
        broken("epoch", "object.__setattr__(self, 'last', epoch)"),
        "epoch changes the reporter itself, which should return from start what it remembers",
    ),
    "random numbers": (broken("epoch", "torch.rand(1)"), "changes torch's global random numbers, which the whole process shares"),
    "threads of torch": (broken("start", "torch.set_num_threads(3)"), "changes torch's number of threads"),
    "the folder": (broken("start", "os.mkdir('sub') or os.chdir('sub')"), "changes the working folder, which the whole process shares"),
    "a file": (broken("start", "return os.open('log', os.O_CREAT | os.O_WRONLY)"), "end leaves a file open"),
    "a thread": (broken("start", "threading.Thread(target=HEARD[0].wait, name='spin', daemon=True).start()"), "end leaves a thread running: spin"),
    "twice": (broken("start", "os.mkdir('run')"), "raises FileExistsError"),
    "no validation": (broken("epoch", "epoch.validation['loss']"), "raises KeyError"),
    "no epoch": (
        broken("end", "state[0]", start=lambda self, about: [], epoch=lambda self, state, epoch: state.append(epoch)),
        "raises IndexError",
    ),
    "resumed with its file": (
        broken("start", "open('log', 'x' if about.done else 'w').close()"),
        "raises FileExistsError",
    ),
    "resumed without its file": (broken("start", "open('log', 'r+' if about.done else 'w').close()"), "raises FileNotFoundError"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_broken_reporter_is_told_what_it_breaks(case, tmp_path, monkeypatch, heard):
    monkeypatch.chdir(tmp_path)
    reporter, said = CASES[case]
    if case == "a thread":
        heard.append(threading.Event())
    with pytest.raises(BrokenPromise, match=re.escape(said)):
        check(reporter)
    assert not [*tmp_path.iterdir()] and os.getcwd() == str(tmp_path)
    if case == "a thread":
        heard[0].set()


def test_a_reporter_that_keeps_its_promises_is_tried_in_an_empty_folder(tmp_path, monkeypatch, heard):
    monkeypatch.chdir(tmp_path)
    for reporter in (Hears, HearsBatches, "json_log"):
        [report] = check(reporter, "reporter")
        assert report.promises == 7 and not report.broken
    assert not [*tmp_path.iterdir()]
    starts = [each[2] for each in heard if each[1] == "start"]
    assert {(about.done, about.epochs) for about in starts} >= {(0, 3), (3, 5), (0, 1)}
    assert {type(each[3]) for each in heard if each[2] == "end"} == {type(None), KeyboardInterrupt, DivergenceError}
    numbers = [each[2] for each in heard if len(each) == 4 and isinstance(each[2], int)]
    assert numbers[:9] == [*range(1, 10)] and max(numbers) == 15
