"""What authors get wrong, written as they would, and what `netkit check` says: the class, the promise and the cure."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from netkit.testing import examine

START = """
from dataclasses import dataclass
import numpy as np
import torch
from netkit import Activation, Initializer, Layer, Loss, Metric, Optimizer, derived, hookimpl

"""
SINE = '''@dataclass(frozen=True)
class Mistake(Activation):
    """sin z, (n, ...) to the same shape; derivative cos z."""

    def forward(self, z):
        return torch.sin(z)

    def backward(self, grad, z, a):
        return torch.cos(z) * grad
'''
SQUARE = '''@dataclass(frozen=True)
class Mistake(Loss):
    """mean_j (p_j - y_j)^2, (n, k) to (n,)."""

    def __call__(self, prediction, target):
        d = prediction - target
        return (d * d).mean(1), 2 * d / d.shape[1]
'''
GAIN = '''@dataclass(frozen=True)
class Mistake(Layer):
    """gain x, (n, d) to (n, d)."""

    def build(self, in_shape, rng):
        return {"gain": torch.ones(in_shape)}, in_shape

    def forward(self, params, x, rng=None):
        return params["gain"] * x, x

    def backward(self, params, saved, grad):
        return params["gain"] * grad, {"gain": (saved * grad).sum(0)}
'''
SHARE = '''@dataclass(frozen=True)
class Mistake(Metric):
    """Share of equal numbers."""

    def tally(self, prediction, target):
        return torch.tensor([(prediction == target).sum(), target.numel()])

    def score(self, tally):
        return float(tally[0] / tally[1])
'''
DESCENT = '''@dataclass(frozen=True)
class Mistake(Optimizer):
    """w -= alpha g."""

    def start(self, params):
        return {}

    def step(self, params, grads, state, alpha):
        params -= alpha * grads
'''
DECAYED = DESCENT.replace("    def start", "    weight_decay: float = 0.0\n\n    def start").replace(
    "alpha * grads", "alpha * (grads + self.weight_decay * params)"
)
NOISE = '''@dataclass(frozen=True)
class Mistake(Initializer):
    """Normal, deviation 1."""

    def __call__(self, shape, fan_in, fan_out, rng):
        return torch.randn(shape, generator=rng)
'''
RIGHT = {
    "sine": SINE,
    "square": SQUARE,
    "gain": GAIN,
    "share": SHARE,
    "descent": DESCENT,
    "descent that decays": DECAYED,
    "noise": NOISE,
    "a derivative of 0": SINE.replace("torch.sin(z)", "0 * z + 1").replace("torch.cos(z)", "0"),
    "a gradient of 0": SQUARE.replace("d = prediction - target", "d = 0 * (prediction - target)"),
    "any arguments": SINE.replace("grad, z, a)", "*given)").replace(
        "torch.cos(z) * grad", "torch.cos(given[1]) * given[0]"
    ),
    "an argument more with a default": SINE.replace("forward(self, z)", "forward(self, z, scale=1.0)"),
}

MISTAKES = {
    "rows of one axis alone": (
        GAIN.replace("torch.ones(in_shape)", "torch.ones(in_shape[0])").replace(
            "    def build", "    keeps_shape = True\n\n    def build"
        ),
        r"build takes rows of \(3, 4\), so the others must, or it must raise a ShapeError: RuntimeError: ",
    ),
    "another shape": (
        GAIN.replace("    def build", "    keeps_shape = True\n\n    def build")
        .replace("{}, in_shape", "{}, in_shape")
        .replace('return {"gain": torch.ones(in_shape)}, in_shape', "return {}, (*in_shape[:-1], 1)")
        .replace('return params["gain"] * x, x', "return x[..., :1], x")
        .replace(
            'return params["gain"] * grad, {"gain": (saved * grad).sum(0)}',
            "return torch.cat([grad, 0 * saved[..., 1:]], -1), {}",
        ),
        r"keeps_shape is True, and rows of \(4,\) became \(1,\)$",
    ),
    "a number alone for alpha": (
        DESCENT.replace("params -= alpha * grads", "params.sub_(grads, alpha=alpha)"),
        r"Mistake\(\) raises TypeError: .*must be Number, not Tensor",
    ),
    "the mean of a vector alpha": (
        DESCENT.replace("alpha * grads", "torch.as_tensor(alpha).mean() * grads"),
        r"where the vector alpha is 0 nothing may move, params move by \[",
    ),
    "another vector alpha": (
        DESCENT.replace("alpha * grads", "torch.as_tensor(alpha).sum() * grads"),
        r"alpha = 0.01 and a vector of 0.01 move params to other places: write params -= alpha \* direction$",
    ),
    "another vector decay": (
        DECAYED.replace("self.weight_decay * params", "torch.as_tensor(self.weight_decay).sum() * params"),
        r"weight_decay = 0.1 and a vector of 0.1 move params to other places$",
    ),
    "no @dataclass": (
        SINE.replace("@dataclass(frozen=True)\n", "").replace(
            "    def forward", "    scale: float = 2.0\n\n    def forward"
        ),
        r"scale: no setting, since @dataclass\(frozen=True\) is missing above Mistake$",
    ),
    "nan in backward": (
        SINE.replace("torch.sin(z)", "torch.log1p(torch.exp(z))").replace(
            "torch.cos(z) * grad", "grad * torch.exp(z) / (1 + torch.exp(z))"
        ),
        r"backward gives nan at z = (8[89]|9\d)\.\d+ in float32\n +z = torch\.tensor\(\[\[.*\n +grad = ",
    ),
    "nan in forward": (
        SINE.replace("torch.sin(z)", "torch.sqrt(z)"),
        r"forward gives nan at z = -0\.0\d+ in float32\n",
    ),
    "grad forgotten": (
        SINE.replace(" * grad", ""),
        r"backward gives the same for grad and for 2 grad: is grad multiplied in, as in f'\(z\) grad\?$",
    ),
    "numpy": (
        SINE.replace("torch.sin(z)", "np.sin(z.numpy())"),
        r"forward must be a torch tensor, got numpy\.ndarray$",
    ),
    "numpy in backward": (
        SINE.replace("torch.cos(z) * grad", "(torch.cos(z) * grad).numpy()"),
        r"backward must be a torch tensor, got numpy\.ndarray$",
    ),
    "wrong arguments": (
        SINE.replace("grad, z, a)", "grad, z)"),
        r"backward must take \(grad, z, a\), it takes \(grad, z\)$",
    ),
    "an argument too many": (
        SINE.replace("forward(self, z)", "forward(self, z, scale)"),
        r"forward must take \(z\), it takes \(z, scale\)$",
    ),
    "state on self": (
        SINE.replace("        return torch.sin", "        self.z = z\n        return torch.sin"),
        r"raises FrozenInstanceError: cannot assign to field 'z': a component keeps nothing: backward is given all it "
        r"needs, a layer hands it on as `saved` \(forward, line 12 of mistake\.py, given z \(5, 4\)\)$",
    ),
    "global random numbers": (
        SINE.replace("torch.sin(z)", "torch.sin(z) + 0 * torch.rand(1)"),
        r"changes torch's global random numbers, which the whole process shares; draw from rng alone$",
    ),
    "it raises": (
        SINE.replace("torch.cos(z) * grad", "torch.cos(z) @ grad"),
        r"raises RuntimeError: .* \(backward, line 15 of mistake\.py, given grad \(5, 4\), z \(5, 4\), a \(5, 4\)\)$",
    ),
    "33 rows": (
        SINE.replace("torch.cos(z) * grad", "torch.cos(z) * grad * (1 + 0.1 * (len(z) == 33))"),
        r"a batch of 33 rows gives other numbers than one of 65, in row 0$",
    ),
    "the default dtype": (
        SINE.replace("return torch.sin(z)", "torch.set_default_dtype(torch.float64)\n        return torch.sin(z)"),
        r"changes torch's default dtype, which the whole process shares$",
    ),
    "overflow of the derivative": (
        SINE.replace("torch.sin(z)", "z**3").replace("torch.cos(z)", "3 * (z**8).sqrt().sqrt()"),
        r"must be finite: forward gives \[9\.99.*, backward \[inf, ",
    ),
    "overflow below 1e9": (
        SINE.replace("torch.sin(z)", "torch.sqrt(z**6)").replace("torch.cos(z)", "3 * z * z.abs()"),
        r"must be finite: forward gives \[inf, .*, backward \[2\.99.*\n +z = torch\.tensor\(\[\[1000000000\.0, ",
    ),
    "mean": (
        SQUARE.replace("2 * d / d.shape[1]", "2 * d / d.numel()"),
        r"the gradient must be the derivative of the sum of the values, not of their mean: netkit divides by the rows\n",
    ),
    "values alone": (
        SQUARE.replace(", 2 * d / d.shape[1]", ""),
        r"the loss must give \(values, gradient\), got torch\.Tensor$",
    ),
    "nan in a loss": (
        SQUARE.replace("(d * d).mean(1)", "d.sqrt().mean(1)"),
        r"the loss gives nan in row \d in float64\n",
    ),
    "nan in a gradient": (
        SQUARE.replace("2 * d", "2 * d.sqrt()"),
        r"the gradient gives nan at prediction = \S+ in float64\n",
    ),
    "33 rows in a loss": (
        SQUARE.replace("2 * d", "(2 + (len(d) == 33)) * d"),
        r"a batch of 33 rows gives other numbers than one of 65, in row 0$",
    ),
    "no saved": (
        GAIN.replace('params["gain"] * x, x', 'params["gain"] * x'),
        r"forward must give \(y, saved\), got torch\.Tensor$",
    ),
    "rng must be given": (
        GAIN.replace("rng=None", "rng"),
        r"forward must take \(params, x, rng=None\), it takes \(params, x, rng\)$",
    ),
    "a module that cannot be made": (
        '@dataclass(frozen=True)\nclass Mistake(derived.ModuleLayer):\n    """x."""\n\n    def make(self):\n        return {}["x"]\n',
        r"raises KeyError: 'x' \(make, line 12 of mistake\.py\)$",
    ),
    "no shape": (
        GAIN.replace("}, in_shape\n", "}\n"),
        r"build must give \(parameters by name, shape of an output row\), got dict$",
    ),
    "a shape of one": (
        GAIN.replace("}, in_shape\n", "}, in_shape[0]\n"),
        r"build must give the shape of an output row as a tuple of whole numbers, got 4$",
    ),
    "a list of gradients": (
        GAIN.replace('{"gain": (saved * grad).sum(0)}', "[(saved * grad).sum(0)]"),
        r"backward: gradients must be a dictionary by name, got list$",
    ),
    "dx alone": (
        GAIN.replace(', {"gain": (saved * grad).sum(0)}', ""),
        r"backward must give \(dx, gradients by name\), got torch\.Tensor$",
    ),
    "parameters of numpy": (
        GAIN.replace("torch.ones", "np.ones"),
        r"build: gain must be a torch tensor, got numpy\.ndarray$",
    ),
    "a gradient of numpy": (
        GAIN.replace("(saved * grad).sum(0)", "(saved * grad).sum(0).numpy()"),
        r"param_grads: gain must be a torch tensor, got numpy\.ndarray$",
    ),
    "a parameter with a tape": (
        GAIN.replace("torch.ones(in_shape)", "torch.nn.Parameter(torch.ones(in_shape))"),
        r"parameter gain must not require a gradient: netkit derives by no tape$",
    ),
    "whole numbers": (
        GAIN.replace("torch.ones(in_shape)", "torch.ones(in_shape, dtype=torch.int64)"),
        r"parameter gain must be of floating numbers, got torch\.int64$",
    ),
    "a layer forgets grad": (
        GAIN.replace('return params["gain"] * grad', 'return params["gain"].expand_as(grad)'),
        r"backward gives the same for grad and for 2 grad",
    ),
    "nan in a layer": (
        GAIN.replace('["gain"] * x, x', '["gain"] * x.sqrt(), x'),
        r"forward gives nan at x = -0\.\d+ in float64\n",
    ),
    "0 rows": (
        GAIN.replace('params["gain"] * x, x', 'params["gain"] * x.reshape(len(x), -1), x'),
        r"raises RuntimeError: cannot reshape tensor of 0 elements .* \(forward, line 15 of mistake\.py, given x \(0, 4\): "
        r"netkit tries 0 rows as well\)$",
    ),
    "33 rows in a layer": (
        GAIN.replace("(saved * grad).sum(0)", "(saved * grad)[:32].sum(0)"),
        r"in a batch of 33 rows the gradients of the parameters are not the sum of those of each row$",
    ),
    "33 rows of y": (
        GAIN.replace('params["gain"] * x, x', 'params["gain"] * x * (1 + (len(x) == 33)), x'),
        r"a batch of 33 rows gives other numbers than one of 65, in row 0$",
    ),
    "a tally of numpy": (
        SHARE.replace("torch.tensor([", "np.array([").replace("sum(), ", "sum().numpy(), "),
        r"tally must be a torch tensor, got numpy\.ndarray$",
    ),
    "nan in a tally": (SHARE.replace("tensor([(p", "tensor([float('nan') * (p"), r"tally gives nan$"),
    "params bound anew": (
        DESCENT.replace("params -= alpha * grads", "params = params - alpha * grads"),
        r"step left params as they are: change them in place, as in params -= alpha \* grads, not params = params - \.\.\.$",
    ),
    "no state": (DESCENT.replace("return {}", "return None"), r"start must be a dictionary by name, got NoneType$"),
    "nan in a step": (
        DESCENT.replace("alpha * grads", "alpha * grads.sqrt()"),
        r"step gives nan at params = \S+ in float64\n",
    ),
    "nan after many steps": (
        DESCENT.replace(
            "params -= alpha * grads", "params -= alpha * grads * (0 / (params.norm() - 4).clamp(min=0) + 1)"
        ),
        r"along the gradient of \|w\|\^2 params are nan before step \d+$",
    ),
    "an initializer of numpy": (
        NOISE.replace("torch.randn(shape, generator=rng)", "np.zeros(shape)"),
        r"the initializer must be a torch tensor, got numpy\.ndarray$",
    ),
    "an initializer of nan": (NOISE.replace("rng)\n", "rng).sqrt()\n"), r"the initializer gives nan$"),
    "an initializer of the world": (
        NOISE.replace(", generator=rng", ""),
        r"changes torch's global random numbers, which the whole process shares; draw from rng alone$",
    ),
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """write(source): the class `Mistake` of a module that stands in a file, as any author's does."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def module(source):
        (tmp_path / "mistake.py").write_text(START + source)
        sys.modules.pop("mistake", None)
        importlib.invalidate_caches()
        return importlib.import_module("mistake").Mistake

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield module
    sys.modules.pop("mistake", None)


