"""Scores that do not flatter: rows that test, intervals, a baseline, who is taken for whom, and what is told of it."""

from __future__ import annotations

import json
import pickle
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import sklearn.metrics as skm
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor

import netkit
from netkit import DataError, SettingError, TableModel, registry, spec
from netkit.engine import evaluation
from netkit.engine.evaluation import Evaluation, constant_outputs
from netkit.engine.rows import Rows
from netkit.engine.scores import Scores, compared_parts
from netkit.engine.text_table import aligned
from netkit.tables.settings import Settings
from netkit.tables.training import prepare

ROWS = 240
QUICK = {"epochs": 3, "quiet": True}
STREAM = {"memory": "700MB"}


def table(rows=ROWS, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    x, group = rng.normal(0, 1, rows), rng.integers(0, 40, rows)
    y = np.clip(np.round(x + rng.normal(1, 0.5, rows)), 0, classes - 1).astype(int)
    return pa.table({"row": np.arange(rows) * 1.0 + 0.5 * (group % 2), "x": x, "z": 3 * x + rng.normal(0, 1, rows),
                     "who": [f"p{each}" for each in group], "y": [f"c{each}" for each in y]})  # fmt: skip  # as a table


def parts_of(data, folder, **how):
    """The `row` of each row, by the part that it is in."""
    given = {"target": "y", "columns": {"who": "skip"} if "group" not in how else {}, "out": str(folder / "m"), **how}
    model, found = prepare(data, Settings.of(given))
    column = next(each.state for each in model.features.columns if each.name == "row")
    place = model.features.names.index("row")
    return {
        name: {
            round(float(x) * column.scale + column.center, 1) for w in part.windows(None) for x in w.rows.x[:, place]
        }
        for name, part in found.parts(model.encoding, model.model.network)._asdict().items()
        if part is not None
    }


@pytest.mark.parametrize("group", [{}, {"group": "who"}])
def test_three_parts_share_no_row_and_the_test_rows_stay_the_same(tmp_path, group):
    data = table()
    whole = set(data["row"].to_pylist())
    found = parts_of(data, tmp_path, test=0.25, validation=0.2, **group)
    assert sum(map(len, found.values())) == ROWS and set.union(*found.values()) == whole
    for other in ({"validation": 0.4}, {"validation": 0}, {"validation": 0.2, **STREAM}):
        again = parts_of(data, tmp_path, test=0.25, **group, **other)
        assert again["test"] == found["test"]
    assert again == found  # streamed
    assert parts_of(data, tmp_path, test=0.25, seed=1, **group)["test"] != found["test"]
    if group:
        groups = dict(zip(data["row"].to_pylist(), data["who"].to_pylist()))
        members = [{groups[row] for row in part} for part in found.values()]
        assert not any(one & other for one in members for other in members if one is not other)
    else:
        assert len(found["test"]) == ROWS // 4 and len(found["validation"]) == pytest.approx(0.2 * 180, abs=2)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(3, 60),
    st.sampled_from([0.02, 0.1, 0.3, 0.5, 0.9]),
    st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    st.integers(0, 9),
)
@example(4, 0.9, 0.5, 0)
@example(4, 0.9, 0.1, 15)
def test_any_shares_of_any_rows_leave_a_row_for_each_part_or_are_refused(
    tmp_path_factory, rows, test, validation, seed
):
    data = pa.table({"row": np.arange(rows) + 0.5, "y": np.arange(rows) % 7 + 0.25})
    try:
        found = parts_of(data, tmp_path_factory.getbasetemp(), test=test, validation=validation, seed=seed, columns={})
    except DataError as error:
        assert re.match(
            r"\d+ rows are too few to hold out a share of 0\.\d+$|no column is left.* every value is \d", str(error)
        ), error
        return
    assert sum(map(len, found.values())) == rows and all(found.values())
    assert set(found) == {"training", "test", *(["validation"] if validation else [])}


