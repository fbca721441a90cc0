"""Whether the judge finds a site where there is none: p over many data sets, and false discoveries.

    python tests/benchmarks/false_alarms.py [--seeds 200]

Each data set has three sites, 12 correlated features, an age that differs between sites and goes
with every feature, and a number that goes with nothing; no feature knows its site. Every p of the
comparison then ought to be uniform: printed are the share at or below 0.1, the p value of
Kolmogorov and Smirnov's test, and the mean share of false discoveries where a site effect is
planted in half of the features. Measures that are counts with many ties have p values on the safe
side of uniform.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time
import warnings
from collections import defaultdict

import numpy as np
import pandas as pd
from scipy import stats

import harmonize_kit as hk
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.errors import HarmonizeWarning

CASES, SITES, FEATURES = 48, 3, 12
CONFIG = CompareConfig(permutations=19, bootstraps=0)


def without_site(seed: int) -> hk.FeatureTable:
    rng = np.random.default_rng(seed)
    site = np.arange(CASES) % SITES
    age = rng.normal(size=CASES) + 0.5 * site
    mixed = rng.normal(size=(FEATURES, FEATURES))
    values = rng.normal(size=(CASES, FEATURES)) @ mixed + age[:, None]
    index = pd.Index([f"c{row:03d}" for row in range(CASES)], name="id")
    names = [f"f{column}" for column in range(FEATURES)]
    known = {"site": [f"s{code}" for code in site], "age": age, "noise": rng.normal(size=CASES)}
    return hk.FeatureTable(
        pd.DataFrame(values, index=index, columns=names), pd.DataFrame(known, index=index)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=200)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", HarmonizeWarning)
    p: dict[str, list[float]] = defaultdict(list)
    wrong: list[float] = []
    start = time.process_time()
    for seed in range(seeds):
        card = hk.compare(
            {"raw": without_site(seed)}, site="site", biology=["age"], outcome="noise",
            config=CONFIG,
        )  # fmt: skip
        for score in card:
            if score.metric == "control_false_discoveries":
                wrong.append(score.value)
            elif score.null is not None and score.target != "age":
                p[f"{score.metric} {score.target}"].append(score.null.p)
    print(f"{seeds} data sets, {time.process_time() - start:.0f} processor seconds")
    draws = CONFIG.permutations + 1
    for name, values in sorted(p.items()):
        known = np.asarray(values)
        # p is a multiple of 1 / 20: spread evenly below its value, it is uniform where p is exact.
        spread = known - np.random.default_rng(0).random(len(known)) / draws
        test = stats.kstest(spread, "uniform").pvalue
        print(f"  {name:42} p <= 0.1 in {np.mean(known <= 0.1):5.3f}, KS p {test:6.3f}")
    print(f"  false discoveries beside a planted effect {np.mean(wrong):.3f} (q < 0.05)")


if __name__ == "__main__":
    main()
