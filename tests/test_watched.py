"""Readable forms bound by watching them once: the same bits, without the component's code, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit import Activation, Dense, Model, registry
from netkit.engine.program.buffers import is_operation
from netkit.engine.program.operations import bind, described, running
from netkit.engine.program.plan import Plan
from netkit.engine.program.record import ELEMENTWISE, record
from netkit.engine.rows import Rows

UNARY = ["abs", "exp", "tanh", "sigmoid", "neg", "sqrt", "square", "log1p", "erf", "sign", "reciprocal"]
BINARY = ["__add__", "__sub__", "__mul__", "__truediv__", "maximum", "minimum"]
NUMBERS = st.floats(-3, 3, allow_nan=False).filter(bool)


def expressions():
    leaves = st.one_of(
        st.sampled_from(["x", "y"]), st.builds(lambda n: ("like", n), st.sampled_from(["zeros_like", "ones_like"]))
    )

    def grown(inner):
        return st.one_of(
            st.tuples(st.sampled_from(UNARY), inner),
            st.tuples(st.sampled_from(BINARY), inner, inner),
            st.tuples(st.sampled_from(["__mul__", "__rsub__", "__rtruediv__", "__add__", "clamp_min"]), inner, NUMBERS),
            st.tuples(st.just("where"), inner, inner, inner),
            st.tuples(st.just("clamp"), inner),
        )

    return st.recursive(leaves, grown, max_leaves=8)


def value(expression, x, y):
    if isinstance(expression, float):
        return expression
    if isinstance(expression, str):
        return {"x": x, "y": y}[expression]
    name, *operands = expression
    if name == "like":
        return getattr(torch, operands[0])(x)
    found = [value(each, x, y) for each in operands]
    if name == "where":
        return torch.where(found[0] > 0, found[1], found[2])
    return found[0].clamp(min=-1, max=2.5) if name == "clamp" else getattr(found[0], name)(*found[1:])


@settings(max_examples=200, deadline=None)
@given(
    expression=expressions(),
    n=st.integers(1, 5),
    k=st.integers(1, 4),
    turned=st.booleans(),
    over=st.sampled_from([None, 0, 1]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_what_is_bound_gives_the_same_bits_again_and_again(expression, n, k, turned, over, dtype, seed):
    new = lambda: torch.empty(k, n, dtype=dtype).t() if turned else torch.empty(n, k, dtype=dtype)  # noqa: E731
    inputs = [new(), new()]
    out = new() if over is None else inputs[over]
    calls = record(lambda x, y: value(expression, x, y), inputs, out)
    if calls is None:  # numpy has another sign of nan than torch, and another zero where 0 and -0 are compared
        assert any(f"'{name}'" in repr(expression) for name in ("sign", "maximum", "minimum"))
        return
    rng = torch.Generator().manual_seed(seed)
    for _ in range(3):
        for each in inputs:
            each.normal_(0, 2, generator=rng)
        wanted = value(expression, *inputs).clone()
        with running(None):
            for call in calls:
                call()
        torch.testing.assert_close(out, wanted, rtol=0, atol=0, equal_nan=True)


def looks(z):
    return z * 2 if z[0, 0] > 0 else z


def fickle(z, state=[0]):
    state[0] += 1
    return z * state[0]


def constant(z, kept=torch.ones(4, 3)):
    return z * kept


@pytest.mark.parametrize(
    "function",
    [
        looks,
        fickle,
        constant,
        lambda z: z - z.mean(),
        lambda z: z.clone().mul_(2),
        lambda z: z * torch.rand_like(z),
        lambda z: z * float(z.sum()),
        lambda z: torch.softmax(z, -1),
        lambda z: z.t(),
        lambda z: z > 0,
        lambda z: z[:2],
        lambda z: z / 0 * z.missing,
        lambda z: 1.0,
        lambda z: z.double().float(),
        lambda z: torch.from_numpy(z.numpy() * 2),
        lambda z: z * len(z.tolist()),
        lambda z: torch.zeros(4, 3),
    ],
)
def test_what_does_more_is_left_alone(function):
    assert record(function, [torch.empty(4, 3)], torch.empty(4, 3)) is None


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_every_elementwise_function_may_write_over_its_operands(name):
    x, y = torch.rand(7, 5) + 0.1, torch.rand(7, 5) + 0.2
    function = getattr(torch, name)
    tried = 0
    for operands in ([x], [x, y], [x > 0.5, x, y], [x, 0.5]):
        try:
            wanted = function(*operands)
        except (TypeError, RuntimeError, ValueError):
            continue
        if isinstance(wanted, tuple):  # torch.where of a condition alone
            continue
        places = [
            place
            for place, each in enumerate(operands)
            if isinstance(each, torch.Tensor) and each.dtype == wanted.dtype
        ]
        for place in places or [None]:
            given = [each.clone() if isinstance(each, torch.Tensor) else each for each in operands]
            out = torch.empty_like(wanted) if place is None else given[place]
            assert torch.equal(function(*given, out=out), wanted)
            tried += 1
    assert tried


@dataclass(frozen=True)
class Swish(Activation):
    """z sigmoid(beta z)."""

    beta: float = 1.0

    def forward(self, z):
        Swish.calls += 1
        return z * torch.sigmoid(self.beta * z)

    def backward(self, grad, z, a):
        Swish.calls += 1
        s = torch.sigmoid(self.beta * z)
        return grad * (s + self.beta * z * s * (1 - s))


def test_a_strangers_activation_runs_in_bound_calls_and_trains_to_the_same_numbers(monkeypatch):
    Swish.calls = 0
    x = torch.randn(70, 5, generator=torch.Generator().manual_seed(0))

    def trained(plan):
        model = Model(
            [Dense(inputdim=5, units=9, activation=Swish(1.5)), Dense(units=4, activation=Swish()), Dense(units=1)],
            "mean_squared_error",
        )
        model.fit(x, x.sum(1), batch=8, epochs=3, progress=False, plan=plan)
        return model

    model = trained(True)
    bound = Swish.calls
    torch.testing.assert_close(model.network.params, trained(False).network.params)
    assert bound < 130 < Swish.calls - bound
    plan = Plan(model.network, model.loss, 8)
    assert plan.inference and all(described(call)[0] in ("torch", "numpy") for call in plan.steps[0])
    seen = Swish.calls
    plan.fill(Rows(x, x.sum(1, keepdim=True)), slice(0, 8))
    plan.learn(0)
    assert Swish.calls == seen
    torch.testing.assert_close(model.predict(x)[:, 0], model.network.forward(x).output[:, 0])


def test_most_of_netkits_own_plain_activations_are_bound():
    left = []
    for name, kind in registry.activations.items():
        for activation in kind.examples():
            z, d = torch.empty(6, 4), torch.empty(6, 4)
            both = [
                record(activation.forward, [z], torch.empty(6, 4)),
                record(activation.backward, [d, z, torch.empty(6, 4)], d),
            ]
            if not activation.bind_forward and None in both:
                left.append(name)
            assert all(map(is_operation, [call for calls in both if calls for call in calls]))
    assert set(left) == {"gelu", "mish", "log_softmax"}


@pytest.mark.parametrize("dtype, whole", [(torch.float32, torch.int32), (torch.float64, torch.int64)])
@pytest.mark.parametrize("over", [None, "a", "b"])
def test_a_choice_gives_the_bits_of_where(dtype, whole, over):
    odd = torch.tensor([0.0, -0.0, 1.0, -2.5, float("inf"), -float("inf"), float("nan"), 1e-45], dtype=dtype)
    a, b = odd.repeat(8).view(8, 8), odd.repeat_interleave(8).view(8, 8)
    choice = (torch.arange(64) % 3 == 0).view(8, 8)
    for first, second in ((a.clone(), b.clone()), (a.t().contiguous().t(), 0.0), (1.5, b.t().contiguous().t())):
        tensors = {"a": first, "b": second}
        like = first if isinstance(first, torch.Tensor) else second
        out = tensors[over] if over and isinstance(tensors[over], torch.Tensor) else torch.empty_like(like)
        condition = torch.empty_like(like, dtype=torch.bool).copy_(choice)
        wanted = torch.where(choice, first, second).contiguous().view(whole)
        call = bind(torch.where, condition, first, second, out=out)
        assert described(call) == ("numpy", "where " + ", ".join(["64"] * 3) + " -> 64")
        call()
        assert torch.equal(out.contiguous().view(whole), wanted)