@pytest.mark.parametrize(("source", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_is_said_of_a_mistake(write, source, message):
    component = write(source)
    broken = examine(component.kind, component).broken
    assert re.match(r"Mistake\(.*?\)( raises|:) ", broken) and re.search(message, broken), broken


@pytest.mark.parametrize("source", RIGHT.values(), ids=RIGHT)
def test_without_the_mistake_nothing_is_said(write, source):
    component = write(source)
    report = examine(component.kind, component)
    assert not report.broken and not report.remarks


ROOT_OF_SQUARES = """
    def fused(self, z, target):
        d = z - target
        return (d * d).sqrt().mean(1), d.sign() / d.shape[1]
"""


@pytest.mark.parametrize(
    ("fused", "remarks"),
    [
        (ROOT_OF_SQUARES, ("Mistake(): its fused form is not finite in float32 from |z| = 1e+25 on",)),
        (ROOT_OF_SQUARES.replace("(d * d).sqrt()", "d.abs()"), ()),
    ],
)
def test_a_fused_form_that_overflows_far_out_is_remarked_upon(write, fused, remarks):
    source = (
        SQUARE.replace("(d * d).mean(1), 2 * d /", "d.abs().mean(1), d.sign() /") + "    head = 'identity'\n" + fused
    )
    report = examine("loss", write(source))
    assert not report.broken and report.remarks == remarks


def test_what_float32_cannot_hold_is_no_remark(write):
    report = examine("activation", write(SINE.replace("torch.sin(z)", "z**3").replace("torch.cos(z)", "3 * z * z")))
    assert not report.broken and not report.remarks
