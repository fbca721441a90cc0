"""ComBat-GAM beside neuroHarmonize on the same synthetic table, one BLAS thread each.

    .venv-parity/bin/python tests/benchmarks/gam.py [--cases 500] [--features 200] [--repeats 5]

Wall and processor seconds of a fit and the harmonized training data, which is what neuroHarmonize's
``harmonizationLearn`` returns: the least of several runs of ours, one of neuroHarmonize, in one
process. The replay must give neuroHarmonize's own numbers, and their difference is printed too.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import contextlib
import importlib
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import harmonize_kit as hk

SEED = 1
Array = NDArray[np.float64]


def synthetic(n: int, p: int, k: int = 4) -> tuple[Array, pd.DataFrame]:
    """Return features whose effect of age is curved, and their covariates."""
    rng = np.random.default_rng(0)
    code, age = np.arange(n) % k, rng.uniform(20, 80, n)
    values = rng.normal(size=(n, p)) + rng.normal(size=(k, p))[code]
    values += np.sin(age[:, None] / rng.uniform(6, 30, p)) + age[:, None] / 40
    covariates = pd.DataFrame(
        {"SITE": [f"s{c}" for c in code], "age": age, "sex": rng.integers(0, 2, n)}
    )
    return values, covariates


def timed(run: Callable[[], Array], repeats: int) -> tuple[float, float, Array]:
    """Return the least wall and processor seconds, and what was computed."""
    wall = cpu = np.inf
    result = np.zeros(0)
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            result = run()
        wall = min(wall, time.perf_counter() - started)
        cpu = min(cpu, time.process_time() - used)
    return wall, cpu, result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    X, covariates = synthetic(chosen.cases, chosen.features)
    theirs: Any = importlib.import_module("neuroHarmonize").harmonizationLearn

    def ours(smoothing: Any) -> Array:
        combat = hk.ComBat(
            site="SITE", preserve="sex", smooth=["age"], smoothing=smoothing, seed=SEED
        )
        return combat.fit_transform(X, covariates=covariates)

    print(f"{chosen.cases} x {chosen.features}, 4 sites, age smooth, sex")
    runs: dict[str, tuple[float, float, Array]] = {}
    for name, run, repeats in (
        ("harmonize_kit reml", lambda: ours("reml"), chosen.repeats),
        ("harmonize_kit replay", lambda: ours("neuroharmonize"), chosen.repeats),
        (
            "neuroHarmonize learn",
            lambda: theirs(X, covariates, smooth_terms=["age"], seed=SEED)[1],
            1,
        ),
    ):
        runs[name] = timed(run, repeats)
    whole = runs["neuroHarmonize learn"]
    for name, (wall, cpu, result) in runs.items():
        difference = np.abs(result - whole[2]).max()
        print(
            f"  {name:<22} {wall:9.4f} s wall {cpu:9.4f} s processor {whole[0] / wall:8.1f} x wall "
            f"{whole[1] / cpu:8.1f} x processor   largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    main()
