"""Every built-in against an independent implementation. A name without a row fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as skm
import torch
import torch.nn.functional as F

from netkit import registry, spec


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


Z = torch.cat([torch.linspace(-6, 6, 40, dtype=torch.float64), torch.tensor([0.0, -1e-9, 1e-9], dtype=torch.float64)])
Z = torch.stack([Z, Z.flip(0) * 0.7, Z.roll(5)], 1)

ACTIVATIONS = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: F.softmax(z, 1),
    "tanh": torch.tanh,
    "identity": lambda z: z,
    "leaky_relu:slope=0.2": lambda z: F.leaky_relu(z, 0.2),
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "elu:alpha=0.5": lambda z: F.elu(z, 0.5),
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "hard_tanh": F.hardtanh,
}

P = torch.rand(20, 3, generator=rng(1), dtype=torch.float64) * 0.98 + 0.01
BITS = (torch.rand(20, 3, generator=rng(2)) > 0.4).double()
SIMPLEX = P / P.sum(1, keepdim=True)
ONE_HOT = F.one_hot(torch.randint(3, (20,), generator=rng(3)), 3).double()
LOSSES = {
    "binary_cross_entropy": (P, BITS, lambda p, y: F.binary_cross_entropy(p, y, reduction="none").mean(1)),
    "categorical_cross_entropy": (SIMPLEX, ONE_HOT, lambda p, y: F.nll_loss(p.log(), y.argmax(1), reduction="none")),
    "mean_squared_error": (P, BITS, lambda p, y: F.mse_loss(p, y, reduction="none").mean(1)),
    "mean_absolute_error": (P, BITS, lambda p, y: F.l1_loss(p, y, reduction="none").mean(1)),
    "huber": (3 * P, BITS, lambda p, y: F.huber_loss(p, y, reduction="none").mean(1)),
    "huber:delta=0.3": (3 * P, BITS, lambda p, y: F.huber_loss(p, y, reduction="none", delta=0.3).mean(1)),
    "hinge": (
        4 * P - 2,
        BITS,
        lambda p, y: F.hinge_embedding_loss((2 * y - 1) * p, -torch.ones_like(p), reduction="none").mean(1),
    ),
}

HARD = (P > 0.5).double()
METRICS = {
    "accuracy": (HARD[:, :1], BITS[:, :1], lambda p, y: skm.accuracy_score(y, p)),
    "error_rate": (SIMPLEX, ONE_HOT, lambda p, y: skm.zero_one_loss(y.argmax(1), p.argmax(1))),
    "precision": (HARD[:, :1], BITS[:, :1], lambda p, y: skm.precision_score(y, p)),
    "recall": (HARD[:, :1], BITS[:, :1], lambda p, y: skm.recall_score(y, p)),
    "f1": (HARD[:, :1], BITS[:, :1], lambda p, y: skm.f1_score(y, p)),
    "log_loss": (SIMPLEX, ONE_HOT, lambda p, y: skm.log_loss(y.argmax(1), p)),
    "r2": (P, BITS, lambda p, y: skm.r2_score(y, p)),
    "mean_squared_error": (P, BITS, lambda p, y: skm.mean_squared_error(y, p)),
    "mean_absolute_error": (P, BITS, lambda p, y: skm.mean_absolute_error(y, p)),
}
MORE_METRICS = [
    ("accuracy", HARD, BITS, lambda p, y: skm.accuracy_score(y, p)),
    ("log_loss", P[:, :1], BITS[:, :1], lambda p, y: skm.log_loss(y[:, 0], p[:, 0])),
    *[
        (
            name,
            SIMPLEX,
            ONE_HOT,
            lambda p, y, score=score: score(y.argmax(1), p.argmax(1), average="macro", zero_division=0),
        )
        for name, score in (("precision", skm.precision_score), ("recall", skm.recall_score), ("f1", skm.f1_score))
    ],
    *[
        (name, HARD, BITS, lambda p, y, score=score: score(y, p, average="macro", zero_division=0))
        for name, score in (("precision", skm.precision_score), ("recall", skm.recall_score), ("f1", skm.f1_score))
    ],
    *[
        (
            name,
            torch.tensor([0, 3, 3, 5]),
            torch.tensor([0, 3, 1, 5]),
            lambda p, y, score=score: score(y, p, average="macro", zero_division=0),
        )
        for name, score in (("precision", skm.precision_score), ("recall", skm.recall_score), ("f1", skm.f1_score))
    ],
    ("precision", torch.zeros(4, 1), torch.tensor([[1.0], [0], [1], [0]]), lambda p, y: 0.0),
    ("r2", torch.tensor([1.0, 2.0]), torch.tensor([3.0, 3.0]), lambda p, y: skm.r2_score(y, p)),
    ("r2", torch.tensor([3.0, 3.0]), torch.tensor([3.0, 3.0]), lambda p, y: skm.r2_score(y, p)),
    ("r2", 100 + P, 100 + BITS, lambda p, y: skm.r2_score(y, p)),
]

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "sgd:momentum=0.9": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "sgd:momentum=0.8,nesterov=true,weight_decay=0.1": lambda p: torch.optim.SGD(
        p, lr=0.01, momentum=0.8, nesterov=True, weight_decay=0.1
    ),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam:beta1=0.8,beta2=0.9,epsilon=1e-4,weight_decay=0.1": lambda p: torch.optim.Adam(
        p, lr=0.01, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1
    ),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "adamw:weight_decay=0.3": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.99),
    "rmsprop:decay=0.9,momentum=0.5": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.5),
}

BOUND = math.sqrt(6 / 500)
INITIALIZERS = {
    "zeros": lambda w: bool((w == 0).all()),
    "uniform": lambda w: near(w, 0, 2 / math.sqrt(12)) and -1 <= float(w.min()) < -0.99 and 0.99 < float(w.max()) < 1,
    "uniform:low=0.0,high=0.1": lambda w: (
        near(w, 0.05, 0.1 / math.sqrt(12)) and 0 <= float(w.min()) < float(w.max()) < 0.1
    ),
    "normal": lambda w: near(w, 0, 0.05),
    "normal:mean=1.0,std=2.0": lambda w: near(w, 1, 2),
    "glorot_uniform": lambda w: near(w, 0, BOUND / math.sqrt(3)) and 0.99 * BOUND < float(w.abs().max()) <= BOUND,
    "he_normal": lambda w: near(w, 0, math.sqrt(2 / 200)) and float(w.abs().max()) > 3 * math.sqrt(2 / 200),
    "lecun_normal": lambda w: near(w, 0, math.sqrt(1 / 200)),
    "orthogonal": lambda w: torch.allclose(w @ w.t(), torch.eye(200), atol=1e-5),
    "orthogonal:gain=2.0": lambda w: torch.allclose(w @ w.t(), 4 * torch.eye(200), atol=1e-5),
}


def near(values, mean, std):
    return abs(float(values.mean()) - mean) < 0.02 * (std + abs(mean)) and abs(float(values.std()) / std - 1) < 0.02


def torch_dense(params, x):
    return F.linear(x, params["W"].t(), params["b"])


LAYERS = {
    "dense:units=3": torch_dense,
    "layer_norm": lambda params, x: F.layer_norm(x, x.shape[-1:], params["gain"], params["shift"]),
    "layer_norm:epsilon=0.1": lambda params, x: F.layer_norm(x, x.shape[-1:], params["gain"], params["shift"], 0.1),
    "dropout": lambda params, x: F.dropout(x, training=False),
    "embedding:columns=[1, 3],levels=[2, 5],dimensions=[3, 2]": lambda params, x: torch.cat(
        [x[:, [0, 2]], *(F.embedding(x[:, c].clamp(0, k - 1).long(), params[f"T{c}"]) for c, k in ((1, 2), (3, 5)))], 1
    ),
    "activate:activation=tanh": lambda params, x: x,
    'torch:module="Linear(4, 3)"': lambda params, x: F.linear(x, params["weight"], params["bias"]),
}
TOTAL = 200
"""Steps of a run: the last factor of torch's is that behind the last step."""


