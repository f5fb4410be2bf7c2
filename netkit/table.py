"""A model together with the preparation of its table: what `netkit train` saves and `netkit predict` loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from netkit import checkpoint
from netkit.data.columns import column
from netkit.data.preparing import Features
from netkit.data.reading import read
from netkit.data.target import Target
from netkit.errors import ModelFileError
from netkit.model import Model
from netkit.rows import Rows, Source
from netkit.scoring import evaluate, make_metrics

__all__ = ["TableModel"]


@dataclass
class TableModel:
    """Features turn columns into inputs, the model inputs into outputs, and the target outputs into labels."""

    features: Features
    model: Model
    target: Target
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> TableModel:
        """From a file. Raises `ModelFileError` also for a model that was saved without a table."""
        header = checkpoint.read_header(path)
        if header.features is None or header.target is None:
            raise ModelFileError(f"{path}: was saved without a table's preparation; use netkit.load in Python")
        features, target = Features.from_json(header.features), Target.from_json(header.target)
        model = checkpoint.load(path)
        if model.network.in_shape != (features.width,):
            raise ModelFileError(f"{path}: {features.width} prepared inputs do not fit layers for {model.network.in_shape}")
        return cls(features, model, target, dict(header.scores), header.training)

    def save(self, path: str | Path) -> None:
        """To one file, whole or not at all."""
        about = {"features": self.features.to_json(), "target": self.target.to_json()}
        checkpoint.save(self.model, path, **about, scores=self.scores, training=self.training)

    def read(self, data: Any, separator: str | None = None, decimal: str = ".") -> pa.Table:
        """The table in anything that `netkit.data.reading.read` takes, text where training had text. Raises `DataError`."""
        words = any(isinstance(label, str) for label in self.target.classes)
        text = [*self.features.text, *([self.target.name] if words else [])]
        return read(data, separator=separator, decimal=decimal, text=text)

    def outputs(self, data: Any) -> Tensor:
        """The network's outputs for each row of a table, (n, units)."""
        return self.model.forward(self.features.transform(self.read(data)))

    def predict(self, data: Any) -> list[Any]:
        """The target of each row of a table, as it was written in the training table."""
        return self.labels(self.outputs(data))

    def labels(self, outputs: Tensor) -> list[Any]:
        """Outputs as values of the target column."""
        return self.target.decode(outputs, self.model.loss.threshold)

    def rows(self, table: pa.Table) -> Rows:
        """Inputs and targets of a table whose target is nowhere missing. Raises `DataError`."""
        return Rows(self.features.transform(table), self.target.encode(column(table, self.target.name)))

    def evaluate(self, source: Source, metrics: Sequence[Any] | None = None) -> Mapping[str, float]:
        """The mean loss (of the standardised target, in a regression) and metrics in the target's own units."""
        chosen = make_metrics(self.model.loss, metrics)
        return evaluate(self.model.network, self.model.loss, source, chosen, self.target.unscale)
