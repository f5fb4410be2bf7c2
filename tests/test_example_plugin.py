"""The packages in examples/ and those that `netkit new-plugin` writes: installed by pip, first-class everywhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from conftest import ROOT
from environments import Environment

from netkit.kinds import KINDS


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path)


def pytest_in(environment, folder, *options):
    done = subprocess.run(
        [environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(options or ["tests"])],
        cwd=folder,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_swish_is_everywhere_once_it_is_installed(environment, penguins):
    package = shutil.copytree(ROOT / "examples" / "netkit-swish", environment.folder / "netkit-swish")
    environment.install(package)
    listed = environment.run("list-plugins").stdout
    for kind, name in (("activation", "swish"), ("loss", "pinball"), ("metric", "coverage")):
        assert re.search(rf"^{kind} +{name} .*netkit-swish 0\.1\.0$", listed, re.M)
    code = "from netkit import Swish, registry; assert registry.activations['swish'] is Swish and 'swish' in registry.activations"
    assert subprocess.run([environment.python, "-c", code]).returncode == 0
    completed = environment.run(
        _NETKIT_COMPLETE="bash_complete", COMP_WORDS="netkit train x --activation sw", COMP_CWORD="4"
    ).stdout
    assert "swish" in completed
    how = "--target body_mass_g --epochs 30 --activation swish:beta=1.5 --loss pinball:q=0.9"
    train = ["train", penguins, *how.split()]
    said = environment.run(*train, "--out", "m.netkit").stdout
    covered = float(re.search(r"^coverage +\S+ +(\S+)", said, re.M)[1])
    assert 0.75 < covered < 1
    described = environment.run("describe", "m.netkit").stdout
    assert "swish(beta=1.5)" in described and "activation netkit-swish/swish (netkit-swish 0.1.0)" in described
    scored = environment.run("evaluate", "m.netkit", penguins)
    assert scored.stderr == "note: body_mass_g: 2 rows without a value are left out\n"
    assert re.search(r"^coverage +0\.", scored.stdout, re.M)
    assert environment.run("check", "--plugin", "netkit-swish").stdout.count(" ok ") == 3
    assert "3 passed" in pytest_in(environment, package)


def test_a_learning_curve_is_drawn_by_a_reporter_from_a_wheel_also_when_it_is_resumed(environment, penguins):
    package = shutil.copytree(ROOT / "examples" / "netkit-learning-curve", environment.folder / "netkit-learning-curve")
    environment.pip("wheel", "--no-deps", "--no-build-isolation", package, "-w", environment.folder / "wheels")
    [wheel] = (environment.folder / "wheels").iterdir()
    environment.install(wheel)
    assert " ok " in environment.run("check", "learning_curve").stdout
    train = ["train", penguins, "--target", "species", "--epochs", 3, "--quiet", "--checkpoint", "run"]
    said = environment.run(*train, "--report", "learning_curve:path=curve.svg").stdout
    assert "using reporter netkit-learning-curve/learning_curve (netkit-learning-curve 0.1.0)\n" in said
    environment.run("train", "--resume", "run", "--epochs", 5)
    picture = (environment.folder / "curve.svg").read_text()
    numbers = [number for number, *_ in json.loads(re.search("<metadata>(.*)</metadata>", picture)[1])]
    assert numbers == [1, 2, 3, 4, 5] and picture.count("<polyline") == 2
    assert "5 passed" in pytest_in(environment, package)


def test_new_plugins_of_all_kinds_install_keep_their_promises_and_pass_their_tests(environment):
    for kind in KINDS:
        environment.run("new-plugin", f"netkit-my-{kind}", "--kind", kind)
        folder = environment.folder / f"netkit-my-{kind}"
        if kind == "activation":  # once as a wheel, as it would be published
            environment.pip("wheel", "--no-deps", "--no-build-isolation", folder, "-w", environment.folder / "wheels")
            [folder] = (environment.folder / "wheels").iterdir()
        environment.install(folder)
    listed = environment.run("list-plugins").stdout
    checked = environment.run("check", *(f"my_{kind}" for kind in KINDS)).stdout
    for kind in KINDS:
        assert re.search(rf"^{kind} +my_{kind} +\S.*netkit-my-{kind} 0\.1\.0$", listed, re.M)
        assert re.search(rf"^{kind} +my_{kind} +ok ", checked, re.M)
    tests = [environment.folder / f"netkit-my-{kind}" / "tests" for kind in KINDS]
    assert f"{len(KINDS)} passed" in pytest_in(environment, environment.folder, "--import-mode=importlib", *tests)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("-x", "no such option"),
        ("a b", "a distribution's name has letters, digits, -, _ and ., got 'a b'"),
        ("x-", "a distribution's name has letters"),
        ("netkit", "the name must leave one for the activation, as netkit-swish does, got 'netkit'"),
        ("netkit-nn", "the name must leave one"),
        ("netkit-2", "the name must leave one"),
        ("class", "'class' is a word or a module of Python; try netkit-class"),
        ("json", "'json' is a word or a module of Python; try netkit-json"),
        (
            "netkit-plugins",
            "the module 'netkit_plugins' would hide that of netkit-nn; choose another name, got 'netkit-plugins'",
        ),
        ("Torch", "the module 'torch' would hide "),
        ("numpy", "the module 'numpy' would hide "),
        ("pytest", "the module 'pytest' would hide "),
        ("netkit-" + "a" * 65, "a component's name has at most 64 letters, digits and _, got 65: 'aaa"),
        ("netkit-relu", "the activation 'relu' is netkit's own, and keeps its name; choose another"),
    ],
)
def test_names_that_cannot_be_are_refused(cli, tmp_path, name, message):
    code, _, err = cli("new-plugin", name)
    assert code == 2 and message in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_refused(cli, tmp_path):
    (tmp_path / "netkit-x").mkdir()
    (tmp_path / "netkit-x" / "mine").write_text("kept")
    code, _, err = cli("new-plugin", "netkit-x")
    assert code == 1 and err == "netkit: netkit-x: an empty or a new folder is needed\n"
    assert [path.name for path in (tmp_path / "netkit-x").iterdir()] == ["mine"]


def test_promises_of_a_distribution_that_is_not_there():
    from netkit.errors import PluginError
    from netkit.testing import promises_of

    with pytest.raises(PluginError, match="netkit-nobody: no component of it is installed"):
        promises_of("netkit-nobody")


def readme_of(name):
    return (ROOT / "examples" / name / "README.md").read_text()


def test_vision_trains_on_images_and_keeps_what_its_blocks_keep(environment):
    package = shutil.copytree(ROOT / "examples" / "netkit-vision", environment.folder / "netkit-vision")
    environment.install(package)
    [code] = re.findall(r"```python\n(.*?)```", readme_of("netkit-vision"), re.S)
    code += "model.save('digits.netkit')\nimport netkit, torch\nagain = netkit.load('digits.netkit')\n"
    code += "assert torch.equal(again.forward(xtest), model.forward(xtest)) and again.network.states()\n"
    done = subprocess.run([environment.python, "-c", code], cwd=environment.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"accuracy (\S+)", done.stdout)[1]) > 0.97
    described = environment.run("describe", "digits.netkit").stdout
    assert "layer netkit-vision/conv_block (netkit-vision 0.1.0)" in described
    assert environment.run("check", "--plugin", "netkit-vision").stdout.count(" ok ") == 2
    assert "2 passed" in pytest_in(environment, package)
