"""`netkit check`: one line a component, exit code 1 on a broken promise."""

from __future__ import annotations

import importlib
import json
import re
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from test_contract import MUTANTS, RIGHT, activation, raises

from netkit import Activation, derived, registry
from netkit.testing import check, examine


def test_check_names_what_it_did(cli):
    code, out, _ = cli("check", "relu", "netkit-nn/mean_squared_error", "adam")
    lines = out.splitlines()
    assert code == 0 and [line.split()[:3] for line in lines] == [
        ["activation", "relu", "ok"],
        ["loss", "mean_squared_error", "ok"],
        ["metric", "mean_squared_error", "ok"],
        ["optimizer", "adam", "ok"],
    ]
    assert "14 promises, worst error" in lines[0] and "hand-written gradient" in lines[0] and " of derived" in lines[0]


def test_check_as_json(cli):
    code, out, _ = cli("check", "--plugin", "netkit_nn", "--json", "torch", "sigmoid")
    rows = json.loads(out)
    assert code == 0 and {row["name"]: row["gradient"] for row in rows} == {
        "torch": "derived",
        "sigmoid": "hand-written",
    }
    assert {
        "kind",
        "name",
        "settings",
        "promises",
        "worst",
        "broken",
        "remarks",
        "distribution",
        "version",
        "gradient",
        "microseconds",
        "derived_microseconds",
    } == set(rows[0])


def test_a_broken_promise_is_exit_code_1_with_the_input(cli):
    with registry.using(registry.Registry()) as mine:
        mine.activations.register("wrong", MUTANTS["relu: 2 at the kink"])
        code, out, _ = cli("check", "wrong")
    assert code == 1 and "activation   wrong                      BROKEN  Wrong(): derivative: got" in out
    assert "z = torch.tensor([[0.0]], dtype=torch.float64)" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tanhh"], 2, "netkit: check: no component is called 'tanhh'; did you mean tanh"),
        (["--plugin", "nobody"], 1, "netkit: check: no plugin of a distribution 'nobody' is installed"),
    ],
)
def test_what_is_not_there_is_one_line(cli, arguments, code, message):
    got, _, err = cli("check", *arguments)
    assert got == code and err.startswith(message) and err.count("\n") == 1


def test_a_blocked_plugin_is_not_called_ok(cli):
    code, out, err = cli("--no-plugin", "netkit-nn", "check", "--plugin", "netkit_nn")
    assert (
        code == 1
        and not out
        and re.fullmatch(r"netkit: check: netkit-nn \S+ \(\w+\): blocked: blocked by name: netkit-nn\n", err)
    )


def test_what_leaves_or_gives_nothing_is_broken_and_the_next_is_still_checked(cli):
    with registry.using(registry.Registry()) as mine:
        mine.activations.register("leaver", MUTANTS["SystemExit"])
        mine.activations.register("nothing", MUTANTS["no examples"])
        mine.activations.register(
            "liar", activation(lambda self, grad, z, a: grad, raises(RuntimeError("one\x1b[2J\ntwo")))
        )
        code, out, _ = cli("check", "leaver", "nothing", "liar", "tanh")
    told = {line.split()[1]: line for line in out.splitlines()}
    assert code == 1 and list(told) == ["tanh", "leaver", "nothing", "liar"] and "  ok  " in told["tanh"]
    assert "BROKEN  Wrong() raises SystemExit: 0" in told["leaver"] and told["nothing"].endswith(
        "BROKEN  examples() yields nothing"
    )
    assert told["liar"].endswith("raises RuntimeError: one [2J two")


def test_the_printed_input_breaks_the_promise_again():
    with registry.using(registry.Registry()) as mine:
        wrong = mine.layers.register("wrong", MUTANTS["dense: b by mean"])
        rule, *inputs = examine("layer", "wrong").broken.splitlines()
    given = {}
    exec("\n".join(line.strip() for line in inputs), {"torch": torch}, given)
    assert list(given) == ["x", "grad", "W", "b"] and "derivative by b" in rule
    params = {name: given[name] for name in "Wb"}
    saved = wrong().forward(params, given["x"])[1]
    got = wrong().backward(params, saved, given["grad"])[1]["b"]
    assert f"got {got.tolist()}," in rule and not torch.allclose(got, given["grad"].sum(0))


def test_classes_and_instances_that_were_never_registered():
    for component in (RIGHT["tanh"], RIGHT["tanh"](), RIGHT["dense"]):
        [report] = check(component)
        assert report.name == "Wrong" and not report.broken


def bare():
    class Bare(Activation):
        """scale z."""

        scale: float = 2.0
        note: ClassVar[str] = "no setting either, and meant so"

        def forward(self, z):
            return self.scale * z

        def backward(self, grad, z, a):
            return self.scale * grad

    return Bare


