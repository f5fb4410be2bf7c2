"""A model together with the preparation of its table: what `netkit train` saves and `netkit predict` loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Generator, Tensor

from netkit.engine.rows import Rows, RowStream, Window
from netkit.engine.scoring import evaluate, make_metrics
from netkit.errors import ModelFileError
from netkit.files import model_file
from netkit.model import Model
from netkit.tables.columns import all_missing, column, lost_rows, rows_from, with_value
from netkit.tables.features import Features
from netkit.tables.read import pieces, read
from netkit.tables.target import Target

__all__ = ["Passing", "TableModel"]


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
        header = model_file.read_header(path)
        if header.features is None or header.target is None:
            raise ModelFileError(f"{path}: was saved without a table's preparation; use netkit.load in Python")
        features, target = Features.from_json(header.features), Target.from_json(header.target)
        model = model_file.load(path)
        if model.network.in_shape != (features.width,):
            raise ModelFileError(
                f"{path}: {features.width} prepared inputs do not fit layers for {model.network.in_shape}"
            )
        return cls(features, model, target, dict(header.scores), header.training)

    def save(self, path: str | Path) -> None:
        """To one file, whole or not at all."""
        about = {"features": self.features.to_json(), "target": self.target.to_json()}
        model_file.save(self.model, path, **about, scores=self.scores, training=self.training)

    def read(self, data: Any, **written: Any) -> pa.Table:
        """The table in anything that `netkit.tables.read.read` takes, text where training had text. Raises `DataError`."""
        return read(data, text=self.text, **written)

    @property
    def text(self) -> list[str]:
        """The columns that are text whatever their values look like."""
        words = any(isinstance(label, str) for label in self.target.classes)
        return [*self.features.text, *([self.target.name] if words else [])]

    def outputs(self, data: Any) -> Tensor:
        """The network's outputs for each row of a table, (n, units)."""
        return self.model.forward(self.features.transform(self.read(data)))

    def predict(self, data: Any) -> list[Any]:
        """The target of each row of a table, as it was written in the training table."""
        return self.labels(self.outputs(data))

    def portions(self, data: Any, **written: Any) -> Iterator[Tensor]:
        """The same for one piece of a table after another, in bounded memory; `features.notes` adds up."""
        for inputs, _ in self.prepared(pieces(data, text=self.text, **written)):
            yield self.model.forward(inputs)

    def prepared(self, tables: Iterable[pa.Table]) -> Iterator[tuple[Tensor, pa.Table]]:
        """The inputs for each piece of a table, and the piece."""
        rows, unseen = 0, Counter[str]()
        for table in tables:
            with rows_from(rows):
                inputs = torch.zeros(len(table), self.features.width)
                unseen.update(self.features.prepare(table, inputs))
            rows += len(table)
            self.features.note(unseen)
            yield inputs, table

    def labels(self, outputs: Tensor) -> list[Any]:
        """Outputs as values of the target column."""
        return self.target.decode(outputs, self.model.loss.threshold)

    def rows(self, table: pa.Table) -> Rows:
        """Inputs and targets of a table whose target is nowhere missing. Raises `DataError`."""
        return Rows(self.features.transform(table), self.target.encode(column(table, self.target.name)))

    def passage(self, data: Any, **written: Any) -> Passing:
        """The rows of a table, to be judged by piece by piece, in bounded memory."""
        return Passing(self, pieces(data, text=self.text, **written))

    def evaluate(self, source: RowStream, metrics: Sequence[Any] | None = None) -> Mapping[str, float]:
        """The mean loss (of the standardised target, in a regression) and metrics in the target's own units."""
        chosen = make_metrics(self.model.loss, metrics)
        return evaluate(self.model.network, self.model.loss, source, chosen, self.target.unscale)


class Passing:
    """The rows of a table with a target, gone through once, as it is read."""

    def __init__(self, model: TableModel, tables: Iterable[pa.Table]) -> None:
        self._model, self._tables, self._rows, self._lost = model, tables, 0, 0

    def __len__(self) -> int:
        """The number of rows that have passed."""
        return self._rows

    def windows(self, rng: Generator | None, start: int = 0) -> Iterator[Window]:
        """One window for each piece. Raises `DataError`."""
        target = self._model.target
        for inputs, table in self._model.prepared(self._present()):
            with rows_from(self._rows):
                rows = Rows(inputs, target.encode(column(table, target.name)))
            self._rows += len(rows)
            yield Window(rows, None, 0)
        if not self._rows:
            raise all_missing(target.name)

    @property
    def notes(self) -> list[str]:
        """What was left out, and what training never saw."""
        return [*lost_rows(self._model.target.name, self._lost), *self._model.features.notes]

    def _present(self) -> Iterator[pa.Table]:
        for table in self._tables:
            kept, lost = with_value(table, self._model.target.name)
            self._lost += lost
            yield kept
