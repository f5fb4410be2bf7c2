"""Every gradient of a network: kept layer by layer, and checked against finite differences."""

from __future__ import annotations

import re

import pytest
import torch

from netkit import Activation, Chain, ChainLayer, Dense, Layer, Model, SettingError
from netkit.engine.finite_differences import numeric
from netkit.engine.network import loss_gradient

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
CLASSES = torch.arange(6) % 3


def model(*layers, loss="categorical_cross_entropy", **options):
    return Model(layers, loss, dtype="float64", **options)


def network(*layers):
    return model(*layers, loss="mean_squared_error").build((4,))


@pytest.mark.parametrize("logits", [False, True])
def test_backward_keeps_dz_and_dx_of_every_layer_which_are_autograds(logits):
    made = network("dense:units=5,activation=tanh", "layer_norm", "dense:units=3,activation=softmax")
    trace = made.forward(X, logits=logits)
    grad = torch.randn(6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    kept = made.backward(trace, grad, logits, keep=True)
    x = X.clone().requires_grad_()
    taped, zs, a = [x], [], x
    for link in made.links:
        z = link.layer.forward(link.params, a)[0]
        a = z if link.activation is None or (logits and link is made.links[-1]) else link.activation.forward(z)
        zs.append(z)
        taped.append(a)
    wanted = torch.autograd.grad((a * grad).sum(), [*zs, *taped[:-1]])
    for each, dz, dx, link in zip(kept, wanted[:3], wanted[3:], made.links, strict=True):
        torch.testing.assert_close(each.dz, dz)
        torch.testing.assert_close(each.dx, dx)
        assert each.params.keys() == link.grads.keys()
        assert all(torch.equal(each.params[name], link.grads[name]) for name in link.grads)


def test_what_is_kept_changes_no_gradient_and_nothing_is_kept_unasked():
    made = network("dense:units=5,activation=relu", "dense:units=3")
    trace = made.forward(X)
    assert made.backward(trace, torch.ones(6, 3, dtype=torch.float64)) == []
    before = made.grads.clone()
    kept = made.backward(trace, torch.ones(6, 3, dtype=torch.float64), keep=True)
    assert torch.equal(made.grads, before)
    assert kept[0].dx.shape == X.shape and [each.dz.shape[1] for each in kept] == [5, 3]
    assert torch.equal(kept[1].dx, kept[1].dz @ made.parameters()["1.W"].T)


def test_a_trace_has_names_and_shows_shapes_instead_of_numbers():
    made = network("dense:units=5,activation=relu", "dense:units=3")
    trace = made.forward(X)
    assert repr(trace) == "Trace of 6 rows\n  0: z (6, 5), a (6, 5)\n  1: z (6, 3), a (6, 3)"
    first, last = trace.steps
    assert torch.equal(first.a, first.z.clamp(min=0)) and torch.equal(trace.output, last.a)


LAYERS = {
    "plain": ["dense:units=7,activation=tanh", "dense:units=3,activation=softmax"],
    "kinks": ["dense:units=7,activation=relu", "dense:units=3,activation=softmax"],
    "noise": ["dense:units=9,activation=gelu", "dropout:rate=0.5", "dense:units=3,activation=softmax"],
    "state": ["dense:units=7", "batch_norm", "dense:units=3,activation=softmax"],
    "layers in layers": ['residual:layers=["dense:units=4,activation=tanh"]', "dense:units=3,activation=softmax"],
    "in a layer's place": ["dense:units=5,activation=prelu", "dense:units=3,activation=softmax"],
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_right_layers_are_ok_and_nothing_is_touched(case, weighted):
    dtype = "float64" if weighted else "float32"  # the check is in float64 all the same
    made = Model(LAYERS[case], "categorical_cross_entropy", dtype=dtype)
    made.build((4,))
    before, state = made.network.params.clone(), made.network.state.clone()
    noise = made._noise.get_state()
    found = made.check_gradients(X, CLASSES, weights=torch.arange(1, 7) if weighted else None)
    assert found.ok and all(each.ok for each in found.parameters.values()), found
    assert list(found.parameters) == list(made.parameters())
    assert max(each.difference for each in found.parameters.values()) < 1e-8
    assert torch.equal(made.network.params, before) and torch.equal(made.network.state, state)
    assert torch.equal(made._noise.get_state(), noise) and not made.network.grads.any()


def test_a_gradient_is_that_of_the_mean_loss_of_the_rows_by_weight():
    made, weights = model("dense:units=3,activation=softmax"), torch.tensor([3.0, 1, 1, 1, 0, 0])
    found = made.check_gradients(X, CLASSES, weights)
    net = made.network
    trace = net.forward(X, logits=True)
    target = torch.nn.functional.one_hot(CLASSES, 3).double()
    net.backward(trace, loss_gradient(made.loss, True, trace.output, target, weights.double())[1] / 6, logits=True)
    for name, each in found.parameters.items():
        assert each.analytic == pytest.approx(float(net.gradients()[name][each.place]), rel=1e-9)
        assert each.numerical == pytest.approx(each.analytic, abs=1e-8)


def test_a_check_passes_as_in_training():
    """In evaluation dropout leaves out nothing: with this rate nearly everything is left out, and so are gradients."""
    made = model("dense:units=4", "dropout:rate=0.999", "dense:units=3,activation=softmax")
    assert made.check_gradients(X, CLASSES).parameters["0.W"].analytic == 0
    assert (
        model("dense:units=4", "dense:units=3,activation=softmax")
        .check_gradients(X, CLASSES)
        .parameters["0.W"]
        .analytic
    )


class Wrong(Activation):
    """z^2, whose backward lacks the 2."""

    def forward(self, z):
        return z**2

    def backward(self, grad, z, a):
        return grad * z


def test_a_wrong_gradient_is_named_with_what_it_is_and_what_it_should_be():
    made = model(Dense(units=5, activation=Wrong()), "dense:units=3,activation=softmax")
    found = made.check_gradients(X, CLASSES)
    assert not found.ok
    assert [name for name, each in found.parameters.items() if not each.ok] == ["0.W", "0.b"]
    for name in ("0.W", "0.b"):
        each = found.parameters[name]
        assert each.numerical == pytest.approx(2 * each.analytic, rel=1e-6)
        assert each.difference == pytest.approx(abs(each.analytic), rel=1e-6)
    said = repr(found).splitlines()
    assert said[0] == "gradients of the mean loss of 6 rows: wrong: 0.W, 0.b"
    assert said[1].split() == ["parameter", "shape", "checked", "place", "analytic", "numerical", "difference"]
    assert [line.split()[-1] for line in said[2:]] == ["wrong", "wrong", "ok", "ok"]
    assert "<td" in found._repr_html_() and "wrong: 0.W, 0.b" in found._repr_html_()


def test_a_gradient_a_thousandth_off_is_wrong_where_gradients_are_small_too():
    class Off(ChainLayer):
        @property
        def chain(self):
            return Chain(["dense:units=3"])

        def backward(self, params, saved, grad):
            dx, grads = super().backward(params, saved, grad)
            return dx, {"0.W": grads["0.W"] * 1.001, "0.b": grads["0.b"]}

    made = model(Off(), loss="mean_squared_error")
    for size in (1.0, 1e-2):
        found = made.check_gradients(X * size, torch.zeros(6, 3))
        assert [name for name, each in found.parameters.items() if not each.ok] == ["0.0.W"]


def test_at_a_kink_any_slope_between_both_sides_will_do():
    made = model("dense:units=5,activation=relu", "dense:units=3,activation=softmax")
    made.build((4,))
    made.parameters()["0.b"].zero_()
    rows = torch.cat([X, torch.zeros(1, 4, dtype=torch.float64)])  # the last lies on the kink of every unit
    assert made.check_gradients(rows, torch.arange(7) % 3).ok


def test_of_a_large_parameter_elements_are_checked_from_the_first_to_the_last():
    made = model("dense:units=50,activation=tanh", "dense:units=3,activation=softmax")
    assert [each.checked for each in made.check_gradients(X, CLASSES, most=7).parameters.values()] == [7, 7, 7, 3]
    network = made.network

    class Last(Activation):
        """Its gradient is wrong in the last unit alone."""

        def forward(self, z):
            return z

        def backward(self, grad, z, a):
            return torch.cat([grad[:, :-1], 2 * grad[:, -1:]], 1)

    other = model(Dense(units=50, activation=Last()), "dense:units=3,activation=softmax")
    each = other.check_gradients(X, CLASSES, most=5).parameters["0.W"]
    assert each.place == (3, 49) and not each.ok and network is made.network


class Scale(Layer):
    """gain x, with one number and nothing else among the parameters."""

    def build(self, in_shape, rng):
        return {"gain": torch.tensor(1.5), "none": torch.zeros(0, 3)}, in_shape

    def forward(self, params, x, rng=None):
        return params["gain"] * x, x

    def backward(self, params, saved, grad):
        return params["gain"] * grad, {"gain": (grad * saved).sum(), "none": torch.zeros(0, 3).to(grad)}


def test_parameters_of_no_axes_are_checked_and_those_of_no_elements_left_out():
    found = model(Scale(), loss="mean_squared_error").check_gradients(X, X + 1)
    assert list(found.parameters) == ["0.gain"] and found.ok
    assert found.parameters["0.gain"].shape == () == found.parameters["0.gain"].place


@pytest.mark.parametrize("most", [0, -1, 2.5, True, "x"])
def test_how_many_elements_are_checked_is_a_whole_number(most):
    with pytest.raises(SettingError, match=re.escape(f"most: a whole number of at least 1 is needed, got {most!r}")):
        model("dense:units=3,activation=softmax").check_gradients(X, CLASSES, most=most)


def test_finite_differences_are_those_of_the_sum_from_either_side():
    x = torch.tensor([[-1.0, 0.0, 2.0]], dtype=torch.float64)
    left, right = (numeric(lambda x: x.abs() * 3, x, side) for side in (-1, 1))
    torch.testing.assert_close(left, torch.tensor([[-3.0, -3.0, 3.0]], dtype=torch.float64))
    torch.testing.assert_close(right, torch.tensor([[-3.0, 3.0, 3.0]], dtype=torch.float64))