def test_a_class_without_dataclass_is_told_that_its_settings_are_none():
    assert examine("activation", bare()).broken.endswith(
        "scale: no setting, since @dataclass(frozen=True) is missing above Bare"
    )
    assert not examine("activation", dataclass(frozen=True)(bare())).broken


SQUAREPLUS = '''
from dataclasses import dataclass
import torch
from netkit import Activation, derived, hookimpl

@dataclass(frozen=True)
class Squareplus(Activation):
    """(z + sqrt(z^2 + 4)) / 2 (arXiv:2112.11687)."""

    def forward(self, z):
        return (z + (z * z + 4).sqrt()) / 2

    def backward(self, grad, z, a):
        return grad * (1 + z / (z * z + 4).sqrt()) / 2

Good = Squareplus
'''
BARE = """
class Bare(Squareplus):
    scale: float = 2.0

@hookimpl
def netkit_activations():
    return {"bare": Bare}
"""
OPEN = '''
@dataclass
class Open(Activation):
    """z."""
'''


@pytest.fixture
def mist(tmp_path, monkeypatch):
    """mist(entry points, source): the distribution lab-mist is installed, with a module of this source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def install(entries, source):
        (tmp_path / "lab_mist.py").write_text(source)
        info = tmp_path / "lab_mist-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: lab-mist\nVersion: 0.1\nRequires-Dist: netkit-nn\n"
        )
        (info / "entry_points.txt").write_text(entries)
        importlib.invalidate_caches()

    with registry.using(registry.Registry()):
        yield install
    sys.modules.pop("lab_mist", None)


def test_a_name_that_cannot_be_has_a_line(cli, mist):
    rule = "activation: a name is snake_case (letters, digits, _; at most 64), got 'CamelCase'"
    mist("[netkit.activations]\ngood = lab_mist:Good\nCamelCase = lab_mist:Good\n", SQUAREPLUS)
    for arguments in (["--plugin", "lab-mist"], ["CamelCase", "good"]):
        code, out, err = cli("check", *arguments)
        good, bad = out.splitlines()
        assert code == 1 and good.split()[:3] == ["activation", "good", "ok"]
        assert bad == f"activation   CamelCase                  BROKEN  {rule}"
    assert err == f"lab-mist 0.1 (announced): ok: note: {rule}\n"
    code, out, _ = cli("check", "--json", "CamelCase")
    [row] = json.loads(out)
    assert code == 1 and row["broken"] == rule and row["distribution"] == "lab-mist"
    assert cli("check", "good")[0] == 0


def test_what_overflows_far_out_is_remarked_upon_and_not_held_against_it(cli, mist):
    mist("[netkit.activations]\nrooted = lab_mist:Squareplus\n", SQUAREPLUS)
    remark = "Squareplus(): not finite in float32 from |z| = 1e+25 on"
    code, out, _ = cli("check", "rooted")
    assert code == 0 and " ok " in out and out.endswith(f"; remark: {remark}\n") and out.count("\n") == 1
    [row] = json.loads(cli("check", "--json", "rooted")[1])
    assert row["remarks"] == [remark] and not row["broken"]


@pytest.mark.parametrize(
    "entries",
    ["[netkit.activations]\nbare = lab_mist:Bare\n", "[netkit]\nmist = lab_mist\n"],
    ids=["announced", "hooked"],
)
def test_a_setting_that_is_none_is_told_however_the_name_is_given(cli, mist, entries):
    mist(entries, SQUAREPLUS + BARE)
    code, out, _ = cli("check", "--plugin", "lab-mist")
    assert code == 1 and out.endswith("scale: no setting, since @dataclass(frozen=True) is missing above Bare\n")


def test_a_module_layer_without_dataclass_is_told_as_well():
    class Linear(derived.ModuleLayer):
        """x W + b."""

        units: int = 3

        def make(self):
            return torch.nn.Linear(4, self.units)

    assert "units: no setting, since @dataclass(frozen=True) is missing" in examine("layer", Linear).broken


@pytest.mark.parametrize("more", ["", "open = lab_mist:Open\n"])
def test_a_dataclass_that_is_not_frozen_is_named_on_every_line_that_it_hurts(cli, mist, more):
    mist(f"[netkit.activations]\ngood = lab_mist:Good\n{more}", SQUAREPLUS + OPEN)
    code, out, _ = cli("check", "--plugin", "lab-mist")
    cause = "TypeError: cannot inherit non-frozen dataclass from a frozen one"
    cure = "(line 18 of lab_mist.py: write @dataclass(frozen=True) above class Open)"
    assert code == 1 and out.count("BROKEN") == out.count(f"import of lab_mist failed: {cause} {cure}") == 1 + bool(
        more
    )


def test_an_alias_is_checked_as_what_it_means(cli):
    code, out, err = cli("check", "bce")
    assert (code, err) == (0, "") and out.split()[:3] == ["loss", "binary_cross_entropy", "ok"]
