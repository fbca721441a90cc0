"""ComBat beside its peers on the same synthetic tables, one BLAS thread each.

    python tests/benchmarks/combat.py [--large] [--gam] [--repeats 5]

For each size: wall and processor seconds of fit, of apply and of both, the least of several runs
in one process, interleaved so that a busy machine is busy for all. Peers (neuroHarmonize,
neuroCombat, combatlearn, combaters) are measured where they can be imported; neuroHarmonize and
neuroCombat return the harmonized training data from their fit, so that is held against our fit and
apply. ``--large`` adds 500 x 200 000 (0.8 GB); ``--gam`` one smooth covariate.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
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

SIZES = [(200, 1_000, 4), (1_000, 10_000, 10)]
LARGE = (500, 200_000, 4)
GAM = [(500, 200, 4), (1_000, 2_000, 4)]
Run = Callable[[], object]


def synthetic(n: int, p: int, k: int) -> tuple[NDArray[np.float64], pd.DataFrame]:
    rng = np.random.default_rng(0)
    code = np.arange(n) % k
    values = rng.normal(size=(n, p)) + rng.normal(size=(k, p))[code]
    covariates = pd.DataFrame(
        {
            "SITE": [f"s{c}" for c in code],
            "age": rng.uniform(20, 80, n),
            "sex": rng.integers(0, 2, n),
        }
    )
    values += covariates["age"].to_numpy()[:, None] / 40
    return values, covariates


def own(X: NDArray[np.float64], covariates: pd.DataFrame, smooth: list[str]) -> dict[str, Run]:
    combat = hk.ComBat(site="SITE", preserve="age + sex", smooth=smooth)
    fitted = hk.ComBat(site="SITE", preserve="age + sex", smooth=smooth)
    fitted.fit(X, covariates=covariates)
    return {
        "harmonize_kit fit + apply": lambda: combat.fit_transform(X, covariates=covariates),
        "harmonize_kit fit": lambda: combat.fit(X, covariates=covariates),
        "harmonize_kit apply": lambda: fitted.transform(X, covariates=covariates),
    }


def peers(X: NDArray[np.float64], covariates: pd.DataFrame, smooth: list[str]) -> dict[str, Run]:
    found: dict[str, Run] = {}
    if (module := _imported("neuroHarmonize")) is not None:
        learn = module.harmonizationLearn
        found["neuroHarmonize learn"] = lambda: learn(X, covariates, smooth_terms=smooth)
    if smooth:
        return found
    if (module := _imported("neuroCombat")) is not None:
        combat = module.neuroCombat
        found["neuroCombat"] = lambda: combat(
            dat=X.T, covars=covariates, batch_col="SITE", continuous_cols=["age", "sex"]
        )
    if (module := _imported("combatlearn")) is not None:
        kind = module.ComBat
        frame = pd.DataFrame(X)
        found["combatlearn fortin"] = lambda: kind(
            batch=covariates["SITE"], continuous_covariates=covariates[["age", "sex"]],
            method="fortin",
        ).fit_transform(frame)  # fmt: skip
    if (module := _imported("combaters")) is not None:
        rust = module.combat
        model = covariates[["age", "sex"]].to_numpy(dtype=float)
        found["combaters"] = lambda: rust(X, covariates["SITE"].tolist(), mod=model)
    return found


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def measured(runs: dict[str, Run], repeats: int) -> dict[str, tuple[float, float]]:
    """Return the least wall and processor seconds of each, in turns."""
    best = dict.fromkeys(runs, (np.inf, np.inf))
    for _ in range(repeats):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best[name] = (min(best[name][0], wall), min(best[name][1], cpu))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--gam", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    sizes = [*(GAM if chosen.gam else SIZES), *([LARGE] if chosen.large else [])]
    smooth = ["age"] if chosen.gam else []
    warnings.simplefilter("ignore")
    for n, p, k in sizes:
        X, covariates = synthetic(n, p, k)
        times = measured(own(X, covariates, smooth) | peers(X, covariates, smooth), chosen.repeats)
        print(f"{n} x {p}, {k} sites{', age smooth' if smooth else ''}")
        ours = times["harmonize_kit fit + apply"]
        for name, (wall, cpu) in times.items():
            ratios = f"{wall / ours[0]:8.1f} x wall {cpu / ours[1]:8.1f} x processor"
            print(f"  {name:<28} {wall:8.4f} s wall {cpu:8.4f} s processor {ratios}")


if __name__ == "__main__":
    main()
