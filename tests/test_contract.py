"""Every registered component keeps the promises of its kind, and the checks find every component that does not."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy
import pytest
import torch

from netkit import Activation, Initializer, Layer, Loss, Metric, Optimizer, Schedule, registry, spec
from netkit.errors import NetkitError, UnknownComponent
from netkit.kinds import KINDS, Component
from netkit.testing import BrokenPromise, check, examine


def named(kind):
    return [(kind, name) for name in registry.current().kinds[kind]]


EVERY = [pair for kind in KINDS for pair in named(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_registered_component_keeps_its_promises(kind, name):
    [report] = check(name, kind)
    assert report.promises >= 3 and report.settings >= 1 and not report.broken


def parts(value):
    """A component and those in its settings, to any depth."""
    if isinstance(value, Component):
        yield value
        value = vars(value)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ():
        yield from parts(each)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_repr_makes_an_equal_component(kind, name):
    for example in registry.current().kinds[kind][name].examples():
        component = spec.make(kind, example)
        assert eval(repr(component), {type(each).__name__: type(each) for each in parts(component)}) == component


@pytest.mark.parametrize("name", [name for _, name in named("loss")])
def test_losses_take_a_flat_target_beside_a_column(name):
    loss = registry.losses[name]()
    prediction, target = torch.tensor([[0.2], [0.9]]), torch.tensor([0.0, 1.0])
    values, gradient = loss(prediction, target)
    assert values.shape == (2,) and gradient.shape == (2, 1)


def wrong(kind, **methods):
    """A component with these methods, registered for the length of a test."""
    return dataclass(frozen=True)(
        type("Wrong", (kind,), {"__doc__": "Wrong on purpose.", "__annotations__": {}, **methods})
    )


def activation(backward, forward=lambda self, z: torch.relu(z), **more):
    return wrong(Activation, forward=forward, backward=backward, **more)


def tanh(self, z):
    return z.tanh()


def huge(self, grad, z, a):
    return torch.where(z > 40, grad * 0, grad * torch.sigmoid(z))


def rows_mixed(self, grad, z, a):
    return a * (grad - (grad * a).sum())


def single_wrong(self, grad, z, a):
    return grad * (1 - a * a) * (1.01 if z.dtype == torch.float32 else 1)


def in_place(self, z):
    return z.clamp_(min=0)


def from_memory(self, z):
    type(self).seen = getattr(type(self), "seen", 0) + 1
    return z * type(self).seen


def mse(scale=1.0, **more):
    def call(self, prediction, target):
        d = prediction - target
        return (d * d).mean(1), d * 2 * scale / d.shape[1]

    return wrong(Loss, **{"__call__": call, **more})


def dense(**changes):
    """A bare x W + b with a part replaced."""

    def build(self, in_shape, rng):
        return {"W": torch.randn(in_shape[0], 2, generator=rng), "b": torch.zeros(2)}, (2,)

    def forward(self, params, x, rng=None):
        return x @ params["W"] + params["b"], x

    def backward(self, params, saved, grad):
        return grad @ params["W"].t(), {"W": saved.t() @ grad, "b": grad.sum(0)}

    parts = {"build": build, "forward": forward, "backward": backward} | changes
    return wrong(Layer, **parts)


def hidden_state(self, params, grads, state, alpha):
    velocity = VELOCITY.setdefault("v", torch.zeros_like(params, dtype=torch.float64))
    velocity.mul_(0.9).add_(grads.double())
    params.sub_(alpha * velocity.to(params.dtype))


VELOCITY = {}
LAST = {}


def squared_relu(self, z):
    return self.scale * torch.relu(z) ** 2


def leaves(f, where=None):
    def forward(self, z):
        a = f(z)
        if where is None:
            LAST["a"] = a
        else:
            object.__setattr__(self, where, a)
        return a

    return forward


def last_prediction(self, p, y):
    d = LAST.get("d", p - y)
    LAST["d"] = p - y
    return ((p - y) ** 2).mean(1), 2 * (d if d.shape == p.shape and d.dtype == p.dtype else p - y) / p.shape[1]


def relu_layer(slope_at_0=0.0, **changes):
    """max(0, x) as a layer, with one fault."""

    def backward(self, params, saved, grad):
        return grad * ((saved > 0) + slope_at_0 * (saved == 0)), {}

    parts = {
        "build": lambda self, in_shape, rng: ({}, in_shape),
        "forward": lambda self, params, x, rng=None: (x.relu(), x),
    }
    return wrong(Layer, **{**parts, "backward": backward, **changes})


def dense_in_single(self, params, saved, grad):
    factor = 1.01 if grad.dtype == torch.float32 else 1
    return factor * grad @ params["W"].t(), {"W": saved.t() @ grad, "b": grad.sum(0)}


def nothing_saved(self, params, x, rng=None):
    LAST["x"] = x
    return x @ params["W"] + params["b"], None


def from_the_last(self, params, saved, grad):
    return grad @ params["W"].t(), {"W": LAST["x"].t() @ grad, "b": grad.sum(0)}


def where_shape(test):
    """relu, its backward 1 % off for the shapes that pass the test."""
    return activation(lambda self, grad, z, a: grad * (z > 0) * (1.01 if test(z) else 1))


def large_in_place(self, z):
    return z.clamp_(max=60).relu() if z.numel() > 30 else z.clamp(max=60).relu()


F1 = registry.metrics["f1"]


def share(right, dtype=torch.float64, **more):
    """A metric: the share of rows that right(prediction == target) calls so."""

    def tally(self, p, y):
        rows = right(p == y)
        return torch.stack([rows.sum(), torch.tensor(len(rows))]).to(dtype)

    return wrong(Metric, tally=tally, score=lambda self, t: float(t[0] / t[1]), **more)


def drawing(effect):
    """identity, with an effect on the side."""

    def forward(self, z):
        effect()
        return z * 1

    return activation(lambda self, grad, z, a: grad * 1, forward)


def setting(name, default, **methods):
    return wrong(Activation, **{"__annotations__": {name: float}, name: default, **methods})


def raises(error):
    def forward(self, z):
        raise error

    return forward


START = {"start": lambda self, params: {}}

MUTANTS = {
    "relu: factor 2": activation(lambda self, grad, z, a: 2 * grad * (z > 0)),
    "relu: sign": activation(lambda self, grad, z, a: -grad * (z > 0)),
    "relu: factor 1.001": activation(lambda self, grad, z, a: 1.001 * grad * (z > 0)),
    "relu: 2 at the kink": activation(lambda self, grad, z, a: grad * ((z > 0) + 2 * (z == 0))),
    "relu: -1 at the kink": activation(
        lambda self, grad, z, a: grad * ((z > 0).double() - (z == 0).double()).to(z.dtype)
    ),
    "relu: ignores grad": activation(lambda self, grad, z, a: (z > 0).to(z.dtype)),
    "relu: grad squared": activation(lambda self, grad, z, a: grad * grad.abs() * (z > 0)),
    "relu: nan at the kink": activation(lambda self, grad, z, a: grad * (z / z.abs() + 1) / 2),
    "relu: in place": activation(lambda self, grad, z, a: grad * (z > 0), in_place),
    "relu: grad in place": activation(lambda self, grad, z, a: grad.mul_(z > 0)),
    "relu: float64 comes out": activation(lambda self, grad, z, a: (grad * (z > 0)).double()),
    "tanh: of z instead of a": activation(lambda self, grad, z, a: grad * (1 - z * z), tanh),
    "tanh: wrong in float32": activation(single_wrong, tanh),
    "tanh: mean over rows": activation(
        lambda self, grad, z, a: (grad * (1 - a * a)).mean(0, keepdim=True).expand_as(z), tanh
    ),
    "tanh: right for one row": activation(lambda self, grad, z, a: grad[:1] * (1 - a * a), tanh),
    "tanh: right for one column": activation(lambda self, grad, z, a: grad[:, :1] * (1 - a * a), tanh),
    "softplus: wrong far out": activation(huge, lambda self, z: torch.nn.functional.softplus(z)),
    "softplus: overflows": activation(
        lambda self, grad, z, a: grad * torch.sigmoid(z), lambda self, z: (1 + z.exp()).log()
    ),
    "softmax: sums over the batch": activation(rows_mixed, lambda self, z: z.softmax(1)),
    "softmax: diagonal only": activation(lambda self, grad, z, a: grad * a * (1 - a), lambda self, z: z.softmax(1)),
    "softmax: over the batch": activation(
        lambda self, grad, z, a: a * (grad - (grad * a).sum(0)), lambda self, z: z.softmax(0)
    ),
    "claims 0 to 1": activation(lambda self, grad, z, a: grad * (z > 0), outputs="unit"),
    "claims rows of one": activation(
        lambda self, grad, z, a: grad * a * (1 - a), lambda self, z: z.sigmoid(), outputs="simplex"
    ),
    "hidden state": activation(lambda self, grad, z, a: grad, from_memory),
    "no docstring": activation(lambda self, grad, z, a: grad * (z > 0), __doc__=None),
    "SystemExit": activation(lambda self, grad, z, a: grad, raises(SystemExit(0))),
    "no examples": activation(lambda self, grad, z, a: grad * (z > 0), examples=classmethod(lambda cls: iter(()))),
    "tanh: last forward in a global": activation(
        lambda self, grad, z, a: grad * (1 - LAST["a"] ** 2), leaves(torch.tanh)
    ),
    "tanh: last forward on itself": activation(
        lambda self, grad, z, a: grad * (1 - self.a**2), leaves(torch.tanh, "a")
    ),
    "relu(z - 0.3): 2 at the kink": activation(
        lambda self, grad, z, a: grad * ((z > 0.3) + 2 * (z == 0.3)), lambda self, z: torch.relu(z - 0.3)
    ),
    "relu(z - 1/3): kink at 0.35": activation(
        lambda self, grad, z, a: grad * (z > 0.35), lambda self, z: torch.relu(z - 1 / 3)
    ),
    "identity: wrong in float32 beyond 40": activation(
        lambda self, grad, z, a: grad * (1 + 0.1 * ((z.abs() > 40) & (z.dtype == torch.float32)).to(z.dtype)),
        lambda self, z: z * 1,
    ),
    "exp(z) - 1: cancels": activation(
        lambda self, grad, z, a: grad * z.clamp_max(50).exp() * (z < 50), lambda self, z: z.clamp_max(50).exp() - 1
    ),
    "relu: wrong for 5 columns": where_shape(lambda z: z.ndim == 2 and z.shape[1] > 4),
    "relu: wrong for 65 rows": where_shape(lambda z: len(z) > 64),
    "relu: wrong for 3 axes": where_shape(lambda z: z.ndim > 2),
    "relu6: in place where large": activation(lambda self, grad, z, a: grad * ((z > 0) & (z < 60)), large_in_place),
    "leaky: slope forgotten": setting(
        "slope",
        1.0,
        forward=lambda self, z: torch.where(z > 0, z, self.slope * z),
        backward=lambda self, grad, z, a: grad * 1,
    ),
    "draws from torch": drawing(lambda: torch.rand(1)),
    "draws from Python": drawing(random.random),
    "draws from numpy": drawing(numpy.random.rand),
    "default dtype": drawing(lambda: torch.set_default_dtype(torch.float64)),
    "threads": drawing(lambda: torch.set_num_threads(torch.get_num_threads() % 2 + 1)),
    "grad mode": drawing(lambda: torch.set_grad_enabled(False)),
    "outputs: unknown": activation(lambda self, grad, z, a: grad * (z > 0), outputs="positive"),
    "mse: remembers the last": mse(__call__=last_prediction),
    "log cosh: overflows": mse(__call__=lambda self, p, y: ((p - y).cosh().log().mean(1), (p - y).tanh() / p.shape[1])),
    "task: unknown": mse(task="ranking"),
    "loss outputs: unknown": mse(outputs="positive"),
    "head: unknown": mse(head="nothing"),
    "metric: unknown": mse(metric="nothing"),
    "relu layer: 5 at the kink": relu_layer(5.0),
    "layer: rows coupled": relu_layer(
        forward=lambda self, params, x, rng=None: (x - x.mean(0), x),
        backward=lambda self, params, saved, grad: (grad - grad.mean(0), {}),
    ),
    "layer: no rows": relu_layer(forward=lambda self, params, x, rng=None: (x.relu() + 0 * x.max(), x)),
    "dense: wrong in float32": dense(backward=dense_in_single),
    "dense: nothing saved": dense(forward=nothing_saved, backward=from_the_last),
    "mse: half": mse(0.5),
    "mse: sign": mse(-1.0),
    "mse: mean over all": mse(__call__=lambda self, p, y: (((p - y) ** 2).mean(), 2 * (p - y))),
    "mse: over n": mse(__call__=lambda self, p, y: (((p - y) ** 2).mean(1), 2 * (p - y) / p.shape[1] / len(p))),
    "mse: not over k": mse(__call__=lambda self, p, y: (((p - y) ** 2).mean(1), 2 * (p - y))),
    "mae: 2 where equal": mse(__call__=lambda self, p, y: ((p - y).abs().sum(1), (p - y).sign() + 2.0 * (p == y))),
    "log: inf at 0": mse(__call__=lambda self, p, y: (-(y * p.log()).sum(1), -y / p), outputs="unit", task="binary"),
    "fused: other numbers": mse(fused=lambda self, z, y: (((z - y) ** 2).mean(1), z - y), head="identity"),
    "fused_values: other numbers": mse(
        fused=lambda self, z, y: (((z - y) ** 2).mean(1), 2 * (z - y) / 3),
        fused_values=lambda self, z, y: (z - y).abs().mean(1),
        head="identity",
    ),
    "dense: no dx": dense(
        backward=lambda self, params, saved, grad: (0 * saved, {"W": saved.t() @ grad, "b": grad.sum(0)})
    ),
    "dense: b by mean": dense(
        backward=lambda self, params, saved, grad: (grad @ params["W"].t(), {"W": saved.t() @ grad, "b": grad.mean(0)})
    ),
    "dense: b forgotten": dense(
        backward=lambda self, params, saved, grad: (grad @ params["W"].t(), {"W": saved.t() @ grad})
    ),
    "dense: shape": dense(
        build=lambda self, in_shape, rng: ({"W": torch.randn(*in_shape, 2, generator=rng), "b": torch.zeros(2)}, (3,))
    ),
    "dense: global random": dense(
        build=lambda self, in_shape, rng: ({"W": torch.randn(*in_shape, 2), "b": torch.zeros(2)}, (2,))
    ),
    "dense: noise in evaluation": dense(
        forward=lambda self, params, x, rng=None: (
            x @ params["W"] + torch.rand(2, generator=rng) if rng is None else x @ params["W"],
            x,
        )
    ),
    "dense: param_grads differ": dense(
        param_grads=lambda self, params, saved, grad: {"W": saved.t() @ grad * 2, "b": grad.sum(0)}
    ),
    "metric: mean of batches": wrong(
        Metric, tally=lambda self, p, y: (p != y).double().mean()[None], score=lambda self, t: float(t[0])
    ),
    "metric: direction": wrong(
        Metric,
        tally=lambda self, p, y: torch.stack([(p - y).abs().sum(), torch.tensor(1.0 * len(p))]).double(),
        score=lambda self, t: float(t[0] / t[1]),
    ),
    "metric: a tensor": wrong(
        Metric, tally=lambda self, p, y: torch.tensor([1.0 * len(p)]), score=lambda self, t: t[0]
    ),
    "sgd: uphill": wrong(Optimizer, **START, step=lambda self, params, grads, state, alpha: params.add_(alpha * grads)),
    "sgd: not in place": wrong(
        Optimizer, **START, step=lambda self, params, grads, state, alpha: params - alpha * grads
    ),
    "sgd: grads scaled in place": wrong(
        Optimizer, **START, step=lambda self, params, grads, state, alpha: params.sub_(grads.mul_(alpha))
    ),
    "sgd: hidden state": wrong(Optimizer, **START, step=hidden_state),
    "sgd: normalized, nan at 0": wrong(
        Optimizer, **START, step=lambda self, params, grads, state, alpha: params.sub_(alpha * grads / grads.abs())
    ),
    "sgd: alpha ignored": wrong(
        Optimizer, **START, step=lambda self, params, grads, state, alpha: params.sub_(0.01 * grads)
    ),
    "sgd: first half only": wrong(
        Optimizer,
        **START,
        step=lambda self, params, grads, state, alpha: params[: (len(params) + 1) // 2].sub_(
            alpha * grads[: (len(params) + 1) // 2]
        ),
    ),
    "metric: constant": share(lambda right: right[:, 0] >= 0),
    "metric: float16": share(lambda right: right.all(1), torch.float16),
    "metric: float32": share(lambda right: right.all(1), torch.float32),
    "metric: first column": share(lambda right: right[:, 0]),
    "metric: tasks a word": share(lambda right: right.all(1), tasks="regression"),
    "metric: tasks unknown": share(lambda right: right.all(1), tasks=("ranking",)),
    "metric: outputs unknown": share(lambda right: right.all(1), outputs="probability"),
    "metric: one score for all classes": wrong(F1, by_class=lambda self, t: F1.by_class(self, t).mean()[None]),
    "metric: every class scores as all": wrong(F1, by_class=lambda self, t: F1.by_class(self, t).mean().expand(3)),
    "metric: no mistake with a class": wrong(F1, by_class=lambda self, t: torch.ones(3)),
    "initializer: seed of its own": wrong(
        Initializer,
        __call__=lambda self, shape, fan_in, fan_out, rng: torch.randn(
            shape, generator=torch.Generator().manual_seed(0)
        ),
    ),
    "initializer: requires grad": wrong(
        Initializer,
        __call__=lambda self, shape, fan_in, fan_out, rng: torch.randn(shape, generator=rng).requires_grad_(),
    ),
    "initializer: numpy": wrong(
        Initializer, __call__=lambda self, shape, fan_in, fan_out, rng: torch.full(shape, numpy.random.rand()).round()
    ),
    "initializer: matrices only": wrong(
        Initializer, __call__=lambda self, shape, fan_in, fan_out, rng: torch.randn(shape[0], shape[1], generator=rng)
    ),
    "initializer: global random": wrong(
        Initializer, __call__=lambda self, shape, fan_in, fan_out, rng: torch.randn(shape)
    ),
    "initializer: shape": wrong(
        Initializer, __call__=lambda self, shape, fan_in, fan_out, rng: torch.zeros(shape[::-1])
    ),
    "initializer: float64": wrong(
        Initializer, __call__=lambda self, shape, fan_in, fan_out, rng: torch.zeros(shape).double()
    ),
    "initializer: inf": wrong(
        Initializer, __call__=lambda self, shape, fan_in, fan_out, rng: torch.zeros(shape) / (fan_in - fan_out)
    ),
    "schedule: negative": wrong(Schedule, __call__=lambda self, done: 0.99 - done),
    "schedule: inf at the end": wrong(Schedule, __call__=lambda self, done: 1 / (1 - done) if done < 1 else math.inf),
    "schedule: nan": wrong(Schedule, __call__=lambda self, done: math.nan if done == 0.5 else 1.0),
    "schedule: a tensor": wrong(Schedule, __call__=lambda self, done: torch.tensor(1.0 - done)),
    "schedule: nothing": wrong(Schedule, __call__=lambda self, done: 0.0),
    "schedule: hidden state": wrong(
        Schedule, __call__=lambda self, done, seen=[1.0]: seen.append(0.999 * seen[-1]) or seen[-1]
    ),
}


@pytest.fixture
def registered():
    """registered(component): known as `wrong` in a registry of its own."""
    with registry.using(registry.Registry()) as mine:
        yield lambda component: mine.kinds[component.kind].register("wrong", component)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_every_mutant_is_found(registered, mutant):
    registered(mutant)
    with pytest.raises(BrokenPromise, match=rf"^{mutant.kind} wrong: "):
        check("wrong", mutant.kind)


RIGHT = {
    "relu": activation(lambda self, grad, z, a: grad * (z > 0)),
    "relu, 1 at the kink": activation(lambda self, grad, z, a: grad * (z >= 0)),
    "tanh": activation(lambda self, grad, z, a: grad * (1 - a * a), tanh),
    "squared relu": setting(
        "scale", 1.0, forward=squared_relu, backward=lambda self, grad, z, a: grad * 2 * self.scale * torch.relu(z)
    ),
    "sinh": activation(lambda self, grad, z, a: grad * z.cosh(), lambda self, z: z.sinh()),
    "tanhshrink": activation(lambda self, grad, z, a: grad * z.tanh() ** 2, lambda self, z: z - z.tanh()),
    "exp": activation(lambda self, grad, z, a: grad * a, lambda self, z: z.exp()),
    "relu layer": relu_layer(),
    "mse": mse(),
    "dense": dense(),
    "share of equal rows": share(lambda right: right.all(1)),
    "share, in integers": share(lambda right: right.all(1), torch.int64),
    "sign": wrong(Optimizer, **START, step=lambda self, params, grads, state, alpha: params.sub_(alpha * grads.sign())),
    "identity matrix": wrong(
        Initializer,
        __call__=lambda self, shape, fan_in, fan_out, rng: torch.eye(shape[0], math.prod(shape[1:])).reshape(shape),
    ),
    "straight line": wrong(Schedule, __call__=lambda self, done: 1.0 - done),
}


@pytest.mark.parametrize("component", RIGHT.values(), ids=RIGHT)
def test_the_same_without_the_mutation_is_not(registered, component):
    registered(component)
    check("wrong", component.kind)


def test_a_broken_promise_shows_the_smallest_input_that_breaks_it(registered):
    registered(MUTANTS["relu: 2 at the kink"])
    message = examine("activation", "wrong").broken
    assert (
        message.startswith("Wrong(): derivative: got [[")
        and "z = torch.tensor([[0.0]], dtype=torch.float64)" in message
    )


def test_an_exception_is_a_broken_promise(registered):
    registered(activation(lambda self, grad, z, a: 1 / 0))
    with pytest.raises(BrokenPromise, match=r"Wrong\(\) raises ZeroDivisionError: division by zero"):
        check("wrong")


def test_check_takes_names_text_classes_and_instances_and_refuses_the_rest():
    leaky = registry.activations["leaky_relu"]
    assert [
        r.settings for r in (*check("leaky_relu"), *check("leaky_relu:slope=0.3"), *check(leaky), *check(leaky(0.2)))
    ] == [3, 1, 3, 1]
    assert {report.kind for report in check("mean_squared_error")} == {"loss", "metric"}
    with pytest.raises(UnknownComponent, match="check: no component is called 'nothing'"):
        check("nothing")
    with pytest.raises(NetkitError, match="check: a component or its name is needed, got 7"):
        check(7)
