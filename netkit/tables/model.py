"""A model together with the encoding of its table: what `netkit train` saves and `netkit predict` loads."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netkit.engine.evaluation import Evaluation, constant_outputs
from netkit.engine.history import History
from netkit.engine.progress import check_callbacks
from netkit.engine.rows import RowStream
from netkit.engine.scores import Scores, compared_parts
from netkit.engine.scoring import losses
from netkit.engine.targets import make_metrics, reported
from netkit.errors import ModelFileError, SettingError
from netkit.files.checkpoint import Checkpoint, Checkpoints
from netkit.files.header import read_header
from netkit.kinds import Epoch, Metric
from netkit.model import Model, load
from netkit.registry.culprit import naming_plugins
from netkit.tables.encoding import Encoding, TableRows
from netkit.tables.features import Features, unseen_notes
from netkit.tables.interruption import Interrupted
from netkit.tables.read import batches, source_of
from netkit.tables.rows import FoundRows, Parts, find_rows
from netkit.tables.run import fit
from netkit.tables.settings import Settings, options
from netkit.tables.target import Target

__all__ = ["TableModel"]

logger = logging.getLogger("netkit")


@dataclass(repr=False)
class TableModel:
    """Features turn columns into inputs, the model inputs into outputs, and the target outputs into labels.

    What takes `data` takes what `netkit.train` takes, and `reader`, `separator` and `decimal`. What there is to know
    about the data goes to the logger `netkit`.
    """

    features: Features
    model: Model
    target: Target
    scores: dict[str, Scores] = field(default_factory=dict)
    """What the kept weights are worth, by the part of the rows: loss and metrics."""
    training: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    """The record of every epoch; it is not saved."""

    @classmethod
    def load(cls, path: str | Path) -> TableModel:
        """From a file. Raises `ModelFileError` also for a model that was saved without a table."""
        header = read_header(path)
        if header.features is None or header.target is None:
            raise ModelFileError(f"{path}: was saved without a table's preparation; use netkit.load in Python")
        model = load(path)  # first, since it tells which component is not installed
        features, target = Features.from_json(header.features), Target.from_json(header.target)
        if model.network.in_shape != (features.width,):
            raise ModelFileError(
                f"{path}: {features.width} encoded inputs do not fit layers for {model.network.in_shape}"
            )
        return cls(features, model, target, header.scored, header.training)

    def save(self, path: str | Path) -> None:
        """To one file, whole or not at all."""
        about = {"features": self.features.to_json(), "target": self.target.to_json()}
        about |= {"scores": self.scores, "evaluation": {part: each.to_json() for part, each in self.scores.items()}}
        self.model.save(path, **about, training=self.training, encoders=self.features.encoders)

    def __repr__(self) -> str:
        """Its target, columns and layers, and what it scored."""
        target, count = f"{self.target.name}: {self.target.task}", len(self.features.columns)
        scores = compared_parts(self.scores) if self.scores else []
        return "\n".join([f"TableModel of {target}, from {count} columns: {self.model!r}", *scores])

    @property
    def encoding(self) -> Encoding:
        """How rows become inputs and targets."""
        return Encoding(self.features, self.target)

    @naming_plugins
    def fit(self, data: Any, *, callbacks: Sequence[Callable[[Epoch], Any]] = (), **settings: Any) -> TableModel:
        """Go on training on the rows of a table, from the present weights and with the encoding as it is.

        settings: those of `netkit.train` that say how to train. The model itself is changed, and returned. Raises as
        `netkit.train` does.
        """
        check_callbacks(callbacks)
        return self.trained(find_rows(data, self._chosen(settings), self.encoding), callbacks=callbacks)

    def trained(
        self,
        rows: FoundRows,
        checkpoints: Checkpoints | None = None,
        resumed: Checkpoint | None = None,
        callbacks: Sequence[Callable[[Epoch], Any]] = (),
    ) -> TableModel:
        """Train on rows that were found, score and save as their settings say. Raises what ended the training too
        early, when the weights that are kept are saved."""
        settings, parts = rows.settings, rows.parts(self.encoding, self.model.network)
        fitted = fit(self.model, parts, settings, checkpoints, resumed, callbacks, self.target.unscale)
        fitted.check()
        self.history, self.training = fitted.history, fitted.record(settings)
        self._score(parts, settings.metric or None)
        for line in compared_parts(self.scores, "training" if parts.validation is None else "validation"):
            logger.info(line)
        self._doubt()
        if settings.out is not None:
            self.save(settings.out)
            logger.info("saved %s", settings.out)
        if isinstance(fitted.trouble, Interrupted):
            fitted.trouble.model = self
        if fitted.trouble:
            raise fitted.trouble
        return self

    def _score(self, parts: Parts, metrics: Sequence[Any] | None) -> None:
        """Score the kept weights on all parts, those first that the model has not seen."""
        chosen = make_metrics(self.model.loss, metrics)
        training, mean = self._evaluated(parts.training, chosen)
        self.training["baseline"] = constant_outputs(self.model.loss, mean).tolist()
        held_out = {"test": parts.test, "validation": parts.validation}
        self.scores = {
            part: self._evaluated(rows, chosen)[0] for part, rows in held_out.items() if rows is not None
        } | {"training": training}

    def _doubt(self) -> None:
        """Say so where the columns have told nothing."""
        first = next(iter(self.scores.values()))
        constant = first.baseline.get("loss", math.inf)
        for part, scores in self.scores.items():
            if scores["loss"] >= constant:
                told = f"loss {scores['loss']:.4g} on {part} rows, and to answer always {first.always}"
                logger.warning("%s: no better than no model: %s has %.4g", self.target.name, told, constant)
                return

    def _evaluated(self, rows: RowStream, metrics: Mapping[str, Metric]) -> tuple[Scores, Tensor]:
        """What rows score, beside a model without inputs where that is known, and their mean target."""
        loss, target = self.model.loss, self.target
        baseline = self._baseline
        evaluation = Evaluation(loss, metrics, target.unscale, baseline)
        for block in losses(self.model.network, loss, rows):
            evaluation.add(*block)
        scores = evaluation.scores()
        scores.labels = target.labels
        if baseline is not None:
            [scores.always] = target.decode(baseline[None], loss.threshold)
        return scores, evaluation.mean_target

    @property
    def _baseline(self) -> Tensor | None:
        """The outputs of a model without inputs, (units,), where the training rows told them."""
        found = self.training.get("baseline")  # of a file that may say anything
        if not isinstance(found, list) or len(found) != self.target.width:
            return None
        if not all(type(each) in (int, float) and abs(each) < math.inf for each in found):
            return None
        return torch.tensor(found, dtype=torch.float64)

    def _chosen(self, given: Mapping[str, Any]) -> Settings:
        for name, option in options().items():
            if option.model and name in given:
                raise SettingError(f"{name}: a trained model keeps its own; netkit.train makes another")
        if "checkpoint" in given:
            raise SettingError("checkpoint: only a run of netkit.train can be resumed, not one of TableModel.fit")
        return Settings.of({"target": self.target.name, "loss": self.model.loss, **given})

    @naming_plugins
    def outputs(self, data: Any, **dialect: Any) -> Tensor:
        """The network's outputs for each row of a table, (n, units)."""
        return torch.cat([*self.batches(data, **dialect)])

    def batches(self, data: Any, **dialect: Any) -> Iterator[Tensor]:
        """The same for one batch of rows after another, in bounded memory."""
        source, unseen = source_of(data, text=self.encoding.text, **dialect), Counter[str]()
        for inputs, _ in self.encoding.inputs(batches(source), unseen):
            yield self.model.forward(inputs)
        for note in unseen_notes(unseen):
            logger.warning(note)

    def predict(self, data: Any, **dialect: Any) -> list[Any]:
        """The target of each row of a table, as it was written in the training table."""
        return self.labels(self.outputs(data, **dialect))

    def labels(self, outputs: Tensor) -> list[Any]:
        """Outputs as values of the target column."""
        return self.target.decode(outputs, self.model.loss.threshold)

    def check_probabilities(self) -> None:
        """Raise `SettingError` where outputs are no probabilities of classes."""
        head = self.model.network.links[-1].activation
        if head is None or head.outputs == "real":
            name = self.target.name
            raise SettingError(f"{name}: this model has no class probabilities, its outputs are plain values")

    def probabilities(self, outputs: Tensor) -> list[list[float]]:
        """Of outputs (n, units) the probabilities of each class, n in a list, in the order of `target.labels`."""
        columns = outputs.T if outputs.shape[1] > 1 else [1 - outputs[:, 0], outputs[:, 0]]
        return [values.tolist() for values in columns]

    @naming_plugins
    def evaluate(self, data: Any, metrics: Sequence[Any] | None = None, **dialect: Any) -> Scores:
        """The mean loss (of the standardised target, in a regression) and metrics in the target's own units, of the
        rows of a table that have a target: a dictionary by their names, which prints as a report with intervals, a
        baseline and the confusion of classes. Without `metrics` those that belong to the task."""
        source = source_of(data, text=self.encoding.text, spelled=self.encoding.exact, **dialect)
        rows = TableRows(self.encoding, batches(source))
        chosen = reported(self.model.loss, self.target.width) if metrics is None else metrics
        scores, _ = self._evaluated(rows, make_metrics(self.model.loss, chosen))
        for note in rows.notes:
            logger.warning(note)
        return scores

    def score(self, data: Any, metric: Any = None, **dialect: Any) -> float:
        """One metric, by default the one that belongs to the loss (accuracy, r2), of the rows of a table."""
        chosen = metric or self.model.loss.metric
        loss, *scores = self.evaluate(data, [chosen] if chosen else [], **dialect).values()
        return scores[0] if scores else loss
