"""What a comparison costs: processor seconds, and where they go.

    python tests/benchmarks/compare.py TABLE.csv.gz [--large] [--top 25]

TABLE is the fcon1000 table of cortical thickness (``fcon1000_fs_thickness.csv.gz``): 1078 cases,
23 sites, 150 features. Four methods (raw, combat, combat-gam, covbat), 5 folds, 1000 bootstraps,
200 permutations, one BLAS thread. ``--large`` adds a synthetic table of 10 000 cases, 20 sites and
1500 features. Seconds are of the whole judgement, refits included; the profile names the functions
that hold most of them.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import cProfile
import io
import pstats
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import harmonize_kit as hk
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.errors import HarmonizeWarning

CONFIG = CompareConfig(folds=5, bootstraps=1000, permutations=200)


def thickness(path: Path) -> hk.FeatureTable:
    return hk.read_feature_table(
        path, not_features={"site", "age", "sex"}, patterns=["*_thickness"]
    )


def synthetic(n: int = 10_000, p: int = 1_500, k: int = 20) -> hk.FeatureTable:
    rng = np.random.default_rng(0)
    site, age, sex = np.arange(n) % k, rng.uniform(20, 80, n), rng.integers(0, 2, n)
    factors = rng.normal(size=(n, 30)) @ rng.normal(size=(30, p)) * 0.15
    values = rng.normal(size=(n, p)) + factors + rng.normal(size=(k, p))[site]
    values += np.outer((age - 50) / 30, rng.normal(size=p))
    index = pd.Index([f"c{row:05d}" for row in range(n)], name="id")
    covariates = {"site": [f"s{code:02d}" for code in site], "age": age, "sex": sex.astype(str)}
    features = pd.DataFrame(values, index=index, columns=[f"f{column}" for column in range(p)])
    return hk.FeatureTable(features, pd.DataFrame(covariates, index=index))


def measure(name: str, table: hk.FeatureTable, top: int) -> None:
    preserve = "age + sex"
    candidates = {
        "raw": table,
        "combat": hk.ComBat(preserve=preserve),
        "combat-gam": hk.ComBat(preserve=preserve, smooth=["age"]),
        "covbat": hk.CovBat(preserve=preserve),
    }
    profile = cProfile.Profile()
    wall, start = time.perf_counter(), time.process_time()
    profile.enable()
    card = hk.compare(candidates, site="site", biology=["age", "sex"], table=table, config=CONFIG)
    profile.disable()
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{name}: {seconds:.0f} processor seconds, {wall:.0f} s, at most {memory:.1f} GiB, "
          f"{len(card.scores)} scores")  # fmt: skip
    out = io.StringIO()
    pstats.Stats(profile, stream=out).sort_stats("cumulative").print_stats("harmonize_kit", top)
    for line in out.getvalue().splitlines():
        if "harmonize_kit/" in line:
            _, _, _, cumulative, _, where = line.split(maxsplit=5)
            print(f"  {float(cumulative):8.1f} s  {where.rsplit('harmonize_kit/', 1)[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--top", type=int, default=25)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", HarmonizeWarning)
    measure("1078 cases x 150 features", thickness(arguments.table), arguments.top)
    if arguments.large:
        measure("10 000 cases x 1500 features", synthetic(), arguments.top)


if __name__ == "__main__":
    main()
