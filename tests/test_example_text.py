"""examples/netkit-text: an encoder that is built as a wheel and installed by pip, first-class until it is gone."""

from __future__ import annotations

import shutil

import pytest
from conftest import ROOT
from environments import Environment
from test_example_plugin import pytest_in


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path)


def test_an_encoder_comes_and_goes(environment):
    package = shutil.copytree(ROOT / "examples" / "netkit-text", environment.folder / "netkit-text")
    environment.pip("wheel", "--no-deps", "--no-build-isolation", package, "-w", environment.folder / "wheels")
    [wheel] = (environment.folder / "wheels").iterdir()
    environment.install(wheel)
    assert "1 passed" in pytest_in(environment, package)
    towns = [f"{'North' if row % 3 else 'South'} Town {row},{'cold' if row % 3 else 'warm'}" for row in range(200)]
    (environment.folder / "t.csv").write_text("\n".join(["place,y", *towns]))
    (environment.folder / "new.csv").write_text("place\nNORTH HAMPTON\nSouth Hampton\n")
    train = ["train", "t.csv", "--target", "y", "--epochs", 5, "--batch", 8, "--quiet"]
    said = environment.run(*train, "--columns", "place=hashed_ngrams:size=128").stdout
    assert "using encoder netkit-text/hashed_ngrams (netkit-text 0.1.0)" in said and "network 128-100-1" in said
    predict = ["predict", "t.netkit", "new.csv"]
    assert environment.run(*predict, PYTHONHASHSEED="1").stdout.split() == ["y", "cold", "warm"]
    environment.pip("uninstall", "--yes", "netkit-text")
    install = "pip install 'netkit-text==0.1.0'"
    gone = environment.run(*predict, code=1)
    assert gone.stderr == f"netkit: t.netkit: encoder netkit-text/hashed_ngrams is not available: {install}\n"
    assert "  place: hashed_ngrams(n=3, size=128, lower=True)\n" in environment.run("describe", "t.netkit").stdout
