"""A model together with the encoding of its table: what `netkit train` saves and `netkit predict` loads."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netkit.engine.history import History
from netkit.engine.progress import check_callbacks
from netkit.engine.rows import RowStream
from netkit.engine.scoring import evaluate
from netkit.engine.targets import make_metrics
from netkit.errors import ModelFileError, SettingError
from netkit.files.checkpoint import Checkpoint, Checkpoints
from netkit.files.header import read_header
from netkit.kinds import Epoch
from netkit.model import Model, load
from netkit.registry.culprit import naming_plugins
from netkit.tables.encoding import Encoding, TableRows
from netkit.tables.features import Features, unseen_notes
from netkit.tables.interruption import Interrupted
from netkit.tables.read import batches, source_of
from netkit.tables.rows import FoundRows, find_rows
from netkit.tables.run import fit
from netkit.tables.settings import Settings, options
from netkit.tables.target import Target

__all__ = ["TableModel"]

logger = logging.getLogger("netkit")


@dataclass
class TableModel:
    """Features turn columns into inputs, the model inputs into outputs, and the target outputs into labels.

    What takes `data` takes what `netkit.train` takes, and `reader`, `separator` and `decimal`. What there is to know
    about the data goes to the logger `netkit`.
    """

    features: Features
    model: Model
    target: Target
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
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
        return cls(features, model, target, dict(header.scores), header.training)

    def save(self, path: str | Path) -> None:
        """To one file, whole or not at all."""
        about = {"features": self.features.to_json(), "target": self.target.to_json()}
        self.model.save(path, **about, scores=self.scores, training=self.training, encoders=self.features.encoders)

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
        fitted = fit(self.model, *parts, settings, checkpoints, resumed, callbacks, self.target.unscale)
        fitted.check()
        self.history, self.training = fitted.history, {"seed": settings.seed, "rows": len(parts.training)}
        named = {"validation": parts.validation, "training": parts.training}
        metrics = settings.metric or None
        self.scores = {name: self.score_of(part, metrics) for name, part in named.items() if part is not None}
        for name, values in self.scores.items():
            logger.info("%10s  %s", name, "  ".join(f"{metric} {value:.4g}" for metric, value in values.items()))
        if settings.out is not None:
            self.save(settings.out)
            logger.info("saved %s", settings.out)
        if isinstance(fitted.trouble, Interrupted):
            fitted.trouble.model = self
        if fitted.trouble:
            raise fitted.trouble
        return self

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
    def evaluate(self, data: Any, metrics: Sequence[Any] | None = None, **dialect: Any) -> dict[str, float]:
        """The mean loss (of the standardised target, in a regression) and metrics in the target's own units, of the
        rows of a table that have a target."""
        source = source_of(data, text=self.encoding.text, spelled=self.encoding.exact, **dialect)
        rows = TableRows(self.encoding, batches(source))
        scores = self.score_of(rows, metrics)
        for note in rows.notes:
            logger.warning(note)
        return scores

    def score(self, data: Any, metric: Any = None, **dialect: Any) -> float:
        """One metric, by default the one that belongs to the loss (accuracy, r2), of the rows of a table."""
        loss, *scores = self.evaluate(data, None if metric is None else [metric], **dialect).values()
        return scores[0] if scores else loss

    def score_of(self, rows: RowStream, metrics: Sequence[Any] | None = None) -> dict[str, float]:
        """The same as `evaluate`, of rows that are encoded already; weights of rows count in the loss."""
        chosen = make_metrics(self.model.loss, metrics)
        return evaluate(self.model.network, self.model.loss, rows, chosen, self.target.unscale)
