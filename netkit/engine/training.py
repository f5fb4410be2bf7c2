"""Mini-batch gradient descent as a generator of `Epoch` records. It prints nothing and can be stopped anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.network import Network
from netkit.engine.program.steps import Plain, Planned
from netkit.engine.rows import Dataset
from netkit.engine.scoring import evaluate
from netkit.errors import DivergenceError, SettingError
from netkit.kinds import Loss, Metric
from netkit.tensors import within_memory

__all__ = ["Epoch", "Recipe", "Run"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows. Losses are means over rows; `loss` is that of each row when it was learnt from."""

    number: int
    loss: float
    metrics: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    """`loss` and the metrics on the validation rows; empty without any."""
    best: bool = False
    """Whether this is better than every epoch before it, by validation loss, or by `loss` without validation rows."""


PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How to train. Raises `SettingError` for values that make no sense."""

    batch: int = 32
    epochs: int = 100
    alpha: float | None = None
    optimizer: Any = None
    shuffle: bool = True
    keep_best: bool = False
    """Leave the weights of the best epoch behind, whatever ends the run; else those of the last."""
    plan: bool = True
    """Run steps as `netkit.engine.program.plan` binds them; else as `Network.learn` spells them out. The numbers differ by rounding."""
    patience: int | None = None
    """Epochs without a better one after which training stops; None never stops early."""
    clip: float | None = None
    """Longest gradient: one of a larger norm, over all parameters, is scaled down to it; None lets all pass."""
    precision: str = "float32"
    """float32, or bfloat16 for the operands of large products in a planned step: faster, and right to three digits."""
    schedule: Any = None
    """How alpha changes on the way, step by step; None keeps it."""
    average: float | None = None
    """Decay of the running mean of the weights, such as 0.999: it is judged and left behind instead of the last weights,
    which go on training. At step t from 0 the decay is at most (1 + t) / (10 + t), so that the mean forgets the start: a
    tenth or so of all steps count (Shamir and Zhang 2013, arXiv:1212.1824). None takes no mean."""

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "patience"):
            value = getattr(self, name)
            if name == "patience" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SettingError(f"{name}: a whole number of at least 1 is needed, got {value!r}")
        if self.precision not in PRECISIONS:
            raise SettingError(f"precision: {' or '.join(PRECISIONS)} is needed, got {self.precision!r}")
        for name in ("alpha", "clip"):
            value = getattr(self, name)
            if value is not None and not (
                isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
            ):
                raise SettingError(f"{name}: a finite number above 0 is needed, got {value!r}")
        if self.average is not None and not (isinstance(self.average, (int, float)) and 0 <= self.average < 1):
            raise SettingError(f"average: a number from 0 to below 1 is needed, got {self.average!r}")


class Run:
    """A network in training on a source of rows, at some point of the way: the epochs that are done, and the batches of
    the present one. `epochs` goes on from there.

    shuffling, noise: where the order of the rows and the layers' random numbers come from. rest: called whenever a few
    batches are done and the network is at rest, and behind each record of an epoch; it may end the run by raising.
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
        rest: Callable[[Run], Any] | None = None,
    ) -> None:
        self.network, self.loss, self.source, self.recipe = network, loss, source, recipe
        self.shuffling, self.noise = shuffling, noise
        self._metrics, self.validation, self._rest = metrics, validation, rest or (lambda run: None)
        self.optimizer = spec.make("optimizer", recipe.optimizer)
        self.state: dict[str, Any] = self.optimizer.start(network.params)
        self.alpha: float = self.optimizer.alpha if recipe.alpha is None else recipe.alpha
        self.steps, self.epoch, self.row, self.batches, self.total = 0, 0, 0, 0, 0.0
        """Steps and epochs that are done; of the present epoch the rows and batches that are done, and the sum of their
        losses."""
        self.best, self.best_epoch, self.idle, self.kept = math.inf, 0, 0, network.params.clone()
        """The lowest loss after an epoch, which one that was, the epochs since, and the weights there."""
        self.order = shuffling.get_state()
        """What the order of the present epoch's rows is drawn from."""
        self.averaged = network.params if recipe.average is None else network.params.clone()
        """The weights that count: the running mean, else the network's own."""
        self._sound = network.params.clone()

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or as many as patience grants without a better one."""
        patience = self.recipe.patience
        return self.epoch >= self.recipe.epochs or (patience is not None and self.idle >= patience)

    def epochs(self) -> Generator[Epoch]:
        """Train the network in place, one `Epoch` at a time.

        Raises `DivergenceError` when loss or weights stop being finite; the network then has the last finite weights.
        """
        learner, update = self._learner(), self._update()
        try:
            while not self.over:
                with within_memory(
                    f"batch: {self.recipe.batch} rows a step and {self.network.params.numel()} parameters"
                ):
                    record = self._pass(learner, update)
                with self._weights_that_count():
                    yield record
                self._rest(self)
        finally:
            kept = self.recipe.keep_best and self.best < math.inf
            self.network.params.copy_(self.kept if kept else self.averaged)

    def _pass(self, learner: Plain | Planned, update: Callable[[], Any]) -> Epoch:
        """What is left of one epoch."""
        self._sound.copy_(self.averaged)
        if self.row:
            self.shuffling.set_state(self.order)
        else:
            self.order, self.batches, self.total = self.shuffling.get_state(), 0, 0.0
        for window in self.source.windows(self.shuffling if self.recipe.shuffle else None, self.row):
            learner.learn(window, update, self._learned)
        if not bool(torch.isfinite(self.network.params).all()):
            self._diverged(self.batches)
        with self._weights_that_count():
            record = self._judged(self.total / len(self.source))
        self.epoch, self.row = self.epoch + 1, 0
        self.idle = 0 if record.best else self.idle + 1
        return record

    def _learned(self, sums: Tensor, rows: int) -> None:
        """After a few batches of so many rows, with the sum of the losses in each."""
        good = torch.isfinite(sums)
        if not bool(good.all()):
            self._diverged(self.batches + int((~good).nonzero()[0]) + 1)
        self.total += float(sums.double().sum())
        self.steps, self.batches = self.steps + len(sums), self.batches + len(sums)
        self.row += rows
        if self.row < len(self.source):
            self._rest(self)

    def _judged(self, value: float) -> Epoch:
        """The record of an epoch with this mean loss; keeps the weights if they are the best so far."""
        network, loss, metrics = self.network, self.loss, self._metrics
        scores = evaluate(network, loss, self.source, metrics) if metrics else {}
        judged = evaluate(network, loss, self.validation, metrics) if self.validation is not None else {}
        current = judged.get("loss", value)
        better = current < self.best
        if better:
            self.best, self.best_epoch = current, self.epoch + 1
            if self.recipe.keep_best:
                self.kept.copy_(network.params)
        scores.pop("loss", None)
        return Epoch(self.epoch + 1, value, scores, judged, best=better)

    @contextmanager
    def _weights_that_count(self) -> Iterator[None]:
        """They are the network's while this lasts."""
        params = self.network.params
        learning = None if self.averaged is params else params.clone()
        params.copy_(self.averaged)
        try:
            yield
        finally:
            if learning is not None:
                params.copy_(learning)

    def _learner(self) -> Plain | Planned:
        network, loss, recipe, noise = self.network, self.loss, self.recipe, self.noise
        if not recipe.plan:
            return Plain(network, loss, recipe.batch, noise)
        return Planned(network, loss, recipe.batch, noise, recipe.precision)

    def _update(self) -> Callable[[], Any]:
        """One step of the optimizer, and what goes by its number."""
        step, alpha, recipe = self._step(), self.alpha, self.recipe
        if recipe.schedule is None and recipe.average is None:
            return partial(step, alpha)
        factor = spec.make("schedule", recipe.schedule) if recipe.schedule is not None else lambda done: 1.0
        numbers, total = count(self.steps), recipe.epochs * self.source.steps(recipe.batch)

        def update() -> None:
            number = next(numbers)
            step(alpha * factor(min(number / total, 1.0)))
            if recipe.average is not None:
                decay = min(recipe.average, (1 + number) / (10 + number))
                self.averaged.lerp_(self.network.params, 1 - decay)

        return update

    def _step(self) -> Callable[[float], Any]:
        """One step of the optimizer as a function of alpha."""
        params, grads, clip = self.network.params, self.network.grads, self.recipe.clip
        step: Callable[[float], Any] = lambda alpha: self.optimizer.step(params, grads, self.state, alpha)  # noqa: E731
        if self.recipe.plan and self.optimizer.bind_step is not None:
            step = self.optimizer.bind_step(params, grads, self.state)
        if clip is None:
            return step

        def clipped(alpha: float) -> None:
            norm = float(grads.norm())
            if norm > clip:
                grads.mul_(clip / norm)
            step(alpha)

        return clipped

    def _diverged(self, batch: int) -> None:
        """Put the last finite weights back and raise `DivergenceError`."""
        self.network.params.copy_(self._sound)
        self.averaged.copy_(self._sound)
        raise DivergenceError(
            f"training diverged in epoch {self.epoch + 1}, batch {batch}: loss or weights are nan or infinite; "
            f"try a smaller alpha than {self.alpha:g}, or standardise the inputs"
        )
