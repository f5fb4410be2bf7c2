"""Mini-batch gradient descent as a generator of `Epoch` records. It prints nothing and can be stopped anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.initial import see_data
from netkit.engine.network import Network, loss_gradient
from netkit.engine.program import plan
from netkit.engine.rates import LayerSettings, Rates
from netkit.engine.recipe import Recipe
from netkit.engine.rows import Dataset, Window
from netkit.engine.scoring import evaluate
from netkit.engine.update import Update
from netkit.engine.weights import Weights
from netkit.errors import DivergenceError
from netkit.kinds import Epoch, Loss, Metric, Optimizer
from netkit.registry import current
from netkit.tensors import within_memory

__all__ = ["Run"]


class Run:
    """A network in training on a data set, at some point of the way: the epochs that are done, and the batches of the
    present one. `epochs` goes on from there.

    shuffling, noise: where the order of the rows and the layers' random numbers come from. on_pause: called whenever a
    few batches are done and the network is at rest, and after each record of an epoch; it may end the run by raising.
    decode: takes outputs and targets to the units that metrics are told in.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        source: Dataset,
        recipe: Recipe,
        shuffling: torch.Generator,
        noise: torch.Generator,
        metrics: Mapping[str, Metric],
        validation: Dataset | None = None,
        on_pause: Callable[[Run], Any] | None = None,
        decode: Callable[[Tensor], Tensor] = lambda values: values,
    ) -> None:
        self.network, self.loss, self.source, self.recipe = network, loss, source, recipe
        self.shuffling, self.noise, self._decode = shuffling, noise, decode
        self.validation, self._metrics, self._on_pause = validation, metrics, on_pause or (lambda run: None)
        self.optimizer: Optimizer = spec.make("optimizer", recipe.optimizer or current().optimizers.first())
        self.alpha: float = self.optimizer.alpha if recipe.alpha is None else recipe.alpha
        self.state: dict[str, Any] = self.optimizer.start(network.params)
        all_steps = recipe.epochs * source.steps(recipe.batch)
        rates = Rates(network, self.optimizer, self.alpha, recipe.schedule, recipe.schedules, all_steps)
        self._layer_settings = LayerSettings(network, recipe.schedules, recipe.epochs)
        self.steps = 0  # batches that are done
        self.epoch = 0  # epochs that are done
        self.row = 0  # of the present epoch, rows that are done
        self.batches = 0  # of the present epoch, batches that are done
        self.total = 0.0  # the sum of their losses
        self.best = math.inf  # the lowest loss after an epoch
        self.best_epoch = 0  # which one that was, from 1
        self.idle = 0  # epochs since then
        self.on_batches: Callable[[int, list[float]], Any] | None = None  # told of the last number and the mean losses
        self.order = shuffling.get_state()  # what the order of the present epoch's rows is drawn from
        see_data(network, source)
        self.weights = Weights(network, recipe.average)
        self._update = Update(network, self.state, rates, self.weights, recipe.clip)

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or as many as patience grants without a better one."""
        patience = self.recipe.patience
        return self.epoch >= self.recipe.epochs or (patience is not None and self.idle >= patience)

    def epochs(self) -> Generator[Epoch]:
        """Train the network in place, one `Epoch` at a time.

        Raises `DivergenceError` when loss or weights stop being finite; the network then has the last finite weights.
        """
        learn = self._planned() if self.recipe.plan else self._learn
        size = f"batch: {self.recipe.batch} rows a step and {self.network.params.numel()} parameters"
        try:
            while not self.over:
                with within_memory(size):
                    record = self._pass(learn)
                with self.weights.counting():
                    yield record
                self._on_pause(self)
        finally:
            self._layer_settings.reset()
            self.weights.leave(best=self.recipe.keep_best and self.best < math.inf)

    def _pass(self, learn: Callable[[Window], Any]) -> Epoch:
        """What is left of one epoch."""
        self.weights.remember()
        if self._layer_settings.set(self.epoch):
            plan.forget(self.network)
        if self.row:
            self.shuffling.set_state(self.order)
        else:
            self.order, self.batches, self.total = self.shuffling.get_state(), 0, 0.0
        for window in self.source.windows(self.shuffling if self.recipe.shuffle else None, self.row):
            learn(window)
        if not self.weights.finite:
            self._diverged(self.batches)
        with self.weights.counting():
            record = self._record(self.total / len(self.source))
        self.epoch, self.row = self.epoch + 1, 0
        self.idle = 0 if record.best else self.idle + 1
        return record

    def _learn(self, window: Window) -> None:
        """The steps through a window of rows, as they read: the reference."""
        network, loss, logits = self.network, self.loss, self.network.fuses(self.loss)
        for batch in window.batches(self.recipe.batch):
            trace = network.forward(batch.x, self.noise, logits)
            values, gradient = loss_gradient(loss, logits, trace.output, batch.target, batch.weight)
            network.backward(trace, gradient / len(batch), logits)
            total = values.sum()[None]
            if bool(total.isfinite()):  # else `_after_batches` ends the run
                network.keep_state(trace)
                self._update(self.steps)
            self._after_batches(total, len(batch))

    def _planned(self) -> Callable[[Window], Any]:
        """The same steps in buffers, with the optimizer bound to its vectors."""
        learn = partial(
            plan.learn, self.network, self.loss, step=self._update.bound(self.steps), on_pause=self._after_batches
        )
        return partial(learn, batch=self.recipe.batch, noise=self.noise, precision=self.recipe.precision)

    def _after_batches(self, sums: Tensor, rows: int) -> None:
        """After a few batches of so many rows, with the sum of the losses in each."""
        finite = torch.isfinite(sums)
        if not bool(finite.all()):
            self._diverged(self.batches + int((~finite).nonzero()[0]) + 1)
        self.total += float(sums.double().sum())
        self.steps, self.batches = self.steps + len(sums), self.batches + len(sums)
        self.row += rows
        if self.on_batches is not None:
            self.on_batches(self.steps, (sums * (len(sums) / rows)).tolist())
        if self.row < len(self.source):
            self._on_pause(self)

    def _record(self, value: float) -> Epoch:
        """The record of an epoch with this mean loss; keeps the weights if they are the best so far."""
        scored, metrics = partial(evaluate, self.network, self.loss), (self._metrics, self._decode)
        scores = scored(self.source, *metrics) if self._metrics else {}
        validation = scored(self.validation, *metrics) if self.validation is not None else {}
        current_loss = validation.get("loss", value)
        better = current_loss < self.best
        if better:
            self.best, self.best_epoch = current_loss, self.epoch + 1
            if self.recipe.keep_best:
                self.weights.keep()
        scores.pop("loss", None)
        return Epoch(self.epoch + 1, value, scores, validation, best=better)

    def _diverged(self, batch: int) -> None:
        """Put the last finite weights back and raise `DivergenceError`."""
        self.weights.recover()
        raise DivergenceError(
            f"training diverged in epoch {self.epoch + 1}, batch {batch}: loss or weights are nan or infinite; "
            f"try a smaller alpha than {self.alpha:g}, or standardise the inputs"
        )
