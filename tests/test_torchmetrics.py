"""The package in examples/netkit-torchmetrics: built, installed, checked and trained with."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from conftest import ROOT
from environments import Environment

from netkit import SettingError, ShapeError
from netkit.testing import check

torchmetrics = pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
PACKAGE = ROOT / "examples" / "netkit-torchmetrics"


@pytest.fixture(scope="module")
def adapters():
    spec = importlib.util.spec_from_file_location("netkit_torchmetrics", PACKAGE / "netkit_torchmetrics.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["netkit_torchmetrics"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["netkit_torchmetrics"]


def pieces(metric, prediction, target, size=17):
    """The score of tallies that are added, as netkit does it."""
    return metric.score(
        torch.stack([metric.tally(*each) for each in zip(prediction.split(size), target.split(size))]).sum(0)
    )


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_scores_are_those_of_torchmetrics_on_all_rows(adapters, columns):
    torch.manual_seed(columns)
    raw, truth = torch.randn(200, columns), torch.randn(200, columns)
    for name in ("ExplainedVariance", "SymmetricPercentageError", "WeightedPercentageError"):
        metric = getattr(adapters, name)()
        whole = metric.make(columns)
        assert pieces(metric, raw, truth) == pytest.approx(float(whole(raw, truth)), rel=1e-5)
    classes = torch.randint(max(2, columns), (200,))
    if columns == 1:
        chance, target = raw.sigmoid(), classes[:, None].float()
        decided, given = (chance > 0.5).float(), (chance[:, 0], classes)
    else:
        chance, target = raw.softmax(1), torch.eye(columns)[classes]
        decided, given = torch.eye(columns)[chance.argmax(1)], (chance, classes)
    for name in ("Matthews", "CohenKappa", "Jaccard", "Auroc"):
        metric = getattr(adapters, name)()
        got = pieces(metric, decided if metric.labels else chance, target)
        assert got == pytest.approx(float(metric.make(columns)(*given)), rel=1e-5), name


def test_what_is_no_sum_is_refused_and_so_are_rows_of_several_classes(adapters):
    @dataclass(frozen=True)
    class Concordance(adapters.Adapted):
        """Lin's concordance."""

        tasks = ("regression",)

        def make(self, columns):
            return torchmetrics.regression.ConcordanceCorrCoef(num_outputs=columns)

    @dataclass(frozen=True)
    class Calibration(adapters.Classes):
        """How far probabilities are from shares."""

        def make(self, columns):
            return torchmetrics.classification.MulticlassCalibrationError(columns)

    with pytest.raises(SettingError, match="^MulticlassCalibrationError: .*, its state confidences is no sum$"):
        Calibration()
    with pytest.raises(SettingError, match="^ConcordanceCorrCoef: what adds up is needed, its state mean_x is no sum$"):
        Concordance()
    both = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(ShapeError, match="^Matthews: rows of one class each are needed, got several ones in a row$"):
        adapters.Matthews().tally(both, both)


def test_the_example_in_the_readme_keeps_the_promises(adapters):
    [code] = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
    given = {"__name__": "netkit_torchmetrics"}
    exec(code, given)
    [report] = check(given["LogCosh"])
    assert report.promises > 5 and not report.broken


def test_it_is_built_installed_checked_and_trained_with(tmp_path, penguins):
    environment = Environment(tmp_path)
    package = shutil.copytree(PACKAGE, tmp_path / "package")
    environment.pip("wheel", "--no-deps", "--no-build-isolation", package, "-w", tmp_path / "wheels")
    environment.install(*(tmp_path / "wheels").glob("netkit_torchmetrics-*.whl"))
    checked = environment.run("check", "--plugin", "netkit-torchmetrics").stdout
    assert checked.count(" ok ") == len(checked.splitlines()) == 7
    train = ["train", penguins, "--epochs", "5", "--out", "m.netkit", "--target"]
    shown = environment.run(*train, "species", "--metric", "matthews", "--metric", "auroc:thresholds=201").stdout
    assert re.search(r"^matthews +(0\.\d+|1) .*^auroc +(0\.\d+|1) ", shown, re.M | re.S), shown
    assert re.search(
        r"matthews +0\.\d+", environment.run("evaluate", "m.netkit", penguins, "--metric", "matthews").stdout
    )
    shown = environment.run(*train, "body_mass_g", "--metric", "explained_variance").stdout
    assert re.search(r"explained_variance +0\.\d+", shown), shown
    command = [environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"]
    done = subprocess.run(command, cwd=package, text=True, capture_output=True)
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout
