"""Strangers' components in training: what they raise names them, and a gradient that is wrong is told at the first rows."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from environments import Environment
from hypothesis import given, settings
from hypothesis import strategies as st

import netkit
from netkit import (
    Activation,
    Initializer,
    Layer,
    Loss,
    Metric,
    Model,
    Optimizer,
    PluginError,
    Schedule,
    derived,
    registry,
    spec,
)
from netkit.engine import spot_check as looking
from netkit.engine.network import Network
from netkit.engine.rows import Rows
from netkit.engine.spot_check import spot_check
from netkit.engine.training import Run
from netkit.tensors import generator
from netkit.testing.losses import judged

X = torch.randn(40, 4, generator=generator(1, 0))
Y = X.sum(1, True).tanh()


@dataclass(frozen=True)
class Twice(Activation):
    """2 z, (n, ...) to the same shape."""

    def forward(self, z):
        return 2 * z

    def backward(self, grad, z, a):
        return 2 * grad


@dataclass(frozen=True)
class Gain(Layer):
    """gain x, (n, d) to (n, d)."""

    def build(self, in_shape, rng):
        return {"gain": torch.ones(in_shape)}, in_shape

    def forward(self, params, x, rng=None):
        return params["gain"] * x, x

    def backward(self, params, saved, grad):
        return params["gain"] * grad, {"gain": (saved * grad).sum(0)}


@dataclass(frozen=True)
class Squares(Loss):
    """mean_j (p - y)^2, (n, k) to (n,)."""

    def __call__(self, prediction, target):
        d = prediction - target
        return (d * d).mean(1), 2 * d / d.shape[1]


@dataclass(frozen=True)
class Descent(Optimizer):
    """w -= alpha g."""

    def start(self, params):
        return {}

    def step(self, params, grads, state, alpha):
        params -= alpha * grads


@dataclass(frozen=True)
class Falls(Schedule):
    """1 - done."""

    def __call__(self, done):
        return 1 - done


@dataclass(frozen=True)
class Zeros(Initializer):
    """Zeros."""

    def __call__(self, shape, fan_in, fan_out, rng):
        return torch.zeros(shape)


@dataclass(frozen=True)
class Mean(Metric):
    """The mean error."""

    def tally(self, prediction, target):
        return torch.tensor([(prediction - target).sum(), len(target)])

    def score(self, tally):
        return float(tally[0] / tally[1])


def another(base, **methods):
    """A class like another one, but for these methods."""
    name = f"Other{base.__name__}"
    for method, function in methods.items():
        if callable(function):
            function.__qualname__ = f"{name}.{method}"
    return dataclass(frozen=True)(type(name, (base,), {"__doc__": "It is wrong.", "__module__": __name__, **methods}))


def fitted(part, plan=True, **options):
    """A network with one stranger in it, trained."""
    options = {"epochs": 1, "batch": 8, "progress": False, "metrics": [], "plan": plan, **options}
    layers = [{"type": "dense", "units": 3, "activation": "tanh"}, {"type": "dense", "units": 1}]
    if issubclass(part, Activation):
        layers[0]["activation"] = part()
    if issubclass(part, Initializer):
        layers[0]["initializer"] = part()
    if issubclass(part, Layer):
        layers.insert(1, part())
    options |= {"optimizer": part()} if issubclass(part, Optimizer) else {}
    options |= {"schedule": part()} if issubclass(part, Schedule) else {}
    options |= {"metrics": [part()]} if issubclass(part, Metric) else {}
    model = Model(layers, part() if issubclass(part, Loss) else "mean_squared_error")
    model.fit(X, Y, **options)
    return model


def raising(error):
    def method(self, *arguments):
        raise type(error)(*error.args)

    return method


FAILS = raising(ZeroDivisionError("no\nluck"))
WRONG = {
    "activation forward": (another(Twice, forward=FAILS), "ZeroDivisionError: no\nluck"),
    "activation backward": (another(Twice, backward=FAILS), "ZeroDivisionError: no\nluck"),
    "activation exit": (another(Twice, forward=raising(SystemExit(3))), "SystemExit: 3"),
    "activation check": (another(Twice, check=FAILS), "ZeroDivisionError: no\nluck"),
    "activation signature": (another(Twice, backward=lambda self, grad, z: grad), "TypeError: "),
    # without a plan the next layer stumbles over the two that follow: a layer of netkit, and nobody is named
    "activation shape": (another(Twice, forward=lambda self, z: z.sum(1)), "RuntimeError: "),
    "activation numpy": (another(Twice, forward=lambda self, z: np.ones(z.shape)), "TypeError: "),
    "layer build": (another(Gain, build=FAILS), "ZeroDivisionError: no\nluck"),
    "layer build gives one": (another(Gain, build=lambda self, in_shape, rng: {}), "ValueError: "),
    "layer forward": (another(Gain, forward=FAILS), "ZeroDivisionError: no\nluck"),
    "layer backward": (another(Gain, backward=FAILS), "ZeroDivisionError: no\nluck"),
    "layer signature": (another(Gain, backward=lambda self, saved, grad: grad), "TypeError: "),
    "layer without saved": (another(Gain, forward=lambda self, params, x, rng=None: x), "ValueError: "),
    "layer gives dx alone": (another(Gain, backward=lambda self, params, saved, grad: grad), "ValueError: "),
    "layer without a gradient": (another(Gain, backward=lambda self, params, saved, grad: (grad, {})), "KeyError: 'gain'"),
    "loss": (another(Squares, __call__=FAILS), "ZeroDivisionError: no\nluck"),
    "loss gives one": (another(Squares, __call__=lambda self, p, y: (p - y).sum(1)), "ValueError: "),
    "optimizer start": (another(Descent, start=FAILS), "ZeroDivisionError: no\nluck"),
    "optimizer step": (another(Descent, step=FAILS), "ZeroDivisionError: no\nluck"),
    "optimizer signature": (another(Descent, step=lambda self, params, grads: None), "TypeError: "),
    "schedule": (another(Falls, __call__=FAILS), "ZeroDivisionError: no\nluck"),
    "initializer": (another(Zeros, __call__=FAILS), "ZeroDivisionError: no\nluck"),
    "metric tally": (another(Mean, tally=FAILS), "ZeroDivisionError: no\nluck"),
    "metric score": (another(Mean, score=FAILS), "ZeroDivisionError: no\nluck"),
    "metric signature": (another(Mean, tally=lambda self, prediction: prediction), "TypeError: "),
}  # fmt: skip


@pytest.mark.parametrize("score", [None, "1", torch.ones(2)])
def test_a_score_that_is_no_number_names_the_metric(score):
    part = another(Mean, score=lambda self, tally: score)
    said = f"^metric OtherMean .*: score must give a float, got {type(score).__name__}$"
    with pytest.raises(PluginError, match=said):
        fitted(part)


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize("case", WRONG)
def test_what_a_component_raises_in_training_names_it(case, plan):
    part, said = WRONG[case]
    plan = plan or case in ("activation shape", "activation numpy")
    with pytest.raises(PluginError) as caught:
        fitted(part, plan)
    who = f"{part.kind} {part.__name__} (of test_strangers)"
    assert str(caught.value).startswith(f"{who}: {said}")
    assert str(caught.value).endswith(f"; netkit.testing.check({part.__name__}) tells more")
    assert caught.value.__cause__ is not None and not isinstance(caught.value.__cause__, PluginError)


@pytest.mark.parametrize("part", [Twice, Gain, Squares, Descent, Falls, Zeros, Mean])
def test_strangers_that_are_right_train_in_silence(part):
    fitted(part)


def test_a_signature_is_laid_at_the_door_of_the_one_that_has_it():
    """The engine has two strangers at hand."""

    def step(self, params, grads):
        """Without state and alpha."""

    other = another(Descent, step=step)
    with pytest.raises(PluginError, match=r"^optimizer OtherDescent \(of test_strangers\): TypeError: "):
        Model([netkit.Dense(4, 1)], Squares()).fit(X, Y, optimizer=other(), progress=False)
    model = Model([Gain(), {"type": "dense", "units": 1, "activation": Twice()}], "mean_squared_error")
    model.build((4,))
    broken = another(Gain, backward=lambda self, params, saved, grad: (grad, {}))
    link = model.network.links[0]
    object.__setattr__(link, "layer", broken())
    object.__setattr__(link, "activation", Twice())
    with pytest.raises(
        PluginError, match=r"^layer OtherGain .* or activation Twice \(of test_strangers\): KeyError: 'gain'"
    ):
        model.fit(X, Y, progress=False, plan=False)


@pytest.mark.parametrize("call", ["forward", "predict", "evaluate"])
def test_what_it_raises_in_use_names_it(call):
    fine = [True]

    def forward(self, z):
        if not fine:
            raise ZeroDivisionError
        return 2.0 * z.clamp(-1, float(z.max()))  # not recorded: it looks at the numbers

    model = fitted(another(Twice, forward=forward))
    fine.clear()
    with pytest.raises(PluginError, match=r"^activation OtherTwice \(of test_strangers\): ZeroDivisionError; "):
        getattr(model, call)(*(X, Y)[: 2 if call == "evaluate" else 1])


def test_what_is_not_the_plugins_is_not_laid_at_its_door(monkeypatch):
    for error in (TypeError("netkit's own"), KeyboardInterrupt()):
        with monkeypatch.context() as patched:
            patched.setattr(Run, "_record", raising(error))
            with pytest.raises(type(error), match=f"^{error}$"):
                fitted(Twice, optimizer=Descent(), schedule=Falls())
    with monkeypatch.context() as patched:
        patched.setattr(registry.layers["dense"], "build", raising(TypeError("dense's own")))
        with pytest.raises(TypeError, match="^dense's own$"):
            fitted(Twice)
    for error in (RuntimeError("out of memory"), KeyboardInterrupt()):
        with pytest.raises((netkit.MemoryExhausted, KeyboardInterrupt)):
            fitted(another(Twice, forward=raising(error)))


def test_of_two_strangers_the_one_that_raised_is_named():
    inner = another(Twice, forward=FAILS)
    outer = another(Gain, forward=lambda self, params, x, rng=None: (inner().forward(x), x))
    with pytest.raises(PluginError, match=r"^activation OtherTwice \(of test_strangers\): ZeroDivisionError"):
        fitted(outer)


def test_memory_that_runs_out_and_warnings_are_no_fault_of_a_plugin():
    for error in (MemoryError(), RuntimeError("can't allocate memory")):
        model = Model(
            [{"type": "activate", "activation": another(Twice, forward=raising(error))()}], "mean_squared_error"
        )
        with pytest.raises(type(error)):
            model.forward(X)
    with pytest.raises(UserWarning, match="^activation OtherTwice .* wrong gradient"):  # warnings are errors here
        fitted(another(Twice, backward=lambda self, grad, z, a: grad))


ARGS = """
    from dataclasses import dataclass
    import torch
    from netkit import Activation, Layer, hookimpl

    @dataclass(frozen=True)
    class Args(Layer):
        '''x, (n, d) to (n, d).'''
        def build(self, in_shape, rng):
            return {}, in_shape
        def forward(self, params, x, rng=None):
            return x, None
        def backward(self, params, grad):
            return grad, {}

    @dataclass(frozen=True)
    class Half(Activation):
        '''z / 2, (n, ...) to the same shape; its derivative is another's.'''
        def forward(self, z):
            return z / 2
        def backward(self, grad, z, a):
            return 2 * grad

    @dataclass(frozen=True)
    class Builds(Args):
        '''Cannot be built.'''
        def build(self, in_shape, rng):
            return 1 / 0

    @hookimpl
    def netkit_layers():
        return {"args": Args, "builds": Builds}

    @hookimpl
    def netkit_activations():
        return {"half": Half}
"""


def test_an_installed_plugin_is_named_with_its_distribution_and_told_of_once(tmp_path, penguins):
    environment = Environment(tmp_path)
    environment.install(environment.make("lab-x", ARGS, version="1.0"))
    train = ["train", penguins, "--target", "species", "--epochs", 2, "--quiet"]
    said = environment.run(*train, "--hidden", "3;args", code=1).stderr.splitlines()[-1]
    wrong = "TypeError: Args.backward() takes 3 positional arguments but 4 were given"
    assert said == f"netkit: layer lab-x/args (lab-x 1.0): {wrong}; netkit check lab-x/args tells more"
    said = environment.run(*train, "--hidden", "3;builds", code=1).stderr.splitlines()[-1]
    assert (
        said
        == "netkit: layer lab-x/builds (lab-x 1.0): ZeroDivisionError: division by zero; netkit check lab-x/builds tells more"
    )
    begun = [*train, "--activation", "half", "--checkpoint", "run", "--out", "m.netkit"]
    told = environment.run(*begun).stderr
    number = r"-?[\d.e+-]+"
    line = rf"netkit: activation lab-x/half \(lab-x 1\.0\): wrong gradient: on the first rows backward gives ({number}) where forward rises by ({number}); netkit check lab-x/half tells more"
    [found] = re.findall(f"^{line}$", told, re.M)
    assert float(found[0]) == pytest.approx(4 * float(found[1]), rel=1e-3)
    assert "wrong gradient" not in environment.run("train", "--resume", "run", "--epochs", 3).stderr


# The look at gradients.


@pytest.fixture
def all_strangers(monkeypatch):
    """Every component is taken for a stranger's, also where its gradient is derived."""
    monkeypatch.setattr(looking, "is_stranger", lambda component: True)


