"""The promises of `netkit.kinds`, held by every registered component with every setting in its examples."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from netkit import registry, spec

EXTREME = [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 17.0, -17.0, 90.0, -90.0, 1e4, -1e4, 1e30, -1e30, 3e38, -3e38]


def examples(kind):
    lookup = registry.current().kinds[kind]
    return [pytest.param(component, id=spec.text(spec.make(kind, component))) for name in lookup for component in lookup[name].examples()]


def every(kind):
    return pytest.mark.parametrize("component", examples(kind))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=rng(seed), dtype=dtype)


@pytest.mark.parametrize("kind", ["activation", "layer", "loss", "metric", "optimizer", "initializer"])
def test_settings_survive_text_and_tables(kind):
    for parameter in examples(kind):
        component = spec.make(kind, parameter.values[0])
        assert spec.make(kind, spec.text(component)) == component
        assert spec.make(kind, spec.table(component)) == component
        assert spec.make(kind, component) == component and hash(component) == hash(spec.make(kind, component))
        assert eval(repr(component), {type(c).__name__: type(c) for c in (component, *nested(component))}) == component
        assert type(component).__doc__.strip().partition("\n")[0].strip()


def nested(component):
    return [value for value in vars(component).values() if hasattr(value, "kind")]


@every("activation")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_keep_dtype_shape_inputs_and_rows(component, dtype):
    z, grad = rand(6, 4, dtype=dtype), rand(6, 4, seed=1, dtype=dtype)
    kept = z.clone(), grad.clone()
    a = component.forward(z)
    a_kept = a.clone()
    dz = component.backward(grad, z, a)
    assert a.dtype == dz.dtype == dtype and a.shape == dz.shape == z.shape
    assert torch.equal(z, kept[0]) and torch.equal(grad, kept[1]) and torch.equal(a, a_kept)
    torch.testing.assert_close(torch.cat([component.forward(row[None]) for row in z]), a)
    rows = [component.backward(g[None], row[None], it[None]) for g, row, it in zip(grad, z, a, strict=True)]
    torch.testing.assert_close(torch.cat(rows), dz)
    assert component.forward(z[:0]).shape == component.backward(grad[:0], z[:0], a[:0]).shape == (0, 4)
    turned = z.t().contiguous().t()
    torch.testing.assert_close(component.forward(turned), a)


@every("activation")
def test_activations_differentiate_as_finite_differences_say(component):
    z, grad, h = rand(50, 3) * 3, rand(50, 3, seed=1), 1e-6
    z = torch.where((z.abs() - 1).abs() < 1e-3, z + 0.01, z)
    dz = component.backward(grad, z, component.forward(z))
    for i in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[i] = h
        slope = (component.forward(z + step) - component.forward(z - step)) / (2 * h)
        torch.testing.assert_close(dz[:, i], (grad * slope).sum(1), rtol=1e-5, atol=1e-7)


@every("activation")
def test_activations_are_finite_at_extreme_inputs(component):
    z = torch.tensor(EXTREME).reshape(-1, 2).repeat(1, 2)
    a = component.forward(z)
    dz = component.backward(torch.ones_like(z), z, a)
    limit = torch.finfo(torch.float32).max
    assert bool((torch.isfinite(a) | (z.abs() > limit / 2)).all()) and bool(torch.isfinite(dz).all())
    if component.outputs != "real":
        assert bool(((a >= 0) & (a <= 1)).all())
    if component.outputs == "simplex":
        torch.testing.assert_close(a.sum(1), torch.ones(len(a)))


def judged(component, n=7, k=3, seed=0):
    """A prediction and a target that the loss can judge."""
    raw = rand(n, k, seed=seed)
    prediction = {"real": raw, "unit": torch.sigmoid(raw), "simplex": torch.softmax(raw, 1)}[component.outputs]
    if component.task == "multiclass":
        return prediction, F.one_hot(torch.randint(k, (n,), generator=rng(seed + 1)), k).double()
    target = rand(n, k, seed=seed + 1)
    return prediction, (target > 0).double() if component.task == "binary" else target


@every("loss")
def test_losses_give_a_value_a_row_and_the_gradient_of_their_sum(component):
    prediction, target = judged(component)
    kept = prediction.clone(), target.clone()
    values, gradient = component(prediction, target)
    assert values.shape == (7,) and gradient.shape == prediction.shape
    assert torch.equal(prediction, kept[0]) and torch.equal(target, kept[1])
    for i in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[i] = 1e-6
        slope = (component(prediction + step, target)[0] - component(prediction - step, target)[0]) / 2e-6
        torch.testing.assert_close(gradient[:, i], slope, rtol=1e-5, atol=1e-6)
    alone = [component(p[None], y[None]) for p, y in zip(prediction, target, strict=True)]
    torch.testing.assert_close(torch.cat([v for v, _ in alone]), values)
    torch.testing.assert_close(torch.cat([g for _, g in alone]), gradient)
    single = component(prediction.float(), target.float())
    assert single[0].dtype == single[1].dtype == torch.float32
    flat = component(prediction[:, :1], target[:, 0])
    assert flat[0].shape == (7,) and flat[1].shape == (7, 1)


@every("loss")
def test_losses_are_finite_at_the_edges(component):
    for dtype in (torch.float32, torch.float64):
        p = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=dtype)
        for y in (p, 1 - p):
            values, gradient = component(p, y)
            assert bool(torch.isfinite(values).all()) and bool(torch.isfinite(gradient).all())


@every("loss")
def test_fused_losses_equal_the_bare_ones_and_are_finite_at_any_logit(component):
    if component.fused is None:
        pytest.skip("has no fused form")
    head = spec.make("activation", component.head)
    z = 2 * rand(9, 3)
    _, target = judged(component, n=9)
    a = head.forward(z)
    values, gradient = component(a, target)
    fused_values, dz = component.fused(z, target)
    torch.testing.assert_close(fused_values, values)
    torch.testing.assert_close(dz, head.backward(gradient, z, a))
    for scale in (1e4, 1e30):
        values, dz = component.fused((z * scale).float(), target.float())
        assert bool(torch.isfinite(dz).all()) and bool(torch.isfinite(values).all())


def scored(component, n=40):
    if component.labels or "regression" not in component.tasks:
        raw = torch.softmax(rand(n, 3), 1)
        decided = F.one_hot(raw.argmax(1), 3).double()
        return (decided if component.labels else raw), F.one_hot(torch.randint(3, (n,), generator=rng(1)), 3).double()
    return rand(n, 3), rand(n, 3, seed=1)


@every("metric")
def test_tallies_add(component):
    prediction, target = scored(component)
    kept = prediction.clone(), target.clone()
    whole = component(prediction, target)
    for size in (1, 7, 40):
        parts = [component.tally(p, y) for p, y in zip(prediction.split(size), target.split(size), strict=True)]
        assert math.isclose(component.score(sum(parts[1:], parts[0])), whole, rel_tol=1e-9)
    assert torch.equal(prediction, kept[0]) and torch.equal(target, kept[1])
    best = component(target, target)
    assert best >= whole if component.higher_is_better else best <= whole


@every("optimizer")
def test_optimizers_move_downhill_in_place_and_keep_their_hands_off_gradients(component):
    for dtype in (torch.float32, torch.float64):
        params = rand(20, dtype=dtype)
        start, place = params.clone(), params.data_ptr()
        state = component.start(params)
        assert torch.equal(params, start)
        for _ in range(200):
            grads = 2 * params
            kept = grads.clone()
            component.step(params, grads, state, 0.01)
            assert torch.equal(grads, kept)
        assert params.data_ptr() == place and params.dtype == dtype and float(params.norm()) < float(start.norm())


@every("layer")
def test_layers_differentiate_and_keep_dtype_and_inputs(component):
    params, out_shape = component.build((4,), rng())
    params = {name: rand(*value.shape, seed=5) for name, value in params.items()}
    x = rand(6, 4)
    kept = x.clone(), {name: value.clone() for name, value in params.items()}
    leaves = {"x": x.clone().requires_grad_()} | {name: value.clone().requires_grad_() for name, value in params.items()}
    y, _ = component.forward({name: leaves[name] for name in params}, leaves["x"], rng(7))
    grad = rand(*y.shape, seed=3)
    wanted = dict(zip(leaves, torch.autograd.grad(y, leaves.values(), grad, allow_unused=True), strict=True))
    out, saved = component.forward(params, x, rng(7))
    dx, grads = component.backward(params, saved, grad)
    assert tuple(out.shape[1:]) == tuple(out_shape) and set(grads) == set(params)
    torch.testing.assert_close(dx, wanted.pop("x"))
    for name, value in wanted.items():
        torch.testing.assert_close(grads[name], value)
        torch.testing.assert_close(component.param_grads(params, saved, grad)[name], value)
    assert torch.equal(x, kept[0]) and all(torch.equal(params[name], kept[1][name]) for name in params)
    torch.testing.assert_close(component.forward(params, x)[0], component.forward(params, x, None)[0], rtol=0, atol=0)
    single = {name: value.float() for name, value in params.items()}
    assert component.forward(single, x.float(), rng(7))[0].dtype == torch.float32


@every("initializer")
def test_initializers_are_random_through_rng_alone(component):
    before = torch.get_rng_state()
    one = component((5, 3), 5, 3, rng(2))
    assert torch.equal(one, component((5, 3), 5, 3, rng(2))) and one.shape == (5, 3)
    assert torch.equal(torch.get_rng_state(), before)