def cosine_after_linear(optimizer):
    lrs = torch.optim.lr_scheduler
    return lrs.SequentialLR(
        optimizer,
        [
            lrs.LinearLR(optimizer, start_factor=0.1, total_iters=40),
            lrs.CosineAnnealingLR(optimizer, T_max=160, eta_min=0.05),
        ],
        [40],
    )


def one_cycle(rise, start, end):
    """torch's first phase ends a step before the share that it is given."""
    return lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.5,
        total_steps=TOTAL + 1,
        pct_start=(rise * TOTAL + 1) / (TOTAL + 1),
        div_factor=1 / start,
        final_div_factor=start / end,
        cycle_momentum=False,
    )


SCHEDULES = {
    "constant": lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=TOTAL),
    "cosine:floor=0.1": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=TOTAL, eta_min=0.05),
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=60, gamma=0.1),
    "step:every=0.1,factor=0.5": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=20, gamma=0.5),
    "one_cycle": one_cycle(0.3, 0.04, 4e-6),
    "one_cycle:rise=0.5,start=0.1,end=0.01": one_cycle(0.5, 0.1, 0.01),
    "warm_up": lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=0.01, total_iters=20),
    'warm_up:share=0.2,start=0.1,then="cosine:floor=0.1"': cosine_after_linear,
}
TABLES = {
    "activation": ACTIVATIONS,
    "loss": LOSSES,
    "metric": METRICS,
    "optimizer": OPTIMIZERS,
    "initializer": INITIALIZERS,
    "layer": LAYERS,
    "schedule": SCHEDULES,
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_built_in_has_a_row(kind):
    built_in = {info.name for info in registry.current().kinds[kind].infos() if info.distribution == "netkit-nn"}
    assert built_in == {text.partition(":")[0] for text in TABLES[kind]}


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_activations(text):
    activation = spec.make("activation", text)
    z = Z.clone().requires_grad_()
    wanted = ACTIVATIONS[text](z)
    grad = torch.randn(Z.shape, generator=rng(), dtype=torch.float64)
    [dz] = torch.autograd.grad(wanted, z, grad)
    a = activation.forward(Z)
    torch.testing.assert_close(a, wanted.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(activation.backward(grad, Z, a), dz, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("text", LOSSES)
def test_losses(text):
    prediction, target, reference = LOSSES[text]
    p = prediction.clone().requires_grad_()
    wanted = reference(p, target)
    [gradient] = torch.autograd.grad(wanted.sum(), p)
    values, got = spec.make("loss", text)(prediction, target)
    torch.testing.assert_close(values, wanted.detach())
    torch.testing.assert_close(got, gradient)


@pytest.mark.parametrize(
    ("text", "prediction", "target", "reference"), [(text, *row) for text, row in METRICS.items()] + MORE_METRICS
)
def test_metrics(text, prediction, target, reference):
    wanted = reference(prediction.numpy(), target.numpy())
    assert math.isclose(spec.make("metric", text)(prediction, target), wanted, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("text", OPTIMIZERS)
def test_optimizers_over_a_hundred_steps(text):
    optimizer = spec.make("optimizer", text)
    params = torch.randn(50, generator=rng(), dtype=torch.float64)
    leaf = params.clone().requires_grad_()
    other = OPTIMIZERS[text]([leaf])
    state = optimizer.start(params)
    for step in range(100):
        grads = torch.randn(50, generator=rng(step), dtype=torch.float64) * 10.0 ** (step % 5 - 3)
        before = grads.clone()
        optimizer.step(params, grads, state, 0.01)
        leaf.grad = before
        other.step()
        assert torch.equal(grads, before)
    torch.testing.assert_close(params, leaf.detach(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("text", INITIALIZERS)
def test_initializers(text):
    initializer = spec.make("initializer", text)
    weights = initializer((200, 300), 200, 300, rng(4))
    assert weights.shape == (200, 300) and weights.dtype == torch.float32 and INITIALIZERS[text](weights)
    assert torch.equal(weights, initializer((200, 300), 200, 300, rng(4)))
    assert torch.equal(weights, initializer((200, 300), 200, 300, rng(5))) == (text == "zeros")


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules(text):
    schedule = spec.make("schedule", text)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    theirs = SCHEDULES[text](optimizer)
    for step in range(TOTAL + 1):
        assert 0.5 * schedule(step / TOTAL) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9, abs=1e-12), step
        if step < TOTAL:
            optimizer.step()
            theirs.step()


def test_a_schedule_takes_the_one_behind_it_by_name_also_where_nobody_made_it():
    warm_up = registry.schedules["warm_up"]
    assert (
        warm_up(share=0.5, then="cosine")(0.75)
        == spec.make("schedule", "warm_up:share=0.5,then=cosine")(0.75)
        == pytest.approx(0.5)
    )


@pytest.mark.parametrize("text", LAYERS)
def test_layers(text):
    layer = spec.make("layer", text)
    params, out_shape = layer.build((4,), rng())
    params = {name: torch.randn(value.shape, generator=rng(1), dtype=torch.float64) for name, value in params.items()}
    x = torch.randn(9, 4, generator=rng(2), dtype=torch.float64)
    y, _ = layer.forward(params, x)
    torch.testing.assert_close(y, LAYERS[text](params, x))
    assert tuple(y.shape[1:]) == tuple(out_shape)


def test_dropout_drops_its_rate_and_keeps_the_mean():
    layer = spec.make("layer", "dropout:rate=0.3")
    y, _ = layer.forward({}, torch.ones(1000, 100), rng())
    assert abs(float((y == 0).float().mean()) - 0.3) < 0.01 and abs(float(y.mean()) - 1) < 0.01
    assert set(np.round(y.unique().tolist(), 5)) == {0.0, round(1 / 0.7, 5)}