def looked(network, loss, x, y):
    """What the look says."""
    looking._seen.clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        spot_check(network, loss, Rows(x, y))
    return [str(each.message) for each in told]


MSE = spec.make("loss", "mean_squared_error")
POINTS = {
    "normal": lambda *shape: torch.randn(*shape, generator=generator(5, 0)),
    "zero": torch.zeros,
    "kinks": lambda *shape: torch.randint(-7, 8, shape, generator=generator(6, 0)) / 2,
    "tiny": lambda *shape: 1e-7 * torch.randn(*shape, generator=generator(7, 0)),
    "large": lambda *shape: 1e6 * torch.randn(*shape, generator=generator(8, 0)),
    "larger": lambda *shape: 1e12 * torch.randn(*shape, generator=generator(9, 0)),
    "largest": lambda *shape: 1e30 * torch.randn(*shape, generator=generator(9, 0)),
}


@pytest.mark.parametrize("points", POINTS)
def test_no_false_alarm_from_any_activation(all_strangers, points):
    for component in registry.activations.values():
        for example in component.examples():
            for rows in (1, 4, 30):
                network = Network([{"type": "activate", "activation": example}], (6,), generator(3, 0))
                x = POINTS[points](rows, 6)
                assert looked(network, MSE, x, torch.zeros(rows, *network.out_shape)) == [], (example, rows)