def test_a_table_of_its_own_tests_and_is_in_memory_again_when_a_run_is_resumed(cli, tmp_path):
    data, other = table(), table(60, 1)
    pyarrow.csv.write_csv(data, tmp_path / "t.csv")
    pyarrow.csv.write_csv(other, tmp_path / "other.csv")
    _, out, _ = cli("train", "t.csv", "--target", "y", "--test", "other.csv", "--epochs", "3", "--quiet")
    model, again = TableModel.load(tmp_path / "t.netkit"), netkit.train(tmp_path / "t.csv", "y", test=other, **QUICK)
    assert model.scores["test"] == again.scores["test"] == again.evaluate(other, ["accuracy"])
    assert model.scores["test"].rows == 60 and re.search(r"^rows +60 +24 +216$", out, re.M)
    folder = tmp_path / "run"
    netkit.train(data, "y", test=other, checkpoint=folder, **{**QUICK, "epochs": 2})
    with pytest.raises(SettingError, match="^test: the table in memory has to be given again, got none$"):
        netkit.train(data, resume=folder)
    resumed = netkit.train(data, resume=folder, test=other, epochs=3)
    assert resumed.scores == netkit.train(data, "y", test=other, **QUICK).scores
    with pytest.raises(DataError, match="^resume: the table or its preparation is not what it was"):
        netkit.train(data, resume=folder, test=0.2)


@pytest.mark.parametrize("given", ["1", "-0.1", "nan"])
def test_a_share_that_leaves_nothing_is_refused(cli, given):
    code, _, err = cli("train", "absent.csv", "--target", "y", "--test", given)
    assert code == 2 and re.fullmatch(r"netkit: test: expected `float` (>= 0\.0|< 1\.0), got \S+\n", err), err


def test_a_test_that_is_not_there_is_told_before_the_table_is_read(cli, tmp_path):
    pyarrow.csv.write_csv(table(), tmp_path / "t.csv")
    assert (
        cli("train", "t.csv", "--target", "y", "--test", "absent.csv")[2]
        == "netkit: absent.csv: cannot be read: no such file\n"
    )
    said = cli("train", "t.csv", "--target", "y", "--test", "t.csv", "--out", "t.csv")[2]
    assert said == "netkit: out: another file than one that is read is needed, got 't.csv'\n"


