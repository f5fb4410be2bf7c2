"""`netkit check`: one line a component, exit code 1 on a broken promise."""

from __future__ import annotations

import json

import pytest

from netkit import registry
from test_contract import MUTANTS


def test_check_names_what_it_did(cli):
    code, out, _ = cli("check", "relu", "netkit-nn/mean_squared_error", "adam")
    lines = out.splitlines()
    assert code == 0 and [line.split()[:3] for line in lines] == [
        ["activation", "relu", "ok"], ["loss", "mean_squared_error", "ok"], ["metric", "mean_squared_error", "ok"],
        ["optimizer", "adam", "ok"],
    ]  # fmt: skip
    assert "11 promises, worst error" in lines[0] and "hand-written gradient" in lines[0] and " of derived" in lines[0]


def test_check_as_json(cli):
    code, out, _ = cli("check", "--plugin", "netkit_nn", "--json", "torch", "sigmoid")
    rows = json.loads(out)
    assert code == 0 and {row["name"]: row["gradient"] for row in rows} == {"torch": "derived", "sigmoid": "hand-written"}
    assert {"kind", "name", "settings", "promises", "worst", "broken", "distribution", "version", "gradient", "microseconds",
            "derived_microseconds"} == set(rows[0])  # fmt: skip


def test_a_broken_promise_is_exit_code_1_with_the_input(cli):
    with registry.using(registry.Registry()) as mine:
        mine.activations.register("wrong", MUTANTS["relu: 2 at the kink"])
        code, out, _ = cli("check", "wrong")
    assert code == 1 and "activation   wrong                      BROKEN  Wrong(): derivative: got" in out
    assert "z = torch.tensor([[0.0]], dtype=torch.float64)" in out


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["tanhh"], 2, "netkit: check: no component is called 'tanhh'; did you mean tanh"),
    (["--plugin", "nobody"], 1, "netkit: check: no plugin of a distribution 'nobody' is installed"),
])  # fmt: skip
def test_what_is_not_there_is_one_line(cli, arguments, code, message):
    got, _, err = cli("check", *arguments)
    assert got == code and err.startswith(message) and err.count("\n") == 1