@pytest.mark.parametrize("points", POINTS)
def test_no_false_alarm_from_any_layer(all_strangers, points):
    tried = set()
    for name, component in registry.layers.items():
        for example in component.examples():
            for shape in [example.in_shape] if example.in_shape else [(4,), (3, 4), (2, 6, 6)]:
                for before in ([], [{"type": "activate", "activation": "relu"}]):
                    try:
                        network = Network([*before, example], shape, generator(3, 0))
                    except netkit.ShapeError:
                        continue
                    tried.add(name)
                    x = POINTS[points](9, *shape)
                    assert looked(network, MSE, x, torch.zeros(9, *network.out_shape)) == [], (example, before)
    assert tried == set(registry.layers)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*registry.losses]),
    st.integers(0, 10**6),
    st.sampled_from([1, 4, 30]),
    st.sampled_from([0, 1, 1e3, 1e9]),
)
def test_no_false_alarm_from_any_loss(name, seed, rows, scale):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(looking, "is_stranger", lambda component: True)
        for loss in registry.losses[name].examples():
            prediction, target = judged(loss, rows, 1 if loss.task == "binary" else 3, seed)
            x = scale * prediction if loss.outputs == "real" else prediction
            for head in {None, loss.head}:
                layers = [{"type": "activate", "activation": head or "identity"}]
                network = Network(layers, tuple(x.shape[1:]), generator(3, 0), torch.float64)
                assert looked(network, loss, x, target) == [], (loss, head)


WRONG_GRADIENTS = {
    "activation factor": another(Twice, backward=lambda self, grad, z, a: 2.02 * grad),
    "activation forgets grad": another(Twice, forward=lambda self, z: z.sin(), backward=lambda self, grad, z, a: z.cos()),
    "activation below zero": another(Twice, forward=lambda self, z: z.tanh(), backward=lambda self, grad, z, a: grad * (1 - a * a) * (z > 0)),
    "layer by x": another(Gain, backward=lambda self, params, saved, grad: (grad * 1.5, {"gain": (saved * grad).sum(0)})),
    "layer by a parameter": another(Gain, backward=lambda self, params, saved, grad: (params["gain"] * grad, {"gain": (saved * grad).mean(0)})),
    "loss of the mean": another(Squares, __call__=lambda self, p, y: (((p - y) ** 2).mean(1), 2 * (p - y) / p.numel())),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_GRADIENTS)
def test_a_wrong_gradient_is_told_once_and_changes_no_bit(case, monkeypatch):
    part = WRONG_GRADIENTS[case]
    number = r"-?[\d.]+(e[+-]\d+)?"
    said = rf"^{part.kind} {part.__name__} \(of test_strangers\): wrong gradient: on the first rows backward gives {number} where forward rises by {number}; netkit.testing.check\({part.__name__}\) tells more$"
    with pytest.warns(UserWarning, match=said) as told:
        model = fitted(part, epochs=3)
        model.fit(X, Y, epochs=1, progress=False)
    assert len(told) == 1
    monkeypatch.setattr("netkit.model.spot_check", lambda *rest: None)
    without = fitted(part, epochs=3)
    without.fit(X, Y, epochs=1, progress=False)
    assert torch.equal(without.network.params, model.network.params)


def test_a_stranger_within_a_component_of_netkits_is_found_and_derived_ones_are_right():
    part = WRONG_GRADIENTS["activation factor"]
    layers = [{"type": "activate", "activation": part()}, {"type": "dense", "units": 1}]
    with pytest.warns(UserWarning, match="^activation OtherTwice .* wrong gradient"):
        Model(layers, "mean_squared_error").fit(X, Y, progress=False, epochs=1)
    thrice = derived.activation(lambda z: 3 * z)
    found = looked(Network([{"type": "activate", "activation": thrice()}], (4,), generator(3, 0)), MSE, X, X)
    assert found == [] and not looking._strangers(thrice()) and looking._strangers([part(), "relu"]) == [part()]


def test_the_look_never_raises_nor_leaves_a_trace():
    def forward(self, z):
        torch.rand(1)
        np.random.rand()
        torch.set_num_threads(torch.get_num_threads() + 1)
        return 2 * z

    threads, before = torch.get_num_threads(), (torch.get_rng_state(), np.random.get_state()[2])
    parts = [
        another(Twice, forward=forward),
        another(Twice, backward=FAILS),
        another(Twice, forward=raising(SystemExit())),
    ]
    for part in parts:
        network = Network([{"type": "activate", "activation": part()}], (4,), generator(3, 0))
        assert looked(network, MSE, X, X) == []
    assert torch.get_num_threads() == threads and np.random.get_state()[2] == before[1]
    assert torch.equal(torch.get_rng_state(), before[0])


def test_what_cannot_be_judged_is_not_accused():
    rounds = another(
        Twice, forward=lambda self, z: (2 * z.float()).double(), backward=lambda self, grad, z, a: 2 * grad
    )
    draws = another(Twice, forward=lambda self, z: z * torch.rand(z.shape).to(z))
    endless = another(Twice, forward=lambda self, z: z * math.inf)
    for part in (rounds, draws, endless):
        network = Network([{"type": "activate", "activation": part()}], (4,), generator(3, 0))
        assert looked(network, MSE, X, X) == []


def test_a_loss_of_probabilities_is_tried_where_they_add_up_to_one():
    def judge(self, prediction, target):
        """The last probability is what the others leave: the same on the simplex alone."""
        p = torch.cat([prediction[:, :-1], 1 - prediction[:, :-1].sum(1, True)], 1)
        return -(target * p.log()).sum(1), -target / p

    loss = another(Squares, __call__=judge, outputs="simplex", task="multiclass")()
    network = Network([{"type": "activate", "activation": "softmax"}], (4,), generator(3, 0))
    assert looked(network, loss, X, torch.eye(4).repeat(10, 1)) == []


def test_what_is_too_large_is_not_looked_at(monkeypatch):
    network = Network(
        [Gain(), {"type": "activate", "activation": WRONG_GRADIENTS["activation factor"]()}], (4,), generator(3, 0)
    )
    assert len(looked(network, MSE, X, X)) == 1
    monkeypatch.setattr(looking, "MOST", 15)
    assert looked(network, MSE, X, X) == []


def test_data_have_no_derivative_by_x():
    """The first layer, such as one that takes codes, is asked for none."""
    steps = another(
        Gain,
        forward=lambda self, params, x, rng=None: (params["gain"] * x.floor(), x.floor()),
        backward=lambda self, params, saved, grad: (grad, {"gain": (saved * grad).sum(0)}),
    )
    same = {"type": "activate", "activation": "identity"}
    for layers, alarms in (([steps()], 0), ([same, steps()], 1)):
        assert len(looked(Network(layers, (4,), generator(3, 0)), MSE, X, X)) == alarms


def test_no_stranger_no_look(monkeypatch):
    monkeypatch.setattr(looking, "_first", FAILS)
    network = Network([{"type": "dense", "units": 3, "activation": "relu"}], (4,), generator(3, 0))
    looked(network, MSE, X, torch.zeros(40, 3))
    assert network not in looking._seen