def evaluated(loss, outputs, target, metrics, baseline=None, weight=None, pieces=1):
    made = spec.make("loss", loss)
    found = Evaluation(made, {name: spec.make("metric", name) for name in metrics}, baseline=baseline)
    for places in torch.arange(len(target)).chunk(pieces):
        values = made(outputs[places], target[places])[0]
        rows = Rows(target[places], target[places], None if weight is None else weight[places])
        found.add(rows, outputs[places], values if weight is None else values * weight[places])
    return found


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    target = torch.randn(1500, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = evaluated("mean_squared_error", torch.zeros_like(target), target, ["mean_absolute_error"]).scores()
    for name, values in (("loss", target**2), ("mean_absolute_error", target.abs())):
        error = 1.96 * float(values.std()) / 1500**0.5
        low, high = scores.intervals[name]
        assert high - low == pytest.approx(2 * error, rel=0.1)
        assert (low + high) / 2 == pytest.approx(scores[name], abs=0.2 * error)


def test_of_more_rows_than_the_sample_has_the_interval_is_as_narrow_as_all_of_them_make_it():
    target = torch.randn(50_000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scores = evaluated("mean_squared_error", torch.zeros_like(target), target, ["rmse"], pieces=7).scores()
    low, high = scores.intervals["rmse"]
    assert low < scores["rmse"] < high and high - low == pytest.approx(2 * 1.96 / (2 * 50_000) ** 0.5, rel=0.25)


@pytest.mark.parametrize("rows, low", [(34, 0.897), (100, 0.964), (1000, 0.9963)])
def test_without_a_mistake_an_interval_is_about_as_long_as_that_of_clopper_and_pearson(rows, low):
    target = torch.nn.functional.one_hot(torch.arange(rows) % 3, 3).double()
    scores = evaluated("categorical_cross_entropy", target, target, ["accuracy", "roc_auc"]).scores()
    assert scores["accuracy"] == 1 and scores.intervals["accuracy"][1] == 1
    assert 1 - scores.intervals["accuracy"][0] == pytest.approx(1 - low, rel=0.4)
    assert scores.intervals["roc_auc"] == (1, 1)


@settings(max_examples=6, deadline=None)
@given(st.integers(2, 80), st.integers(2, 5), st.integers(0, 99), st.integers(1, 4))
def test_every_score_is_in_its_interval_and_the_same_however_rows_are_cut(rows, classes, seed, pieces):
    rng = torch.Generator().manual_seed(seed)
    target = torch.nn.functional.one_hot(torch.randint(classes, (rows,), generator=rng), classes).double()
    outputs = (3 * torch.randn(rows, classes, generator=rng, dtype=torch.float64)).softmax(1)
    metrics = ["accuracy", "f1", "calibration_error", "log_loss"]
    whole = evaluated("categorical_cross_entropy", outputs, target, metrics).scores()
    cut = evaluated("categorical_cross_entropy", outputs, target, metrics, pieces=min(pieces, rows)).scores()
    assert cut == pytest.approx(whole) and cut.confusion == whole.confusion
    assert all(low <= whole[name] <= high for name, (low, high) in whole.intervals.items())
    assert {name: pytest.approx(ends) for name, ends in whole.intervals.items()} == cut.intervals
    true, taken = target.argmax(1), outputs.argmax(1)
    assert whole.confusion == skm.confusion_matrix(true, taken, labels=range(classes)).tolist()
    wanted = skm.precision_recall_fscore_support(true, taken, labels=range(classes), zero_division=0)[2]
    assert whole.by_class["f1"] == pytest.approx(wanted.tolist())


def test_a_score_is_in_its_interval_where_chance_makes_it_larger():
    target = (torch.arange(1000) % 2)[:, None].double()
    scores = evaluated("binary_cross_entropy", 0 * target + 0.5, target, ["calibration_error"]).scores()
    low, high = scores.intervals["calibration_error"]
    assert scores["calibration_error"] == low == 0 < high < 0.05


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_baseline_is_that_of_scikit_learns_dummies(task):
    rng = np.random.default_rng(0)
    classes = {"binary": 2, "multiclass": 4}.get(task)
    y, fit = (rng.integers(0, classes, n) if classes else rng.normal(5, 2, n) for n in (50, 80))
    loss = {"binary": "binary_cross_entropy", "multiclass": "categorical_cross_entropy"}.get(task, "mean_squared_error")
    encode = {"multiclass": lambda each: torch.nn.functional.one_hot(torch.tensor(each), 4).double()}.get(
        task, lambda each: torch.tensor(each)[:, None].double()
    )
    baseline = constant_outputs(spec.make("loss", loss), encode(fit).mean(0))
    dummy = (DummyClassifier(strategy="prior") if classes else DummyRegressor()).fit(fit[:, None], fit)
    metric, score = ("r2", skm.r2_score) if task == "regression" else ("accuracy", skm.accuracy_score)
    scores = evaluated(loss, encode(y) * 0.5 + 0.1, encode(y), [metric], baseline).scores()
    assert scores.baseline[metric] == pytest.approx(score(y, dummy.predict(y[:, None])))
    wanted = (
        skm.log_loss(y, dummy.predict_proba(y[:, None])) if classes else skm.mean_squared_error(y, dummy.predict(y))
    )
    assert scores.baseline["loss"] == pytest.approx(wanted)


def test_where_outputs_are_no_probabilities_the_baseline_is_a_decision():
    hinge = spec.make("loss", "hinge")
    assert constant_outputs(hinge, torch.tensor([0.3])).tolist() == [-1]
    assert constant_outputs(hinge, torch.tensor([0.6])).tolist() == [1]


def test_weights_count_in_the_loss_of_model_and_baseline_alone():
    target, weight = torch.tensor([[0.0], [1], [1]]).double(), torch.tensor([3.0, 0, 0]).double()
    outputs, constant = torch.tensor([[0.9], [0.8], [0.7]]).double(), torch.tensor([0.25]).double()
    scores = evaluated("binary_cross_entropy", outputs, target, ["accuracy"], constant, weight).scores()
    assert scores["loss"] == pytest.approx(-np.log(0.1)) and scores["accuracy"] == pytest.approx(2 / 3)
    assert scores.baseline["loss"] == pytest.approx(-np.log(0.75))


def test_what_is_no_number_is_no_baseline():
    target = torch.tensor([[1e200], [-1e200]], dtype=torch.float64)
    metrics = ["mean_absolute_error", "mean_squared_error"]
    scores = evaluated("mean_squared_error", target, target, metrics, torch.zeros(1).double()).scores()
    assert scores.baseline == {"mean_absolute_error": 1e200} and scores["mean_squared_error"] == 0


def test_of_very_many_classes_no_matrix_is_kept_and_only_decisions_are_scored():
    from netkit.engine.targets import reported

    target = torch.eye(evaluation.CLASSES + 1)
    scores = evaluated("categorical_cross_entropy", target, target, ["accuracy"]).scores()
    assert not scores.confusion and scores["accuracy"] == 1
    loss = spec.make("loss", "categorical_cross_entropy")
    assert {"roc_auc", "log_loss"} <= {*reported(loss, 200)} and not {"roc_auc", "log_loss"} & {*reported(loss, 201)}


@pytest.mark.parametrize("loss", [*registry.losses])
def test_evaluation_shows_what_fits_the_loss_its_own_metric_first(loss):
    from netkit.engine.targets import make_metrics, reported

    made = spec.make("loss", loss)
    names = reported(made, 3)
    assert len(set(names)) == len(names) and {*make_metrics(made, names)} == {*names}
    assert names[:1] == ([made.metric] if made.metric else names[:1])
    assert ("brier" in names) == (made.task != "regression" and made.outputs != "real")
    assert ("rmse" in names) == (made.task == "regression")


def test_a_metric_of_probabilities_is_refused_for_other_outputs():
    with pytest.raises(SettingError, match="^brier: needs outputs between 0 and 1, hinge takes any outputs$"):
        netkit.train(table(classes=2), "y", loss="hinge", metric="brier", **QUICK)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    data = table()
    pyarrow.csv.write_csv(data, folder / "t.csv")
    how = {"columns": {"who": "skip"}, "clip": 5.0, "optimizer": "sgd:momentum=0.5", "out": folder / "m.netkit"}
    model = netkit.train(folder / "t.csv", "y", test=0.25, **how, **QUICK)
    return folder, model


def test_evaluate_prints_what_the_task_calls_for(trained, cli):
    folder, model = trained
    code, out, err = cli("evaluate", folder / "m.netkit", folder / "t.csv")
    assert (code, err) == (0, "") and max(map(len, out.splitlines())) <= 80
    scores = model.evaluate(folder / "t.csv")
    assert str(scores) == out.rstrip("\n")
    assert out.startswith(f"240 rows; baseline: always {scores.always}\n")
    truth, told = table()["y"].to_pylist(), model.predict(folder / "t.csv")
    assert scores.confusion == skm.confusion_matrix(truth, told).tolist() and scores.labels == ("c0", "c1", "c2")
    [line] = [line for line in out.splitlines() if line.startswith("2 c1 ")]
    shares = [f"{each[1]:.4g}" for each in skm.precision_recall_fscore_support(truth, told)]
    assert line.split() == ["2", "c1", *map(str, scores.confusion[1]), shares[3], *shares[:3]]
    code, told, err = cli("evaluate", folder / "m.netkit", folder / "t.csv", "--json")
    report = json.loads(told)
    assert report["scores"] == pytest.approx(scores) and report["confusion"] == scores.confusion
    assert report["rows"] == 240 and report["labels"] == ["c0", "c1", "c2"] and report["always"] == scores.always
    assert report["classes"][1]["f1"] == pytest.approx(scores.by_class["f1"][1]) and "positive" not in report
    only = cli("evaluate", folder / "m.netkit", folder / "t.csv", "--metric", "log_loss")[1]
    assert re.findall(r"^[a-z_0-9]+(?= +\S+ +\S+ to )", only, re.M) == ["loss", "log_loss"]


def test_of_two_classes_the_positive_one_is_told(cli, tmp_path):
    pyarrow.csv.write_csv(table(classes=2), tmp_path / "t.csv")
    cli("train", "t.csv", "--target", "y", "--epochs", "3", "--quiet")
    assert "\npositive: c1\n" in cli("evaluate", "t.netkit", "t.csv")[1]
    assert json.loads(cli("evaluate", "t.netkit", "t.csv", "--json")[1])["positive"] == "c1"


def test_train_says_what_it_does_and_which_rows_chose_the_epoch(cli, tmp_path):
    pyarrow.csv.write_csv(table(), tmp_path / "t.csv")
    options = ("--target", "y", "--epochs", "3", "--quiet", "--alpha", "0.01")
    code, out, _ = cli("train", "t.csv", *options, "--test", "0.25", "--seed", "7", "--batch", "16")
    lines = out.splitlines()
    assert code == 0 and max(map(len, lines[3:])) <= 80
    assert lines[1] == (
        "adam, learning rate 0.01; batch 16; 3 epochs; seed 7; rows: 162 training, 18 validation, 60 test"
    )
    assert re.fullmatch(r"kept the weights of epoch \d of 3, \S+ s of training", lines[2])
    assert lines[3].split() == ["test", "validation", "training", "baseline"]
    assert lines[4].split() == ["(chose", "the", "epoch)", "c0"] and lines[5].split() == ["rows", "60", "18", "162"]
    assert lines[7].startswith("  95 % ") and lines[7].count(" to ") == 3
    _, out, err = cli("train", "t.csv", *options, "--validation", "0")
    assert err == "note: t.netkit is there already and will be replaced; out names another file\n"
    assert out.splitlines()[3].split() == ["training"] and "(chose the epoch)" in out


def test_a_model_that_has_learnt_nothing_is_told(cli, tmp_path, caplog):
    rng = np.random.default_rng(0)
    data = pa.table({"x": rng.normal(0, 1, 200), "y": rng.integers(0, 2, 200)})
    pyarrow.csv.write_csv(data, tmp_path / "t.csv")
    _, _, err = cli("train", "t.csv", "--target", "y", "--epochs", "2", "--quiet", "--alpha", "100")
    pattern = r"note: y: no better than no model: loss \S+ on validation rows, and to answer always [01] has 0\.\d+\n"
    assert re.fullmatch(pattern, err), err
    data = pa.table({"x": [*range(30), *range(30)], "y": [0.0, 1.0] * 30})
    many = netkit.train(data, "y", columns={"x": "number"}, epochs=2, alpha=300.0, optimizer="adam", quiet=True)
    assert many.scores["training"]["loss"] > many.scores["validation"].baseline["loss"]
    assert "y: no better than no model: loss" in caplog.text


def test_describe_tells_how_a_model_was_trained_and_what_it_scored(trained, cli):
    folder, model = trained
    out = cli("describe", folder / "m.netkit")[1]
    record = re.search(r"^trained with (.*)$", out, re.M)[1]
    assert record == (
        "optimizer sgd:momentum=0.5, alpha 0.01, batch 32, seed 0, clip 5.0, epochs 3, "
        f"best_epoch {model.training['best_epoch']}"
    )
    assert "\n".join(compared_parts(model.scores, "validation")) in out
    again = TableModel.load(folder / "m.netkit")
    assert again.scores == model.scores and again.training == model.training
    for part, scores in again.scores.items():
        assert scores.to_json() == model.scores[part].to_json() and scores.rows


def test_a_run_that_has_nothing_left_to_do_says_so(cli, tmp_path):
    pyarrow.csv.write_csv(table(), tmp_path / "t.csv")
    begun = ("train", "t.csv", "--target", "y", "--epochs", "4", "--quiet", "--checkpoint", "run")
    assert cli(*begun)[0] == 0
    code, out, err = cli("train", "--resume", "run", "--epochs", "2")
    assert code == 0 and "goes on after epoch 4\n" in out
    assert err == "note: epochs: 2 are asked for and 4 are done, nothing is left to train\n"


def test_describe_tells_how_the_run_of_a_checkpoint_was_begun_and_where_it_stands(cli, tmp_path):
    pyarrow.csv.write_csv(table(), tmp_path / "t.csv")
    begun = ("--epochs", "4", "--every", "3", "--optimizer", "sgd:momentum=0.5", "--checkpoint", "run", "--quiet")
    assert cli("train", "t.csv", "--target", "y", *begun)[0] == 0
    code, out, err = cli("describe", "run/000003-000000000000.checkpoint")
    lines = out.splitlines()
    version = netkit.__version__
    head = rf"run/000003-000000000000.checkpoint: netkit {version}, a run after 3 epochs, the best of them \d"
    assert (code, err) == (0, "") and re.fullmatch(head, lines[0]) and lines[2] == "from plugins"
    assert lines[1].startswith(f"begun with data {tmp_path / 't.csv'}, target y, ")
    assert ", optimizer sgd(momentum=0.5" in lines[1] and ", batch 32, epochs 4, " in lines[1]
    assert f"  optimizer netkit-nn/sgd (netkit-nn {version})" in lines
    said = "a checkpoint, not a model; netkit train --resume run goes on with its run"
    assert cli("predict", "run/000003-000000000000.checkpoint", "t.csv") == (
        1,
        "",
        f"netkit: run/000003-000000000000.checkpoint: {said}\n",
    )
    (tmp_path / "cut.checkpoint").write_bytes((tmp_path / "run" / "000003-000000000000.checkpoint").read_bytes()[:99])
    for command in (("describe", "absent"), ("predict", "absent", "t.csv"), ("predict", "t.netkit", "absent")):
        assert cli(*command)[::2] == (1, "netkit: absent: cannot be read: no such file\n")
    assert cli("describe", "cut.checkpoint")[2] == "netkit: cut.checkpoint: damaged checkpoint: its checksum is wrong\n"


def test_scores_are_pickled_and_damaged_ones_are_refused(trained, tmp_path):
    from netkit.files.header import Header

    _, model = trained
    scores = model.scores["test"]
    again = pickle.loads(pickle.dumps(scores))
    assert again == scores and again.intervals == scores.intervals and str(again) == str(scores)
    about = {"rows": 3, "intervals": {"loss": [1, 2]}, "baseline": {}, "unknown": 1}
    assert Scores.from_json({"loss": 1.5}, about).intervals == {"loss": (1.0, 2.0)}
    header = {"format": 2, "netkit": "", "in_shape": [], "dtype": "", "layers": [], "loss": {}, "components": {}}
    import msgspec

    damaged = msgspec.convert({**header, "scores": {"a": {"loss": 1}}, "evaluation": {"a": {"rows": "x"}}}, Header)
    with pytest.raises(msgspec.ValidationError):
        damaged.scored


@pytest.mark.parametrize("baseline", ["x", [], ["a", 1, 2], [None] * 3, [float("nan")] * 3, [True] * 3, {"a": 1}])
def test_a_baseline_of_a_file_that_is_none_is_left_out(trained, baseline):
    from dataclasses import replace

    folder, model = trained
    scores = replace(model, training={**model.training, "baseline": baseline}).evaluate(folder / "t.csv", ["accuracy"])
    assert not scores.baseline and scores.always is None and "baseline" not in str(scores)


def test_parts_of_a_file_may_have_scores_of_their_own():
    one = Scores({"loss": 1.0, "accuracy": 0.5}, baseline={"accuracy": 0.25})
    lines = compared_parts({"validation": one, "training": Scores({"loss": 2.0})}, "validation")
    assert [line.split() for line in lines[-2:]] == [["loss", "1", "2"], ["accuracy", "0.5", "0.25"]]
    assert compared_parts({"validation": Scores({})})


def test_a_class_of_two_lines_stays_one_row():
    text = str(Scores({"loss": 1.0}, rows=3, labels=["a\nb", "c"], confusion=[[1, 0], [0, 2]]))
    assert text.splitlines()[-2].startswith("1 'a\\nb'") and len(text.splitlines()) == 9


def test_a_matrix_that_is_too_wide_is_told_as_its_mistakes():
    labels = [f"a class with a long name {each}" for each in range(30)]
    matrix = [[9 * (i == j) + (i + 1 == j) * i for j in range(30)] for i in range(30)]
    text = str(Scores({"loss": 1.0}, rows=270, labels=labels, confusion=matrix))
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[-11:][:2] == [
        "most frequent mistakes",
        "  a class with a lo... taken for a class with a lo...: 28",
    ]


@given(
    st.lists(st.lists(st.text("ab 1", max_size=6), min_size=1, max_size=5), min_size=1, max_size=6), st.integers(0, 3)
)
def test_columns_stand_under_each_other(rows, left):
    count = max(map(len, rows))
    wide = [max((len(row[place]) for row in rows if place < len(row)), default=0) for place in range(count)]
    for row, line in zip(rows, aligned(rows, left.__le__), strict=True):
        start = 0
        for place, cell in enumerate(row):
            field = line[start : start + wide[place]].ljust(wide[place])
            assert field == (cell.ljust(wide[place]) if place < left else cell.rjust(wide[place]))
            start += wide[place] + 2
