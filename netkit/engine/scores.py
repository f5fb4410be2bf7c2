"""Scores of some rows as data and as text. This imports no torch, so that `netkit describe` need not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from netkit.engine.text_table import aligned

__all__ = ["Scores", "compared_parts"]

ABOUT = ("rows", "intervals", "baseline", "always")
"""What is saved of them."""
WIDE = 80
"""A confusion matrix that is wider is told as its most frequent mistakes."""


class Scores(dict[str, float]):
    """The mean loss and the metrics of some rows by their names; `print` shows all that there is to know of them."""

    rows: int = 0
    intervals: Mapping[str, tuple[float, float]] = MappingProxyType({})
    """Of each score, 95 %: from, to."""
    baseline: Mapping[str, float] = MappingProxyType({})
    """What a model without inputs would score on the same rows."""
    always: bool | int | float | str | None = None
    """What that model answers: the most frequent class, or the mean."""
    labels: Sequence[bool | int | float | str] = ()
    """The classes; of two the second is the positive one."""
    by_class: Mapping[str, Sequence[float]] = MappingProxyType({})
    """Metrics that score each class against all others."""
    confusion: Sequence[Sequence[int]] = ()
    """How many rows of each class, down, are taken for each, across."""

    def __init__(self, values: Mapping[str, float], **about: Any) -> None:
        super().__init__(values)
        vars(self).update(about)

    @classmethod
    def from_json(cls, values: Mapping[str, float], about: Mapping[str, Any]) -> Scores:
        """Of what `about` gave. Raises `msgspec.ValidationError` for values of other types."""
        hints = get_type_hints(cls)
        return cls(values, **{name: msgspec.convert(about[name], hints[name]) for name in ABOUT if name in about})

    def to_json(self) -> dict[str, Any]:
        """What a model file has beside the scores."""
        return {name: msgspec.to_builtins(vars(self)[name]) for name in ABOUT if name in vars(self)}

    @property
    def classes(self) -> list[dict[str, Any]]:
        """Each class with its rows, and what it scores against all others."""
        return [
            {"label": label, "rows": sum(row), **{name: values[place] for name, values in self.by_class.items()}}
            for place, (label, row) in enumerate(zip(self.labels, self.confusion))
        ]

    def report(self) -> dict[str, Any]:
        """All of it as plain data."""
        positive = {"positive": self.labels[1]} if len(self.labels) == 2 else {}
        about = {name: getattr(self, name) for name in (*ABOUT, "labels", "confusion")}
        return {"scores": dict(self), **about, **positive, "classes": self.classes}

    def __str__(self) -> str:
        return "\n".join([*_told(self), *_told_classes(self)])


def compared_parts(parts: Mapping[str, Scores], chose: str = "") -> list[str]:
    """A table of scores by the part of the rows, their intervals below them, and of the first part the baseline.

    chose: the part which decided what epoch is kept, whose scores flatter for that.
    """
    first = next(iter(parts.values()))
    heads = [["", *parts, *(["baseline"] if first.baseline else [])]]
    if chose in parts or first.baseline:
        said = ["(chose the epoch)" if part == chose else "" for part in parts]
        heads.append(["", *said, *([_short(first.always)] if first.baseline else [])])
    rows = [["rows", *(str(scores.rows) for scores in parts.values())]]
    for name in first:
        told = [number(scores, name) for scores in (*parts.values(), first.baseline)]
        rows.append([name, *told])
        ranges = [interval(scores, name) for scores in parts.values()]
        rows += [["  95 %", *ranges]] if any(ranges) else []
    return aligned([*heads, *rows])


def number(scores: Mapping[str, float], name: str) -> str:
    """A score in four digits, or nothing."""
    return f"{scores[name]:.4g}" if name in scores else ""


def interval(scores: Scores, name: str) -> str:
    """Its ends in three digits, or nothing."""
    return "{:.3g} to {:.3g}".format(*scores.intervals[name]) if name in scores.intervals else ""


def _told(scores: Scores) -> list[str]:
    rows = [[name, number(scores, name), interval(scores, name), number(scores.baseline, name)] for name in scores]
    head, said = ["", "score", "95 %"], ""
    if scores.baseline:
        head, said = [*head, "baseline"], f"; baseline: always {_short(scores.always)}"
    return [f"{scores.rows} rows{said}", *aligned([head, *rows])]


def _told_classes(scores: Scores) -> list[str]:
    if not scores.confusion:
        return []
    labels, many = [_short(label) for label in scores.labels], len(scores.labels)
    matrix = [[str(count) for count in row] for row in scores.confusion]
    shares = [[str(each["rows"]), *(number(each, name) for name in scores.by_class)] for each in scores.classes]
    heads = [[f"{place}" for place in range(1, many + 1)], ["rows", *scores.by_class]]
    names = [f"{place} {label}" for place, label in enumerate(labels, 1)]
    whole = aligned([["", *heads[0], *heads[1]], *([name, *a, *b] for name, a, b in zip(names, matrix, shares))])
    positive = [f"positive: {labels[1]}"] if many == 2 else []
    if max(map(len, whole)) <= WIDE:
        return ["", *positive, "rows of each class, and what they are taken for", *whole]
    few = aligned([["", *heads[1]], *([name, *b] for name, b in zip(labels, shares))])
    return ["", *few, *_mistakes(scores.confusion, labels)]


def _mistakes(matrix: Iterable[Iterable[int]], labels: Sequence[str], most: int = 10) -> list[str]:
    """The most frequent ones."""
    wrong = [(-count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count]
    return [
        "",
        "most frequent mistakes",
        *(f"  {labels[i]} taken for {labels[j]}: {-count}" for count, i, j in sorted(wrong)[:most]),
    ]


def _short(label: Any) -> str:
    text = f"{label:.4g}" if isinstance(label, float) else str(label)
    text = text if text.isprintable() else repr(text)  # a line of its own would be no row of the table
    return text if len(text) <= 20 else f"{text[:17]}..."
