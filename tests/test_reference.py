"""Every built-in against an independent implementation. A name without a row fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as skm
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_wine

from netkit import DataError, Dense, ErrorRate, Model, OneHotErrorRate, ShapeError, registry, spec
from netkit.testing.layers import built


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
    "softsign": F.softsign,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "celu": F.celu,
    "celu:alpha=0.5": lambda z: F.celu(z, 0.5),
    "relu6": F.relu6,
    "squareplus": lambda z: (z + (z * z + 4).sqrt()) / 2,
    "squareplus:b=0.3": lambda z: (z + (z * z + 0.3).sqrt()) / 2,
    "log_softmax": lambda z: F.log_softmax(z, 1),
}

P = torch.rand(20, 3, generator=rng(1), dtype=torch.float64) * 0.98 + 0.01
BITS = (torch.rand(20, 3, generator=rng(2)) > 0.4).double()
SIMPLEX = P / P.sum(1, keepdim=True)
ONE_HOT = F.one_hot(torch.randint(3, (20,), generator=rng(3)), 3).double()


def focal(p, y, gamma, alpha):
    """As the paper has it, with p_t and alpha_t (arXiv:1708.02002, equation 5)."""
    p, alpha = torch.where(y == 1, p, 1 - p), torch.where(y == 1, alpha, 1 - alpha)
    return (-alpha * (1 - p) ** gamma * p.log()).mean(1)


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
    "binary_cross_entropy:smoothing=0.1": (
        P,
        BITS,
        lambda p, y: F.binary_cross_entropy(p, 0.9 * y + 0.05, reduction="none").mean(1),
    ),
    "categorical_cross_entropy:smoothing=0.1": (SIMPLEX, ONE_HOT, lambda p, y: -((0.9 * y + 0.1 / 3) * p.log()).sum(1)),
    "kl_divergence": (SIMPLEX, SIMPLEX.flip(0), lambda p, y: F.kl_div(p.log(), y, reduction="none").sum(1)),
    "focal": (P, BITS, lambda p, y: focal(p, y, 2.0, 0.25)),
    "focal:gamma=0.5,alpha=0.9": (P, BITS, lambda p, y: focal(p, y, 0.5, 0.9)),
    "log_cosh": (9 * P, BITS, lambda p, y: (p - y).cosh().log().mean(1)),
    "poisson": (4 * P - 2, BITS.cumsum(1), lambda p, y: F.poisson_nll_loss(p, y, reduction="none").mean(1)),
    "quantile": (P, BITS, lambda p, y: F.l1_loss(p, y, reduction="none").mean(1) / 2),
    "quantile:share=0.9": (P, BITS, lambda p, y: torch.maximum(0.9 * (y - p), 0.1 * (p - y)).mean(1)),
}

HARD = (P > 0.5).double()
WINNERS = F.one_hot(SIMPLEX.argmax(1), 3).double()
PAIR = torch.cat([1 - P[:, :1], P[:, :1]], 1)
ONE = torch.ones(20, 1, dtype=torch.float64)


def calibration_error(p, y, bins=15):
    """Equation 5 of arXiv:1706.04599, bin by bin."""
    p, y = (np.hstack([each, 1 - each]) if each.shape[1] == 1 else each for each in (p, y))
    top, right = p.max(1), y[np.arange(len(y)), p.argmax(1)]
    inside = [(b / bins < top) & (top <= (b + 1) / bins) for b in range(bins)]
    return sum(abs(right[b].mean() - top[b].mean()) * b.mean() for b in inside if b.any())


NUMBERS = torch.tensor([0, 3, 3, 5, 1, 0, 3]), torch.tensor([0, 3, 1, 5, 1, 2, 5])
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
    "one_hot_error_rate": (SIMPLEX, ONE_HOT, lambda p, y: skm.zero_one_loss(y.argmax(1), p.argmax(1))),
    "balanced_accuracy": (HARD[:, :1], BITS[:, :1], lambda p, y: skm.balanced_accuracy_score(y, p)),
    "mcc": (HARD[:, :1], BITS[:, :1], lambda p, y: skm.matthews_corrcoef(y[:, 0], p[:, 0])),
    "brier": (P[:, :1], BITS[:, :1], lambda p, y: skm.brier_score_loss(y, p)),
    "calibration_error": (SIMPLEX, ONE_HOT, calibration_error),
    "top_k": (SIMPLEX, ONE_HOT, lambda p, y: skm.top_k_accuracy_score(y.argmax(1), p, k=2)),
    "roc_auc": (P[:, :1], BITS[:, :1], lambda p, y: skm.roc_auc_score(y, p)),
    "rmse": (P, BITS, lambda p, y: skm.root_mean_squared_error(y, p)),
    "mape": (P, BITS, lambda p, y: skm.mean_absolute_percentage_error(y, p)),
    "median_absolute_error": (P, P + BITS, lambda p, y: skm.median_absolute_error(y, p)),
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
    *[
        (name, *rows, lambda p, y, score=score, flat=flat: score(flat(y), flat(p)))
        for name, score in (("balanced_accuracy", skm.balanced_accuracy_score), ("mcc", skm.matthews_corrcoef))
        for rows, flat in (
            ((WINNERS, ONE_HOT), lambda each: each.argmax(1)),
            (NUMBERS, lambda each: each),
            ((ONE_HOT, ONE_HOT), lambda each: each.argmax(1)),
            ((ONE_HOT.roll(1, 1), ONE_HOT), lambda each: each.argmax(1)),
            ((BITS[:, 0], BITS[:, 1]), lambda each: each),
        )
    ],
    *[("mcc", *rows, lambda p, y: 0.0) for rows in ((ONE, BITS[:, :1]), (BITS[:, :1], ONE), (ONE, ONE))],
    ("balanced_accuracy", BITS[:, :1], ONE, lambda p, y: p.mean()),
    ("brier", SIMPLEX, ONE_HOT, lambda p, y: skm.brier_score_loss(y.argmax(1), p)),
    ("brier", SIMPLEX, ONE_HOT.argmax(1), lambda p, y: skm.brier_score_loss(y, p)),
    ("brier", PAIR, BITS[:, 0].long(), lambda p, y: skm.brier_score_loss(y, p)),
    ("calibration_error:bins=10", P[:, :1], BITS[:, :1], lambda p, y: calibration_error(p, y, 10)),
    ("calibration_error", ONE_HOT.roll(1, 1), ONE_HOT, lambda p, y: 1.0),
    (
        "calibration_error",
        torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64),
        torch.tensor([0, 0, 1, 1.0]),
        lambda p, y: 0.3,
    ),
    *[
        (f"top_k:k={k}", SIMPLEX, y, lambda p, y, k=k: skm.top_k_accuracy_score(ONE_HOT.argmax(1), p, k=k))
        for k in (1, 2)
        for y in (ONE_HOT, ONE_HOT.argmax(1))
    ],
    *[(f"top_k:k={k}", torch.ones(20, 3), ONE_HOT, lambda p, y, k=k: min(1, k / 3)) for k in (1, 2, 3, 5)],
    ("roc_auc", SIMPLEX, ONE_HOT, lambda p, y: skm.roc_auc_score(y.argmax(1), p, multi_class="ovr")),
    ("roc_auc", SIMPLEX, ONE_HOT.argmax(1), lambda p, y: skm.roc_auc_score(y, p, multi_class="ovr")),
    ("roc_auc", P, BITS, lambda p, y: skm.roc_auc_score(y, p)),
    ("roc_auc", P[:, :1], ONE, lambda p, y: 0.5),
    ("roc_auc", SIMPLEX, torch.zeros(20).long(), lambda p, y: 0.5),
    ("roc_auc", 10 * P - 5, BITS, lambda p, y: skm.roc_auc_score(y, p)),
    ("mape", 100 * P, 100 * P.flip(0), lambda p, y: skm.mean_absolute_percentage_error(y, p)),
    ("mape", P, BITS * 1e-20, lambda p, y: skm.mean_absolute_percentage_error(y, p)),
    ("rmse", P[:, 0], BITS[:, :1], lambda p, y: skm.mean_squared_error(y, p) ** 0.5),
    ("median_absolute_error", P[:7], 1 - BITS[:7].roll(1, 0) + P[:7], lambda p, y: skm.median_absolute_error(y, p)),
    ("precision", torch.zeros(4, 1), torch.tensor([[1.0], [0], [1], [0]]), lambda p, y: 0.0),
    ("r2", torch.tensor([1.0, 2.0]), torch.tensor([3.0, 3.0]), lambda p, y: skm.r2_score(y, p)),
    ("r2", torch.tensor([3.0, 3.0]), torch.tensor([3.0, 3.0]), lambda p, y: skm.r2_score(y, p)),
    ("r2", 100 + P, 100 + BITS, lambda p, y: skm.r2_score(y, p)),
]


class Lion:
    """Algorithm 2 of arXiv:2302.06675, which torch does not have."""

    def __init__(self, params, lr, beta1=0.9, beta2=0.99, decay=0.0):
        [self.w], self.lr, self.beta1, self.beta2, self.decay = params, lr, beta1, beta2, decay
        self.m = torch.zeros_like(self.w)

    @torch.no_grad()
    def step(self):
        g = self.w.grad
        c = self.beta1 * self.m + (1 - self.beta1) * g
        self.w.copy_(self.w - self.lr * (c.sign() + self.decay * self.w))
        self.m = self.beta2 * self.m + (1 - self.beta2) * g


class Lbfgs:
    """w -= lr H g with H written out by the update of BFGS, pair by pair (Nocedal and Wright 2006, equation 6.17)."""

    def __init__(self, params, lr, history=10):
        [self.w], self.lr, self.history, self.pairs, self.before = params, lr, history, [], None

    @torch.no_grad()
    def step(self):
        g, unit = self.w.grad, torch.eye(len(self.w), dtype=self.w.dtype)
        if self.before is not None:
            s, y = self.w - self.before[0], g - self.before[1]
            self.pairs = [*self.pairs, (s, y)][-self.history :] if s @ y > 0 else self.pairs
        self.before = self.w.detach().clone(), g.clone()
        h = unit
        for s, y in self.pairs[-1:]:
            h = unit * (s @ y) / (y @ y)
        for s, y in self.pairs:
            hy, sy = h @ y, s @ y
            h = h - (torch.outer(s, hy) + torch.outer(hy, s)) / sy + (1 + y @ hy / sy) / sy * torch.outer(s, s)
        step = h @ g
        self.w.copy_(self.w - self.lr * step / max(1.0, float(step.norm())))


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
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "nadam:beta1=0.8,beta2=0.9,epsilon=1e-4,weight_decay=0.1,momentum_decay=0.1": lambda p: torch.optim.NAdam(
        p, lr=0.01, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, momentum_decay=0.1
    ),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "radam:beta1=0.8,beta2=0.9,epsilon=1e-4,weight_decay=0.1": lambda p: torch.optim.RAdam(
        p, lr=0.01, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1
    ),
    "radam:beta2=0.5": lambda p: torch.optim.RAdam(p, lr=0.01, betas=(0.9, 0.5)),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "adagrad:epsilon=1e-3,weight_decay=0.1": lambda p: torch.optim.Adagrad(p, lr=0.01, eps=1e-3, weight_decay=0.1),
    "lion": lambda p: Lion(p, lr=0.01),
    "lion:beta1=0.95,beta2=0.98,weight_decay=0.1": lambda p: Lion(p, 0.01, 0.95, 0.98, 0.1),
    "lbfgs": lambda p: Lbfgs(p, lr=0.01),
    "lbfgs:history=2": lambda p: Lbfgs(p, lr=0.01, history=2),
}

INITIALIZERS = {
    "zeros": lambda w: bool((w == 0).all()),
    "unit_variance": lambda w: torch.allclose(w @ w.t(), torch.eye(200), atol=1e-5),
    "unit_variance:start=he_normal": lambda w: near(w, 0, math.sqrt(2 / 200)),
    "uniform": lambda w: near(w, 0, 2 / math.sqrt(12)) and -1 <= float(w.min()) < -0.99 and 0.99 < float(w.max()) < 1,
    "uniform:low=0.0,high=0.1": lambda w: (
        near(w, 0.05, 0.1 / math.sqrt(12)) and 0 <= float(w.min()) < float(w.max()) < 0.1
    ),
    "normal": lambda w: near(w, 0, 0.05),
    "normal:mean=1.0,std=2.0": lambda w: near(w, 1, 2),
    "glorot_uniform": lambda w: is_uniform(w, math.sqrt(6 / 500)),
    "he_normal": lambda w: near(w, 0, math.sqrt(2 / 200)) and float(w.abs().max()) > 3 * math.sqrt(2 / 200),
    "lecun_normal": lambda w: near(w, 0, math.sqrt(1 / 200)),
    "orthogonal": lambda w: torch.allclose(w @ w.t(), torch.eye(200), atol=1e-5),
    "orthogonal:gain=2.0": lambda w: torch.allclose(w @ w.t(), 4 * torch.eye(200), atol=1e-5),
    "truncated_normal": lambda w: truncated(w, 0, 0.05),
    "truncated_normal:mean=1.0,std=2.0": lambda w: truncated(w, 1, 2),
    "he_uniform": lambda w: is_uniform(w, math.sqrt(6 / 200)),
    "glorot_normal": lambda w: near(w, 0, math.sqrt(2 / 500)) and float(w.abs().max()) > 3 * math.sqrt(2 / 500),
    "constant:value=0.1": lambda w: bool((w == 0.1).all()),
}


def near(values, mean, std):
    return abs(float(values.mean()) - mean) < 0.02 * (std + abs(mean)) and abs(float(values.std()) / std - 1) < 0.02


def is_uniform(values, bound):
    return near(values, 0, bound / math.sqrt(3)) and 0.99 * bound < float(values.abs().max()) <= bound


def truncated(values, mean, std):
    """By the test of Kolmogorov and Smirnov."""
    wanted = scipy.stats.truncnorm(-2, 2, loc=mean, scale=std)
    return near(values, mean, 0.8796 * std) and scipy.stats.kstest(values.flatten().numpy(), wanted.cdf).pvalue > 0.01


def torch_dense(params, x):
    return F.linear(x, params["W"].t(), params["b"])


def batch_norm(params, x, epsilon=1e-5):
    return F.batch_norm(x, params["mean"], params["variance"], params["gain"], params["shift"], eps=epsilon)


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
    "prelu": lambda params, x: F.prelu(x, params["slope"]),
    "batch_norm": batch_norm,
    "batch_norm:epsilon=0.1": lambda params, x: batch_norm(params, x, 0.1),
    'residual:layers=["dense:units=4,activation=tanh", "layer_norm"]': lambda params, x: (
        x
        + F.layer_norm(
            torch.tanh(F.linear(x, params["0.W"].t(), params["0.b"])), (4,), params["1.gain"], params["1.shift"]
        )
    ),
    'concat:layers=["dense:units=3,activation=tanh"]': lambda params, x: torch.cat(
        [torch.tanh(F.linear(x, params["0.W"].t(), params["0.b"])), x], 1
    ),
    'rates:layers=["dense:units=3"],learning_rate=0.5': lambda params, x: F.linear(x, params["0.W"].t(), params["0.b"]),
    "glu": lambda params, x: F.glu(x),
    "conv1d:channels=2": lambda params, x: F.conv1d(x, params["W"], params["b"]),
    "conv1d:channels=3,kernel=2,stride=2,padding=1,bias=false": lambda params, x: F.conv1d(x, params["W"], None, 2, 1),
    "conv1d:channels=2,kernel=2,stride=3": lambda params, x: F.conv1d(x, params["W"], params["b"], 3),
    "conv2d:channels=3": lambda params, x: F.conv2d(x, params["W"], params["b"]),
    "conv2d:channels=3,kernel=3,stride=2,padding=2,bias=false": lambda params, x: F.conv2d(x, params["W"], None, 2, 2),
    "conv2d:channels=1,kernel=2,stride=3": lambda params, x: F.conv2d(x, params["W"], params["b"], 3),
    "max_pool1d": lambda params, x: F.max_pool1d(x, 2),
    "max_pool1d:kernel=3,stride=1": lambda params, x: F.max_pool1d(x, 3, 1),
    "max_pool2d": lambda params, x: F.max_pool2d(x, 2),
    "max_pool2d:kernel=2,stride=3": lambda params, x: F.max_pool2d(x, 2, 3),
    "max_pool2d:kernel=3,stride=1": lambda params, x: F.max_pool2d(x, 3, 1),
    "average_pool1d": lambda params, x: F.avg_pool1d(x, 2),
    "average_pool1d:kernel=2,stride=3": lambda params, x: F.avg_pool1d(x, 2, 3),
    "average_pool2d": lambda params, x: F.avg_pool2d(x, 2),
    "average_pool2d:kernel=4,stride=1": lambda params, x: F.avg_pool2d(x, 4, 1),
    "flatten": lambda params, x: x.flatten(1),
    "reshape:shape=[2, -1]": lambda params, x: x.reshape(len(x), 2, -1),
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


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(0, 99), st.sampled_from([1e-300, 1e-20, 1.0, 1e12, 1e300]), st.booleans())
def test_the_binned_median_is_right_to_its_promise(rows, seed, size, tied):
    p, y = (size * torch.randn(rows, 2, generator=rng(each), dtype=torch.float64) for each in (seed, seed + 1))
    p = torch.where(torch.rand(rows, 1, generator=rng(seed)) < 0.6, y, p) if tied else p
    wanted = skm.median_absolute_error(y, p)
    assert spec.make("metric", "median_absolute_error")(p, y) == pytest.approx(wanted, rel=1 / 64, abs=0)


@settings(max_examples=60)
@given(st.integers(2, 300), st.integers(0, 99), st.sampled_from([1e-9, 0.1, 1.0, 8.0, 1e9]), st.booleans())
def test_the_binned_area_is_off_by_half_the_ties_at_most(rows, seed, size, odds):
    z = size * torch.randn(rows, generator=rng(seed), dtype=torch.float64)
    y = (z + size * torch.randn(rows, generator=rng(seed + 1), dtype=torch.float64) > 0).double()
    if not 0 < int(y.sum()) < rows:
        return
    p, metric = z if odds else torch.sigmoid(z), spec.make("metric", "roc_auc")
    bins = metric._places(p)
    assert bool((bins[p.argsort()].diff() >= 0).all())
    alike = (bins[y == 1][:, None] == bins[y == 0]) & (p[y == 1][:, None] != p[y == 0])
    assert abs(metric(p, y) - skm.roc_auc_score(y, p)) <= float(alike.double().mean()) / 2 + 1e-9


def test_the_area_tells_probabilities_apart_however_near_to_0_or_1():
    p = torch.tensor([1e-30, 2e-30, 1e-3, 1.02e-3, 0.5, 0.501, 0.9999, 0.99991], dtype=torch.float64)
    y = torch.tensor([0.0, 1] * 4, dtype=torch.float64)
    assert spec.make("metric", "roc_auc")(p, y) == skm.roc_auc_score(y, p)


@pytest.mark.parametrize(
    "metric, prediction, target, said",
    [
        ("one_hot_error_rate", ONE, ONE, "two equal shapes (n, k), k > 1, are needed, got (20,) and (20,)"),
        ("one_hot_error_rate", SIMPLEX, ONE_HOT.argmax(1), "are needed, got (20,) and (20, 3)"),
        ("mcc", ONE_HOT, 1 - ONE_HOT, "rows of one class each are needed, got one of 2"),
        ("balanced_accuracy", 0 * ONE_HOT, ONE_HOT, "rows of one class each are needed, got one of 0"),
        ("brier", 2 * P[:, :1], BITS[:, :1], "probabilities from 0 to 1 are needed, got "),
        ("calibration_error", -P[:, :1], BITS[:, :1], "probabilities from 0 to 1 are needed, got -"),
        ("top_k", P[:, 0], BITS[:, 0], "a column for each class is needed, got shape (20,)"),
        ("log_loss", SIMPLEX, torch.full((20,), 3), "class numbers from 0 to 2 are needed, got 3"),
        ("roc_auc", SIMPLEX, torch.full((20,), 0.5), "class numbers from 0 to 2 are needed, got 0.5"),
    ],
)
def test_what_a_metric_cannot_score_is_said(metric, prediction, target, said):
    with pytest.raises((ShapeError, DataError)) as caught:
        spec.make("metric", metric)(prediction, target)
    assert said in str(caught.value)


def test_a_one_hot_error_rate_is_called_with_targets_and_outputs():
    assert OneHotErrorRate(ONE_HOT, SIMPLEX) == ErrorRate(ONE_HOT, SIMPLEX)


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
    drawn = text.partition(":")[0] not in ("zeros", "constant")
    assert torch.equal(weights, initializer((200, 300), 200, 300, rng(5))) != drawn


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
    params, x, out_shape = built(layer)
    y, saved = layer.forward(params, x)
    trained = [name for name in params if name not in layer.state(tuple(x.shape[1:]))]
    leaves = {name: each.clone().requires_grad_(name in ("x", *trained)) for name, each in {"x": x, **params}.items()}
    wanted = LAYERS[text](leaves, leaves["x"])
    torch.testing.assert_close(y, wanted.detach())
    assert tuple(y.shape[1:]) == tuple(out_shape)
    grad = torch.randn(y.shape, generator=rng(2), dtype=torch.float64)
    dx, grads = layer.backward(params, saved, grad)
    by_torch = torch.autograd.grad(wanted, [leaves[name] for name in ("x", *trained)], grad)
    torch.testing.assert_close([dx, *grads.values()], list(by_torch), rtol=1e-9, atol=1e-9)
    assert list(grads) == trained


@pytest.mark.parametrize("text", [each for each in LAYERS if "conv" in each or "pool" in each])
def test_windows_over_larger_rows_of_unequal_sides(text):
    layer = spec.make("layer", text)
    shape = (3, 11) if "1d" in text else (3, 11, 8)
    params, out_shape = layer.build(shape, rng())
    assert set(params) <= {"W", "b"}
    leaves = {name: torch.randn(each.shape, generator=rng(1)).double() for name, each in params.items()}
    leaves["x"] = torch.randn(5, *shape, generator=rng(2)).double()
    wanted = LAYERS[text]({name: each.requires_grad_() for name, each in leaves.items()}, leaves["x"])
    assert tuple(wanted.shape[1:]) == out_shape
    grad = torch.randn(wanted.shape, generator=rng(3)).double()
    plain = {name: each.detach() for name, each in leaves.items()}
    dx, grads = layer.backward(plain, layer.forward(plain, plain["x"])[1], grad)
    by_torch = torch.autograd.grad(wanted, [*leaves.values()], grad)
    torch.testing.assert_close([*grads.values(), dx], list(by_torch), rtol=1e-9, atol=1e-9)


def test_smoothed_cross_entropy_on_logits():
    z = 5 * torch.randn(20, 3, generator=rng(8), dtype=torch.float64)
    for text, options in (("", {}), (":smoothing=0.3", {"label_smoothing": 0.3})):
        leaf = z.clone().requires_grad_()
        wanted = F.cross_entropy(leaf, ONE_HOT.argmax(1), reduction="none", **options)
        values, dz = spec.make("loss", f"categorical_cross_entropy{text}").fused(z, ONE_HOT)
        torch.testing.assert_close(values, wanted.detach())
        torch.testing.assert_close(dz, torch.autograd.grad(wanted.sum(), leaf)[0])


def test_the_quantile_loss_is_scikit_learns():
    for share in (0.1, 0.5, 0.9):
        values, _ = spec.make("loss", f"quantile:share={share}")(P, BITS)
        assert float(values.mean()) == pytest.approx(skm.mean_pinball_loss(BITS, P, alpha=share))


@pytest.mark.parametrize("b", [1e-6, 4.0, 1e6])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e9, 1e30, 3e38])
def test_squareplus_neither_overflows_nor_cancels(b, size):
    z = torch.tensor([[size, -size]])
    squareplus = registry.activations["squareplus"](b=b)
    a = squareplus.forward(z)
    exact = z.double()
    root = (exact * exact + b).sqrt()
    wanted = torch.where(exact > 0, (exact + root) / 2, b / 2 / (root - exact))
    torch.testing.assert_close(a.double(), wanted, rtol=1e-6, atol=1e-30)
    slope = squareplus.backward(torch.ones_like(z), z, a)
    torch.testing.assert_close(slope.double(), wanted / root, rtol=1e-6, atol=1e-37)


def least_squares():
    """A quadratic in 8 parameters, its derivative, and a place to start whose gradient is short."""
    a = torch.randn(30, 8, generator=rng(6), dtype=torch.float64) * torch.linspace(0.3, 3, 8)
    best = torch.randn(8, generator=rng(7), dtype=torch.float64)
    return lambda w: a.t() @ (a @ (w - best)) / 30, best, best + 0.01


def test_lbfgs_is_torchs_without_a_line_search():
    derivative, best, start = least_squares()
    w, leaf = start.clone(), start.clone().requires_grad_()
    assert derivative(w).abs().sum() < 1  # torch cuts a longer first step off by the sum of the gradient's sizes
    theirs = torch.optim.LBFGS(
        [leaf], lr=0.9, max_iter=1, history_size=5, tolerance_grad=0, tolerance_change=0, line_search_fn=None
    )

    def closure():
        leaf.grad = derivative(leaf.detach())
        return leaf.grad.norm()

    ours = spec.make("optimizer", "lbfgs:history=5")
    state = ours.start(w)
    for _ in range(15):
        ours.step(w, derivative(w), state, 0.9)
        theirs.step(closure)
        torch.testing.assert_close(w, leaf.detach(), rtol=1e-7, atol=1e-9)
    assert float((w - best).norm()) < 0.01 < 0.02 < float((start - best).norm())


@pytest.mark.parametrize("name", ["nadam", "radam", "adagrad", "lion", "lbfgs"])
def test_a_learning_rate_for_each_parameter(name):
    optimizer, derivative = registry.optimizers[name](), least_squares()[0]
    rates = torch.tensor([0.01, 0.0, 0.02, 0.01, 0.01, 0.0, 0.005, 0.01], dtype=torch.float64)
    one, vector, several = (torch.ones(8, dtype=torch.float64) for _ in range(3))
    states = [optimizer.start(each) for each in (one, vector, several)]
    for _ in range(12):
        for params, state, alpha in zip((one, vector, several), states, (0.01, torch.full_like(rates, 0.01), rates)):
            optimizer.step(params, derivative(params), state, alpha)
        assert torch.equal(one, vector)
    assert torch.equal(several == 1, rates == 0)


def test_lbfgs_fits_a_whole_table_in_few_steps():
    x, y = load_diabetes(return_X_y=True)
    x, y = (torch.from_numpy((each - each.mean(0)) / each.std(0)) for each in (x, y))
    last = {}
    for optimizer, alpha in (("lbfgs", None), ("adam", 0.1)):
        model = Model([Dense(units=8, activation="tanh"), Dense(units=1)], "mean_squared_error")
        options = {"optimizer": optimizer, "alpha": alpha, "batch": len(x), "epochs": 80, "progress": False}
        last[optimizer] = model.fit(x, y, **options)[-1].loss
    assert last["lbfgs"] < 0.35 < 0.4 < last["adam"]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_lbfgs_stays_finite_until_there_is_nothing_left_to_learn(activation):
    x, y = load_wine(return_X_y=True)
    layers = [Dense(units=16, activation=activation), Dense(units=3, activation="softmax")]
    model = Model(layers, "categorical_cross_entropy")
    x = (x - x.mean(0)) / x.std(0)
    history = model.fit(x, y, batch=len(x), epochs=100, optimizer="lbfgs", progress=False)
    assert history[-1].loss < 1e-9 < history[15].loss < 1e-2


def test_no_step_of_lbfgs_is_longer_than_alpha():
    optimizer, derivative = spec.make("optimizer", "lbfgs"), lambda w: w**3 - w
    w = torch.tensor([0.1, 30.0, -1e6])
    state, longest = optimizer.start(w), 0.0
    for _ in range(30):
        before = w.clone()
        optimizer.step(w, derivative(w), state, 0.5)
        longest = max(longest, float((w - before).norm()))
    assert longest == pytest.approx(0.5, rel=0.1)


def test_dropout_drops_its_rate_and_keeps_the_mean():
    layer = spec.make("layer", "dropout:rate=0.3")
    y, _ = layer.forward({}, torch.ones(1000, 100), rng())
    assert abs(float((y == 0).float().mean()) - 0.3) < 0.01 and abs(float(y.mean()) - 1) < 0.01
    assert set(np.round(y.unique().tolist(), 5)) == {0.0, round(1 / 0.7, 5)}
