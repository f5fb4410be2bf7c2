"""What is promised of encoders: what is fitted is plain data, and each row is encoded by its own value alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from math import isclose
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import torch

from netkit import spec
from netkit.errors import NetkitError
from netkit.kinds import Encoder
from netkit.registry.guard import cause
from netkit.tables.encoders import READ, Column, summary_of
from netkit.testing.comparing import BrokenPromise, need, rng

__all__ = ["PROMISES"]

ROWS = 240
DAY = 86400.0
WORDS = ("red", "green", "blue", "a longer text, with a comma", "12.5", "2024-01-31", "ÄÖÜ ß", "日本", " ", "")
YEARS = (-62135596800.0, 253402214400.0)
"""From 0001-01-01 to 9999-12-31, in seconds since 1970."""


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


SAMPLES: dict[str, list[list[Any]]] = {
    "number": [
        [*_random(ROWS).tolist(), None, None],
        [*(1e6 + 3 * _random(ROWS)).tolist(), 1e12, -0.0],
        [float(row % 7) for row in range(ROWS)],
    ],
    "date": [[1.7e9 + DAY * row * 5.25 for row in range(ROWS)], [*(1.6e9 + 3600.0 * row for row in range(ROWS)), None]],
    "text": [
        [*(WORDS[row * row % len(WORDS)] for row in range(ROWS)), None],
        [*(f"{WORDS[row % 9]} of {row}" for row in range(ROWS)), *WORDS],
    ],
}
"""Columns to be fitted to."""
OTHERS: dict[str, list[Any]] = {
    "number": [None, 0.0, -1.5, 5e-324, 1e38, 1.7e308, -1.7e308, None],
    "date": [None, 0.0, *YEARS, 1e9 + 0.5, None],
    "text": [None, "", "never seen", "x" * 3000, "a\nb\t", "😀", "1e5", None],
}
"""What a later table may hold."""


def takes(component: Encoder) -> float:
    """it takes text, numbers or dates"""
    need(component.takes in READ, f"takes must be {' or '.join(READ)}, got {component.takes!r}")
    return 0.0


def fitted(component: Encoder) -> float:
    """what is fitted follows from the summary alone, and a summary is the same however the column is cut"""
    for values, summary, column in _each(component):
        again = _fit(component, summary)
        need(again == column, f"fit gives another state for the same summary: {_state(again)}, not {_state(column)}")
        for cut in (1, 100, ROWS - 1):
            pieces = [_fed(component, values.slice(0, cut), values.slice(cut)), _fed(component, values.slice(0, cut))]
            with _blamed("merge"):
                pieces[1].merge(_fed(component, values.slice(cut)))
            for how, piece in zip(("fed in two pieces", "of two merged summaries"), pieces):
                other = _fit(component, piece)
                rule = f"the state {how}, cut at {cut}, is {_state(other)}, not {_state(column)}"
                need(_alike(_state(other), _state(column)), rule)
    return 0.0


def stored(component: Encoder) -> float:
    """the state survives JSON: a model that was loaded encodes as the one that was saved"""
    for values, _, column in _each(component):
        with _blamed("the state"):
            written = json.loads(json.dumps(msgspec.to_builtins(column.state)))
            again = Column.of(column.name, component, msgspec.convert(written, component.State))
        need(again == column, f"the state is {_state(again)} once it is loaded, not {_state(column)}")
        need(np.array_equal(_encoded(again, values), _encoded(column, values)), "a loaded state gives other inputs")
    return 0.0


def named(component: Encoder) -> float:
    """there are as many names as inputs, all different, and those of two columns too"""
    for _, _, column in _each(component):
        with _blamed("names"):
            other = Column.of("other", component, column.state)
        need(len(other.inputs) == len(column.inputs), "names: their number depends on the name of the column")
        both = set(column.inputs) & set(other.inputs)
        need(not both, f"names: two columns have inputs of one name, {sorted(both)}: put the column's name into each")
        with _blamed("treatment or note"):
            told = {"treatment": column.treatment, "note": column.note}
        for what, words in told.items():
            need(len(words) <= 200, f"{what} is a few words, got {len(words)} characters")
    return 0.0


def by_rows(component: Encoder) -> float:
    """each row is encoded by its own value alone: in any order, any number of them at once, in several threads"""
    for values, _, column in _each(component):
        values = pa.concat_arrays([values, _array(component, OTHERS[component.takes])])
        whole, rows = _encoded(column, values), len(values)
        need(len(np.unique(whole, axis=0)) > 1, "transform must write into inputs, which stay the same for every value")
        for size in (1, 7, 128):
            pieces = [values.slice(start, size) for start in range(0, rows, size)]
            with ThreadPoolExecutor(4) as pool:
                parts = [*pool.map(partial(_encoded, column), pieces)]
            _same(values, np.concatenate(parts), whole, f"{size} rows at a time")
        order = np.random.default_rng(0).permutation(rows)
        _same(
            values.take(pa.array(order)), _encoded(column, values.take(pa.array(order))), whole[order], "in any order"
        )
        need(len(_encoded(column, values.slice(0, 0))) == 0, "no rows must give no inputs")
    return 0.0


def finite(component: Encoder) -> float:
    """missing values, and those that training never saw, have finite inputs"""
    for values, _, column in _each(component):
        for others in (_array(component, OTHERS[component.takes]), pa.nulls(3, values.type)):
            need(np.isfinite(_encoded(column, others)).all(), "inputs must be finite")
    return 0.0


def pure(component: Encoder) -> float:
    """state and values stay as they are, and nothing is remembered"""
    for values, _, column in _each(component):
        before, state = values.to_pylist(), copy.deepcopy(column.state)
        first = _encoded(column, values)
        _encoded(column, _array(component, OTHERS[component.takes]))
        _same(values, _encoded(column, values), first, "the second time")
        need(column.state == state, f"transform changes the state: {_state(column)}")
        need(values.to_pylist() == before, "transform changes the values")
    return 0.0


def layered(component: Encoder) -> float:
    """a layer of its own can be built for inputs of several columns and others beside them, and takes what it writes"""
    every = [(values, column) for values, _, column in _each(component)][:2]
    start, columns, parts = 1, {}, []
    for values, column in every:
        columns[start] = component, column.state
        parts.append(_encoded(column, values)[:ROWS])
        start += len(column.inputs) + 1
    with _blamed("layer"):
        given = type(component).layer(columns)
        layer = None if given is None else spec.make("layer", given)
    if layer is None:
        return 0.0
    beside = np.ones((ROWS, 1), np.float32)
    x = torch.from_numpy(np.concatenate([each for part in parts for each in (beside, part)], 1))
    need(layer.in_shape in (None, (start - 1,)), f"layer: takes rows of {layer.in_shape}, not ({start - 1},)")
    with _blamed("layer"):
        params, shape = layer.build((start - 1,), rng())
        y, _ = layer.forward(params, x)
    need(y.shape == (ROWS, *shape) and bool(y.isfinite().all()), f"layer: finite rows of {shape} are needed")
    return 0.0


def _each(component: Encoder) -> Iterator[tuple[pa.Array, Any, Column]]:
    """Each sample that says something, its summary, and the column that was fitted to it."""
    told = []
    for sample in SAMPLES[component.takes]:
        values = _array(component, sample)
        summary = _fed(component, values)
        column = _fit(component, summary)
        if isinstance(column, str):
            told.append(column)
        else:
            yield values, summary, column
    count = len(SAMPLES[component.takes])
    need(len(told) < count, f"fit must give a state for one column of {count}, it says {', '.join(told)}")


def _array(component: Encoder, values: list[Any]) -> pa.Array:
    return pa.array(values, pa.string() if component.takes == "text" else pa.float64())


@contextmanager
def _blamed(method: str) -> Iterator[None]:
    """What goes wrong in a method breaks a promise."""
    try:
        yield
    except BrokenPromise:
        raise
    except NetkitError as error:
        raise BrokenPromise(f"{method}: {error}") from error
    except Exception as error:
        raise BrokenPromise(f"{method} raises {cause(error)}") from error


def _fed(component: Encoder, *pieces: pa.Array) -> Any:
    with _blamed("summary"):
        summary = summary_of(component, "column")
        for piece in pieces:
            summary.feed(pa.chunked_array([piece]))
    return summary


def _fit(component: Encoder, summary: Any) -> Column | str:
    with _blamed("fit"):
        return Column.fit("column", component, summary)


def _encoded(column: Column, values: pa.Array) -> np.ndarray:
    """The inputs (n, width) of values, written between those of other columns as in training."""
    width = len(column.inputs)
    inputs = np.zeros((len(values), width + 2), np.float32)
    inputs[:, [0, -1]] = 7
    with _blamed("transform"):
        column.fill(values, inputs[:, 1:-1])
        column.refuse_infinite(values, inputs[:, 1:-1])
    need((inputs[:, [0, -1]] == 7).all(), "transform writes beside its inputs")
    return inputs[:, 1:-1]


def _same(values: pa.Array, got: np.ndarray, wanted: np.ndarray, how: str) -> None:
    if len(rows := np.flatnonzero((got != wanted).any(1))):
        row = int(rows[0])
        rule = f"rows are independent: {how} {values[row].as_py()!r} becomes {got[row].tolist()}, else"
        raise BrokenPromise(f"{rule} {wanted[row].tolist()}")


def _state(column: Column | str) -> Any:
    return column if isinstance(column, str) else msgspec.to_builtins(column.state)


def _alike(one: Any, other: Any) -> bool:
    """Equal, numbers up to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)


PROMISES = [takes, fitted, named, finite, by_rows, stored, pure, layered]
