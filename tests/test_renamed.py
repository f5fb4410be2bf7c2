"""The module paths of 0.1: each still works, and says what to write instead."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from environments import Environment

MODULES = """
    bound checkpoint data data.budget data.columns data.gathering data.grouping data.inspecting
    data.parting data.prepared data.preparing data.reading data.sources data.spill data.stream data.summary data.target
    data.weighing data.writing derived discovery doctor epochs errors face glance hookspecs kinds model naming network
    passes plan progress registry resume rows scaffold scoring spec storage table targets tensors testing
    testing.activations testing.bindings testing.checking testing.comparing testing.layers testing.losses testing.others
    testing.sampling testing.surroundings testing.timing training watched
""".split()
"""Every module of 0.1 that was no part of the command."""

EVERY = """
import importlib, json, sys, warnings
said = {}
for name in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        module = importlib.import_module(f"netkit.{name}")
    assert all(each.filename == "<string>" or "importlib" in each.filename for each in caught), caught
    said[name] = [str(each.message) for each in caught if str(each.message).startswith(f"netkit.{name} is")]
print(json.dumps(said))
"""


def test_every_module_of_the_first_version_is_found():
    from netkit.registry.renamed import RENAMED

    done = subprocess.run([sys.executable, "-c", EVERY, *MODULES], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    for name in MODULES:
        new = RENAMED.get(f"netkit.{name}")
        assert said[name] == ([f"netkit.{name} is now {new}; the old name goes with 0.3"] if new else []), name
    assert {old.removeprefix("netkit.") for old in RENAMED} <= set(MODULES)


def test_old_names_are_the_new_things(tmp_path):
    code = """
import netkit
from netkit import bind
from netkit.bound import bound, Call
from netkit.targets import like
from netkit import table, tensors, TableModel
from netkit.data.reading import read
from netkit.data.grouping import check_groups
from netkit.data.stream import ahead
from netkit.plan import Plan
from netkit.progress import shown
from netkit.checkpoint import Header, KeptModel, Source, load, read_header, save, sources, written
assert bound is bind and like is tensors.like and table.TableModel is TableModel and load is netkit.load
model = netkit.Model([netkit.Dense(2, 1)], "mean_squared_error")
save(model, "m.netkit", training={"seed": 3})
assert load("m.netkit").network.layers == model.layers and read_header("m.netkit").training == {"seed": 3}
with written("text") as temporary, open(temporary, "w") as file:
    file.write("whole")
assert open("text").read() == "whole"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    warned = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import netkit.bound"], capture_output=True, text=True
    )
    assert "DeprecationWarning: netkit.bound is now netkit." in warned.stderr


def test_what_never_was_is_still_missing():
    with pytest.raises(ModuleNotFoundError, match="^No module named 'netkit.nothing'$"):
        __import__("netkit.nothing")
    with pytest.raises(ImportError, match="^cannot import name 'nothing' from 'netkit'"):
        exec("from netkit import nothing")


FIRST = """
    from dataclasses import dataclass
    import torch
    from netkit import Activation, Loss, hookimpl
    from netkit.bound import Call, bound
    from netkit.derived import ModuleLayer
    from netkit.targets import like
    from netkit.tensors import by_row

    @dataclass(frozen=True)
    class Twice(Activation):
        '''2 z, (n, ...) to the same shape; derivative 2.'''
        def forward(self, z):
            return 2 * z
        def backward(self, grad, z, a):
            return 2 * grad
        def bind_forward(self, z, a):
            return [bound(torch.mul, z, 2.0, out=a)]

    @dataclass(frozen=True)
    class Squares(Loss):
        '''mean_j (y_j - p_j)^2, (n, k) to (n,); gradient 2 (p - y) / k.'''
        def __call__(self, prediction, target):
            d = prediction - like(prediction, target)
            return (d * d).mean(1), 2 * d / d.shape[1]

    @hookimpl
    def netkit_activations():
        return {"twice": Twice}

    @hookimpl
    def netkit_losses():
        return {"squares": "lab_first:Squares"}
"""


def test_a_package_made_for_the_first_version_works(tmp_path, penguins):
    environment = Environment(tmp_path)
    environment.install(environment.make("lab-first", FIRST, requires='["netkit-nn>=0.1.0"]'))
    assert "BROKEN" not in environment.run("check", "--plugin", "lab-first").stdout
    train = ["train", penguins, "--target", "body_mass_g", "--epochs", 2, "--out", "m.netkit"]
    said = environment.run(*train, "--activation", "twice", "--loss", "squares").stdout
    assert "using activation lab-first/twice (lab-first 0.1)" in said
    environment.run("predict", "m.netkit", penguins)
