"""ComBat beside its peers on the same synthetic tables, one BLAS thread each.

    python tests/benchmarks/combat.py [--large] [--gam] [--repeats 5]

For each size: wall and processor seconds of fit, of apply and of both, the least of several runs
in one process, interleaved so that a busy machine is busy for all; small tables take more runs.
Peers (neuroHarmonize, neuroCombat, combatlearn, combaters) are measured where they can be imported.

What is compared: our estimator checks ids, covariates, rank and overlap, keeps a model, and applies
it by site name; combaters and neuroCombat take arrays that are ready and return the harmonized
data; neuroHarmonize's learn does, and keeps a model. Each peer is held against our fit and apply of
the same kind of input, an array or a DataFrame, covariates being a DataFrame. Where a peer only
takes prepared labels or matrices, their preparation from that DataFrame is part of its time, as it
is of ours. ``--large`` adds 500 x 200 000 (0.8 GB); ``--gam`` one smooth covariate.
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
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import harmonize_kit as hk

SIZES = [(200, 1_000, 4), (1_000, 10_000, 10)]
LARGE = (500, 200_000, 4)
GAM = [(500, 200, 4), (1_000, 2_000, 4)]
OWN, BOTH = "harmonize_kit", "fit + apply"
FEW_CELLS = 1_000_000


@dataclass(frozen=True)
class Run:
    """Something to measure: what it is given, and what it does."""

    name: str
    given: str
    work: str
    call: Callable[[], object]


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


def own(X: NDArray[np.float64], covariates: pd.DataFrame, smooth: list[str]) -> list[Run]:
    combat = hk.ComBat(site="SITE", preserve="age + sex", smooth=smooth)
    fitted = hk.ComBat(site="SITE", preserve="age + sex", smooth=smooth)
    fitted.fit(X, covariates=covariates)
    frame = pd.DataFrame(X, index=covariates.index).add_prefix("f")
    return [
        Run(OWN, "array", BOTH, lambda: combat.fit_transform(X, covariates=covariates)),
        Run(OWN, "array", "fit", lambda: combat.fit(X, covariates=covariates)),
        Run(OWN, "array", "apply", lambda: fitted.transform(X, covariates=covariates)),
        Run(OWN, "DataFrame", BOTH, lambda: combat.fit_transform(frame, covariates=covariates)),
    ]


def peers(X: NDArray[np.float64], covariates: pd.DataFrame, smooth: list[str]) -> list[Run]:
    found: list[Run] = []
    if (module := _imported("neuroHarmonize")) is not None:
        learn = module.harmonizationLearn
        found.append(
            Run(
                "neuroHarmonize",
                "array",
                "learn",
                lambda: learn(X, covariates, smooth_terms=smooth),
            )
        )
    if smooth:
        return found
    if (module := _imported("neuroCombat")) is not None:
        combat = module.neuroCombat
        given = {"batch_col": "SITE", "continuous_cols": ["age", "sex"]}
        found.append(
            Run("neuroCombat", "array", BOTH, lambda: combat(dat=X.T, covars=covariates, **given))
        )
    if (module := _imported("combatlearn")) is not None:
        kind = module.ComBat
        frame = pd.DataFrame(X).add_prefix("f")
        found.append(
            Run(
                "combatlearn fortin", "DataFrame", BOTH,
                lambda: kind(
                    batch=covariates["SITE"], continuous_covariates=covariates[["age", "sex"]],
                    method="fortin",
                ).fit_transform(frame),
            )
        )  # fmt: skip
    if (module := _imported("combaters")) is not None:
        rust = module.combat
        found.append(
            Run(
                "combaters", "array", BOTH,
                lambda: rust(
                    X, covariates["SITE"].tolist(),
                    mod=covariates[["age", "sex"]].to_numpy(dtype=float),
                ),
            )
        )  # fmt: skip
    return found


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def measured(runs: list[Run], repeats: int) -> list[tuple[float, float]]:
    """Return the least wall and processor seconds of each, in turns."""
    best = [(np.inf, np.inf)] * len(runs)
    for _ in range(repeats):
        for at, run in enumerate(runs):
            wall, cpu = time.perf_counter(), time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                run.call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best[at] = (min(best[at][0], wall), min(best[at][1], cpu))
    return best


def tell(runs: list[Run], times: list[tuple[float, float]]) -> None:
    """Print the times, and each peer's as a multiple of ours on the same kind of input."""
    ours = {
        run.given: time
        for run, time in zip(runs, times, strict=True)
        if run.name == OWN and run.work == BOTH
    }
    for run, (wall, cpu) in zip(runs, times, strict=True):
        line = (
            f"  {run.name:<20}{run.given:<11}{run.work:<13}{wall:9.4f} s wall{cpu:9.4f} s processor"
        )
        if run.name != OWN:
            own_wall, own_cpu = ours[run.given]
            line += f"   {wall / own_wall:6.1f} x wall {cpu / own_cpu:6.1f} x processor of ours"
        print(line)


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
        runs = own(X, covariates, smooth) + peers(X, covariates, smooth)
        repeats = chosen.repeats * (10 if X.size < FEW_CELLS else 1)
        print(f"{n} x {p}, {k} sites{', age smooth' if smooth else ''}, {repeats} runs each")
        tell(runs, measured(runs, repeats))


if __name__ == "__main__":
    main()
