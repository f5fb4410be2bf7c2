"""The planned step against the engine as it reads: the same numbers for every component, size, dtype and memory order."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netkit import Activation, DataError, Dense, Model, SettingError, ShapeError, registry, spec
from netkit.engine.network import loss_gradient
from netkit.engine.program import operations
from netkit.engine.program.operations import bind, described, macs, rounded
from netkit.engine.program.plan import Plan, plans_of, slots_for
from netkit.engine.program.predict import predictor
from netkit.engine.rows import Rows
from netkit.kinds import KINDS
from netkit.testing import BrokenPromise, check
from netkit.testing.layers import built


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def target_for(loss, n, k):
    if loss.task == "multiclass":
        return torch.nn.functional.one_hot(torch.randint(k, (n,), generator=rng(5)), k).double()
    y = torch.randn(n, k, generator=rng(5), dtype=torch.float64)
    return (y > 0).double() if loss.task == "binary" else y


def both(layers, loss, n=37, width=5, batch=8, dtype="float64", epochs=2, **options):
    """The weights after training with the plan and without, and the histories."""
    loss = spec.make("loss", loss)
    x = torch.randn(n, width, generator=rng(4), dtype=torch.float64)
    models = [Model(layers, loss, seed=3, dtype=dtype) for _ in range(2)]
    k = models[0].build((width,)).out_shape[0]
    histories = [
        model.fit(x, target_for(loss, n, k), batch, epochs=epochs, metrics=[], progress=False, plan=plan, **options)
        for model, plan in zip(models, (True, False))
    ]
    return [model.network.params for model in models], histories


def agree(layers, loss, **options):
    (planned, plain), histories = both(layers, loss, **options)
    close = (
        {"rtol": 1e-9, "atol": 1e-10} if options.get("dtype", "float64") == "float64" else {"rtol": 2e-4, "atol": 2e-5}
    )
    torch.testing.assert_close(planned, plain, **close)
    for one, two in zip(*histories):
        assert one.loss == pytest.approx(two.loss, rel=1e-9 if close["rtol"] < 1e-6 else 1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in KINDS
        for name in registry.current().kinds[kind]
        if kind in ("activation", "layer", "loss", "optimizer", "schedule")
    ],
)
def test_every_component_trains_the_same_both_ways(kind, name, dtype):
    for example in registry.current().kinds[kind][name].examples():
        layers = [{"type": "dense", "units": 6, "activation": "tanh"}, {"type": "dense", "units": 3}]
        loss, options = "mean_squared_error", {"optimizer": "sgd"}
        if kind == "activation":
            layers = [
                {"type": "dense", "units": 6, "activation": example},
                {"type": "dense", "units": 3, "activation": example},
            ]
        elif kind == "layer":
            if example.in_shape not in (None, (4,)) or getattr(example, "module", "") == "Sequential":
                example = type(example)("Linear(4, 3)") if hasattr(example, "module") else example
            _, x, out_shape = built(example)
            shape = tuple(x.shape[1:])
            before = [{"type": "dense", "units": math.prod(shape), "activation": "tanh"}]
            before += [{"type": "reshape", "shape": shape}] if len(shape) > 1 else []
            layers = [*before, example, *(["flatten"] if len(out_shape) > 1 else []), {"type": "dense", "units": 3}]
        elif kind == "loss":
            loss, layers[1] = example, {"type": "dense", "units": 3, "activation": example.head or "identity"}
        else:
            options[kind] = example
        agree(layers, loss, dtype=dtype, **options)


@settings(max_examples=40, deadline=None)
@given(
    units=st.lists(st.integers(1, 40), min_size=0, max_size=3),
    bias=st.booleans(),
    n=st.integers(1, 50),
    batch=st.integers(1, 60),
    names=st.lists(
        st.sampled_from(["relu", "tanh", "sigmoid", "gelu", "identity", "leaky_relu"]), min_size=3, max_size=3
    ),
    loss=st.sampled_from(["mean_squared_error", "binary_cross_entropy", "categorical_cross_entropy", "huber", "hinge"]),
    between=st.sampled_from([[], ["dropout"], ["layer_norm"], [{"type": "activate", "activation": "tanh"}]]),
    k=st.integers(2, 20),
)
def test_random_networks_train_the_same_both_ways(units, bias, n, batch, names, loss, between, k):
    head = spec.make("loss", loss).head
    layers = [{"type": "dense", "units": u, "activation": name, "bias": bias} for u, name in zip(units, names)]
    agree(
        [*layers, *between, {"type": "dense", "units": k, "activation": head}], loss, n=n, batch=batch, optimizer="adam"
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_layers_and_every_route_of_a_product(dtype, monkeypatch):
    layers = [
        {"type": "dense", "units": 200, "activation": "relu"},
        {"type": "dense", "units": 7, "activation": "softmax"},
    ]
    for pays in (True, False):
        monkeypatch.setattr(operations, "onednn_pays", lambda pays=pays: pays)
        agree(layers, "categorical_cross_entropy", n=300, width=110, batch=90, dtype=dtype, epochs=1)
    assert torch.get_float32_matmul_precision() == "highest"


def test_bfloat16_is_asked_for_and_right_to_three_digits():
    x, y = torch.randn(256, 200, generator=rng()), torch.arange(256) % 3
    weights = {}
    for precision in ("float32", "bfloat16"):
        model = Model([Dense(200, 128, "tanh"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
        start = model.network.params.clone()
        model.fit(x, y, batch=64, epochs=1, alpha=0.1, progress=False, precision=precision)
        weights[precision] = model.network.params - start
        routes = {described(call)[0] for call in Plan(model.network, model.loss, 64).steps[0]}
        assert "bfloat16" not in routes
    off = (weights["bfloat16"] - weights["float32"]).norm() / weights["float32"].norm()
    assert 1e-5 < off < 2e-2
    with rounded("bfloat16"):
        lines = list(Plan(model.network, model.loss, 64).describe())
    assert lines[0] == "bfloat16 mm 128x200, 200x64 -> 128x64"
    with pytest.raises(SettingError, match="^precision: float32 or bfloat16 is needed, got 'int8'$"):
        model.fit(x, y, precision="int8")


@pytest.mark.parametrize("n", [1, 2, 37, 1000])
@pytest.mark.parametrize("head", [None, "identity", "softmax", "sigmoid", "gelu"])
@pytest.mark.parametrize("between", [[], ["layer_norm"], ["dropout"]])
def test_bound_prediction_is_the_forward_pass(n, head, between, monkeypatch):
    monkeypatch.setattr("netkit.engine.program.predict.BLOCK", 3000)
    model = Model([Dense(5, 30, "relu"), *between, Dense(units=4, activation=head)], "mean_squared_error")
    x = torch.randn(n, 5, generator=rng())
    wanted = model.network.forward(x).output
    for _ in range(3):
        found = model.forward(x)
        torch.testing.assert_close(found, wanted)
        assert found.is_contiguous()
        found.zero_()  # what was returned is the caller's
    logits = torch.cat([z.clone() for _, z, _ in predictor(model.network).outputs(Rows(x, x))])
    torch.testing.assert_close(logits, model.network.forward(x, logits=True).output)


def test_a_row_alone_is_checked_like_any_other():
    model = Model([Dense(2, 3, "relu"), Dense(units=2, activation="softmax")], "categorical_cross_entropy")
    good = model.predict(torch.ones(1, 2))
    for bad, message in (([[math.nan, 1.0]], "row 0 holds nan"), ([[1.0, -math.inf]], "row 0 holds -inf")):
        with pytest.raises(DataError, match=message):
            model.predict(torch.tensor(bad))
    with pytest.raises(ShapeError, match=r"rows of shape \(n, 2\) are needed, got \(1, 3\)"):
        model.predict(torch.ones(1, 3))
    assert model.predict(torch.full((1, 2), 1e30)).shape == (1, 2)
    for same in (torch.ones(1, 2, dtype=torch.float64), torch.ones(1, 2, requires_grad=True), [[1, 1]]):
        assert torch.equal(model.predict(same), good) and not model.predict(same).requires_grad
    model.parameters()["1.W"].zero_()
    torch.testing.assert_close(model.predict(torch.ones(1, 2)), torch.full((1, 2), 0.5))


def test_targets_that_do_not_add_up_to_one_take_the_form_that_can_do_them():
    layers = [Dense(3, 8, "relu"), Dense(units=3, activation="softmax")]
    x, y = torch.randn(20, 3, generator=rng()), torch.rand(20, 3, generator=rng(1))
    models = [Model(layers, "categorical_cross_entropy") for _ in range(2)]
    for model, plan in zip(models, (True, False)):
        model.fit(x, y, epochs=3, batch=6, alpha=0.1, progress=False, plan=plan)
    torch.testing.assert_close(models[0].network.params, models[1].network.params)


def test_the_plan_fills_the_same_gradients_and_a_step_allocates_nothing():
    model = Model([Dense(4, 32, "relu"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
    x, y = torch.randn(24, 4, generator=rng()), torch.eye(3)[torch.arange(24) % 3]
    plan = Plan(model.network, model.loss, 8, slots=3, simplex=True)
    assert plan.inference and plan.fill(Rows(x, y), slice(0, 24)) == 3
    for slot in (2, 0, 1):
        plan.learn(slot)
        found = {name: each.clone() for name, each in model.network.gradients().items()}
        trace = model.network.forward(x[8 * slot : 8 * slot + 8], logits=True)
        values, gradient = loss_gradient(model.loss, True, trace.output, y[8 * slot : 8 * slot + 8])
        model.network.backward(trace, gradient / 8, logits=True)
        torch.testing.assert_close(found, model.network.gradients(), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(plan.losses(slot + 1)[-8:] if slot == 2 else values, values)
    with torch.profiler.profile(profile_memory=True) as seen:
        plan.learn(0)
    assert not [event for event in seen.events() if event.name == "[memory]" or event.cpu_memory_usage > 0]


def test_the_column_of_ones_stays_ones():
    model = Model([Dense(4, 32, "relu"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
    plan = Plan(model.network, model.loss, 8, slots=2, simplex=True)
    for seed in range(3):
        plan.fill(Rows(torch.randn(16, 4, generator=rng(seed)), torch.eye(3)[torch.arange(16) % 3]), slice(0, 16))
        plan.learn(0)
        assert bool((plan._x_with_ones[:, -1] == 1).all() & (plan._after[0].a_with_ones[:, -1] == 1).all())


def test_a_trace_from_before_a_planned_epoch_is_refused():
    from netkit import NetkitError

    model = Model([Dense(4, 32, "relu"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
    x = torch.randn(8, 4)
    trace = model.network.forward(x)
    model.fit(x, torch.arange(8) % 3, epochs=1, progress=False)
    with pytest.raises(NetkitError, match="the parameters have changed"):
        model.network.backward(trace, torch.ones(8, 3))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_trained_model_is_a_model_of_its_own(copied):
    x, y = torch.randn(30, 4, generator=rng()), torch.arange(30) % 3
    models = [
        Model([Dense(4, 32, "relu"), "dropout", Dense(units=3, activation="softmax")], "categorical_cross_entropy")
        for _ in range(2)
    ]
    for model in models:
        model.fit(x, y, epochs=2, batch=8, progress=False)
        model.predict(x[:1])
    try:
        twin = copied(models[0])
    except TypeError:
        pytest.skip("torch's generators cannot be pickled here")
    before = models[0].network.params.clone()
    for each in (twin, models[1]):
        each.fit(x, y, epochs=2, batch=8, progress=False)
    assert torch.equal(twin.network.params, models[1].network.params) and torch.equal(models[0].network.params, before)
    assert torch.equal(twin.predict(x[:1]), models[1].predict(x[:1]))
    assert torch.equal(twin.parameters()["0.W"].flatten(), models[1].parameters()["0.W"].flatten())


def test_fit_epoch_by_epoch_binds_once_and_is_the_same():
    x, y = torch.randn(30, 4, generator=rng()), torch.arange(30) % 3
    one, many = (
        Model([Dense(4, 32, "relu"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
        for _ in range(2)
    )
    one.fit(x, y, epochs=3, batch=8, progress=False)
    plans = None
    for _ in range(3):
        many.fit(x, y, epochs=1, batch=8, progress=False)
        plans = plans or list(plans_of(many.network).values())
    assert torch.equal(one.network.params, many.network.params) and plans == list(plans_of(many.network).values())
    for batch in range(1, 9):
        many.fit(x, y, epochs=1, batch=batch, progress=False)
    assert len(plans_of(many.network)) <= 4


def test_what_is_bound_to_a_network_dies_with_it():
    model = Model([Dense(4, 32, "relu"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
    model.fit(torch.randn(30, 4, generator=rng()), torch.arange(30) % 3, epochs=1, batch=8, progress=False)
    model.predict(torch.zeros(1, 4)), model.predict(torch.zeros(9, 4))
    bound = [*plans_of(model.network).values(), predictor(model.network), model.network]
    assert len(bound) == 4 and predictor(model.network) is bound[2]
    alive = [weakref.ref(each) for each in bound]
    del bound, model
    gc.collect()
    assert not any(each() for each in alive)


def test_threads_predict_at_once_each_in_its_own_memory():
    model = Model([Dense(4, 200, "tanh"), Dense(units=3, activation="softmax")], "categorical_cross_entropy")
    inputs = [torch.randn(n, 4, generator=rng(n)) for n in (1, 1, 1, 50, 50, 300)]
    wanted = [model.forward(x).clone() for x in inputs]

    def same(number):
        return all(torch.equal(model.forward(inputs[number]), wanted[number]) for _ in range(100))

    with ThreadPoolExecutor(len(inputs)) as pool:
        assert all(pool.map(same, range(len(inputs))))
        assert predictor(model.network) is not pool.submit(predictor, model.network).result()


def test_chunks_are_bounded_in_memory():
    wide = Model([Dense(10_000, 3, "relu"), Dense(units=3)], "mean_squared_error").network
    assert slots_for(wide, 1) == 64 and slots_for(wide, 100) == 1 and slots_for(wide, 10**9) == 1


@pytest.mark.parametrize("operation", [torch.mul, torch.sub, torch.add, torch.sign, torch.mm])
@pytest.mark.parametrize("size", [1, 3, 70])
def test_a_bound_operation_is_the_operation(operation, size):
    count = 1 if operation is torch.sign else 2
    for turned in (False, True):
        operands = [torch.randn(size, size, generator=rng(i)) for i in range(count)]
        out = torch.empty(size, size).t() if turned else torch.empty(size, size)
        call = bind(operation, *operands, out=out)
        for _ in range(2):
            call()
            torch.testing.assert_close(out, operation(*operands))
            operands[0].mul_(2)
        route, what = described(call)
        assert (
            route in ("numpy", "torch")
            and what.startswith(f"{operation.__name__} ")
            and what.endswith((f"-> {size}x{size}", f"-> {size**2}"))
        )
        assert macs(call) == (size**3 if operation is torch.mm else 0)


def test_a_plan_describes_its_calls():
    model = Model([Dense(30, 128, "relu"), Dense(units=2, activation="softmax")], "categorical_cross_entropy")
    lines = list(Plan(model.network, model.loss, 64, slots=2, simplex=True).describe())
    assert lines[0] == "numpy   mm 128x31, 31x64 -> 128x64" and "64 rows a step, 2 steps a chunk, 1 thread" in lines[-1]


def test_describe_shows_the_plan_of_a_saved_model(cli, tmp_path):
    model = Model([Dense(4, 32, "relu"), "dropout", Dense(units=3, activation="softmax")], "categorical_cross_entropy")
    model.save(tmp_path / "m.netkit")
    code, out, _ = cli("describe", "m.netkit", "--plan", "--batch", 8)
    lines = out.splitlines()
    assert (
        code == 0
        and lines[0] == "numpy   mm 8x5, 5x32 -> 8x32"
        and any(line.startswith("plain   layer_forward") for line in lines)
    )
    assert lines[-1].startswith("8 rows a step, 64 steps a chunk, 1 thread, ")
    values = 512 * 5 + 2 * 512 * 3 + 3 * 8 * 32 + 8 * 33 + 8 * 32 + 8 * 3 * 3
    assert abs(int(lines[-1].split()[-4]) - 4 * values) < 0.1 * 4 * values


def broken(base, **methods):
    return dataclass(frozen=True)(
        type(
            "Wrong",
            (
                registry.activations[base]
                if base in registry.activations
                else registry.losses[base]
                if base in registry.losses
                else registry.layers[base]
                if base in registry.layers
                else registry.optimizers[base],
            ),
            {"__doc__": "Wrong.", **methods},
        )
    )


def _off(self, *tensors):
    calls = super(type(self), self).bind_gradient(*tensors)
    return [*calls, lambda: tensors[2].mul_(1.01)]


MUTANTS = {
    "relu: ignores negative": broken("relu", bind_forward=lambda self, z, a: [lambda: a.copy_(z)]),
    "relu: slope 1": broken("relu", bind_backward=lambda self, grad, z, a, dz: []),
    "relu: works once": broken(
        "relu", bind_forward=lambda self, z, a: [lambda kept=z.clone(): a.copy_(kept.clamp_min(0))]
    ),
    "tanh: not in place": broken(
        "tanh", bind_backward=lambda self, grad, z, a, dz: [lambda: dz.copy_(grad * (1 - torch.tanh(z) ** 2))]
    ),
    "sigmoid: wrong in float32 only": broken(
        "sigmoid",
        bind_forward=lambda self, z, a: [
            lambda: a.copy_(torch.sigmoid(z.to(torch.bfloat16) if z.dtype == torch.float32 else z))
        ],
    ),
    "softmax: wrong when transposed": broken(
        "softmax", bind_forward=lambda self, z, a: [lambda: a.t().copy_(torch.softmax(z.t(), -1))]
    ),
    "loss: one percent off": broken("mean_squared_error", bind_gradient=_off),
    "loss: scale left out": broken(
        "binary_cross_entropy",
        bind_gradient=lambda self, z, y, g, scale: [lambda: g.copy_((torch.sigmoid(z) - y) / z.shape[1])],
    ),
    "optimizer: forgets alpha": broken(
        "sgd", bind_step=lambda self, params, grads, state: lambda alpha: params.sub_(grads, alpha=0.01)
    ),
    "optimizer: no decay": broken(
        "adamw",
        bind_step=lambda self, params, grads, state: registry.optimizers["adam"]().bind_step(params, grads, state),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_bound_form_that_differs_is_found(mutant):
    with registry.using(registry.Registry()) as mine:
        component = MUTANTS[mutant]
        mine.kinds[component.kind].register("wrong", component)
        with pytest.raises(BrokenPromise, match="bind_"):
            check("wrong", component.kind)


def test_dense_bound_forms_are_held_too():
    dense = registry.layers["dense"]

    def forward(self, params, x, y):
        return dense.bind_forward(self, params, x, y)[:1] if not self.ones(params) else [lambda: y.zero_()]

    wrong = dataclass(frozen=True)(type("Wrong", (dense,), {"__doc__": "Wrong.", "bind_forward": forward}))
    with registry.using(registry.Registry()) as mine:
        mine.layers.register("wrong", wrong)
        with pytest.raises(BrokenPromise, match="bind_forward"):
            check("wrong")


def test_a_plain_activation_of_a_stranger_runs_inside_the_plan():
    @dataclass(frozen=True)
    class Swish(Activation):
        """z sigmoid(beta z)."""

        beta: float = 1.0

        def forward(self, z: Tensor) -> Tensor:
            return z * torch.sigmoid(self.beta * z)

        def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
            s = torch.sigmoid(self.beta * z)
            return grad * (s + self.beta * z * s * (1 - s))

    assert not [field.name for field in fields(Swish) if field.name.startswith("bind")]
    agree([Dense(5, 9, Swish(1.5)), Dense(units=4, activation="softmax")], "categorical_cross_entropy")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.01)),
        ("sgd:momentum=0.9", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
        (
            "sgd:momentum=0.9,nesterov=true,weight_decay=0.1",
            lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
        ),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.01)),
        ("adam:weight_decay=0.1", lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.01)),
    ],
)
def test_bound_optimizers_are_torchs_over_a_hundred_steps(name, theirs, dtype):
    mine, grads = torch.randn(300, generator=rng(), dtype=dtype), torch.empty(300, dtype=dtype)
    other = mine.clone().requires_grad_()
    optimizer = spec.make("optimizer", name)
    step, reference = optimizer.bind_step(mine, grads, optimizer.start(mine)), theirs([other])
    for number in range(100):
        grads.copy_(torch.randn(300, generator=rng(number), dtype=dtype) + other.detach())
        other.grad = grads.clone()
        step(0.01)
        reference.step()
    assert float((mine - other.detach()).norm() / mine.norm()) < 1e-6


def test_a_class_that_changes_the_readable_form_does_not_inherit_the_fast_ones():
    relu, bce, dense, adam = (
        registry.current().kinds[kind][name]
        for kind, name in (
            ("activation", "relu"),
            ("loss", "binary_cross_entropy"),
            ("layer", "dense"),
            ("optimizer", "adam"),
        )
    )

    @dataclass(frozen=True)
    class Doubled(relu):
        """2 max(0, z)."""

        def forward(self, z):
            return 2 * super().forward(z)

        def backward(self, grad, z, a):
            return 2 * super().backward(grad, z, a)

    @dataclass(frozen=True)
    class Halved(bce):
        """Half of it."""

        def __call__(self, prediction, target):
            values, gradient = super().__call__(prediction, target)
            return values / 2, gradient / 2

    @dataclass(frozen=True)
    class Thirded(bce):
        """A third of it on logits."""

        def fused(self, z, target):
            values, gradient = super().fused(z, target)
            return values / 3, gradient / 3

    @dataclass(frozen=True)
    class Renamed(relu):
        """The same by another name."""

    assert Halved.fused_values is None and Thirded.fused_values is None and bce.fused_values
    assert (
        Doubled.bind_forward is None
        and Doubled.bind_backward is None
        and Halved.fused is None
        and Halved.bind_gradient is None
    )
    assert (
        Renamed.bind_forward is relu.bind_forward
        and relu.bind_forward
        and bce.fused
        and dense.bind_backward
        and adam.bind_step
    )
    agree([Dense(5, 9, Doubled()), Dense(units=3, activation="sigmoid")], Halved())
    agree([Dense(5, 9, Doubled()), Dense(units=3, activation="sigmoid")], Thirded())


def test_a_route_that_rounds_or_does_not_pay_is_not_taken(monkeypatch):
    def rounds(a, b, out):
        out.copy_((a.bfloat16() @ b.bfloat16()).float())

    def sleeps(a, b, out):
        time.sleep(0.01)
        torch.mm(a, b, out=out)

    for route in (rounds, sleeps):
        monkeypatch.setattr(operations, "_strict", route)
        assert operations.onednn_pays.__wrapped__() is False


def test_the_switch_of_the_route_is_put_back_whatever_happens():
    with pytest.raises(RuntimeError):
        operations._strict(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 2))
    assert torch.get_float32_matmul_precision() == "highest"
    before = torch.get_num_threads()
    with pytest.raises(ValueError), operations.running(1):
        assert torch.get_num_threads() == 1
        raise ValueError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("n", [1, 50])
def test_several_threads_may_predict_at_once(n):
    from concurrent.futures import ThreadPoolExecutor

    model = Model([Dense(40, 200, "relu"), Dense(units=40, activation="softmax")], "categorical_cross_entropy")
    inputs = [torch.randn(n, 40, generator=rng(seed)) for seed in range(8)]
    wanted = [model.predict(x) for x in inputs]

    def repeat(number):
        return all(torch.equal(model.predict(inputs[number]), wanted[number]) for _ in range(300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(repeat, range(8)))
