"""`netkit train` with nothing but its defaults against scikit-learn's MLPs with theirs, on held-out rows over 5 seeds.

Both see the same training rows; scikit-learn's inputs are standardised, netkit gets the raw CSV file and holds out its
own validation share from it. Prints a Markdown table: mean and standard deviation over the seeds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEEDS = range(5)
DATA = {name: getattr(datasets, f"load_{name}") for name in ("iris", "breast_cancer", "wine", "digits", "diabetes")}


def write(path, x, y):
    header = ",".join([*(f"x{i}" for i in range(x.shape[1])), "y"])
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header=header, comments="", fmt="%.10g")


def netkit(folder, parts, seed):
    xtrain, xtest, ytrain, ytest = parts
    write(folder / "train.csv", xtrain, ytrain)
    write(folder / "test.csv", xtest, ytest)
    for command in (
        ["train", "train.csv", "--target", "y", "--seed", str(seed), "--quiet"],
        ["predict", "train.netkit", "test.csv", "--out", "predicted.csv"],
    ):
        subprocess.run([sys.executable, "-m", "netkit", *command], cwd=folder, check=True, capture_output=True)
    return np.loadtxt(folder / "predicted.csv", skiprows=1)


def sklearn(parts, seed, regression):
    xtrain, xtest, ytrain, _ = parts
    model = make_pipeline(StandardScaler(), (MLPRegressor if regression else MLPClassifier)(random_state=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that 200 epochs were too few
        return model.fit(xtrain, ytrain).predict(xtest)


def main():
    print(
        "| data | score | netkit | scikit-learn | difference | scikit-learn's own spread |\n|---|---|---|---|---|---|"
    )
    for name, load in DATA.items():
        x, y = load(return_X_y=True)
        regression = name == "diabetes"
        score = r2_score if regression else accuracy_score
        found = []
        for seed in SEEDS:
            parts = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=None if regression else y)
            with tempfile.TemporaryDirectory() as folder:
                ours = score(parts[3], netkit(Path(folder), parts, seed))
            found.append((ours, score(parts[3], sklearn(parts, seed, regression))))
        (a, b), (sa, sb) = np.mean(found, 0), np.std(found, 0, ddof=1)
        print(
            f"| {name} | {score.__name__} | {a:.4f} ± {sa:.4f} | {b:.4f} ± {sb:.4f} | {a - b:+.4f} | {sb:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
