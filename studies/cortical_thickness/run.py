"""Fit ComBat on 70 % of the subjects of every site, apply it to the others, and judge those.

python run.py fcon1000_fs_thickness.csv.gz OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import harmonize_kit as hk

FOLLOWS_SITE = {"site", "age", "sex"}


def main(source: Path, output: Path) -> None:
    table = hk.read_feature_table(source, not_features=FOLLOWS_SITE, patterns=["*_thickness"])
    sites = table.covariates["site"]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(sites))
    rank = sites.iloc[order].groupby(sites.iloc[order]).cumcount().reindex(sites.index)
    count = sites.groupby(sites).transform("size")
    held_back = (rank < np.floor(0.3 * count)).to_numpy()
    train = table.select([case for case, out in zip(table.ids, held_back, strict=True) if not out])
    test = table.select([case for case, out in zip(table.ids, held_back, strict=True) if out])

    combat = hk.ComBat(site="site", preserve="age + sex")
    combat.fit(train.features, covariates=train.covariates)
    hk.save(combat, output / "model")
    harmonized = hk.load(output / "model").transform(test.features, covariates=test.covariates)
    tables = {"raw": test, "combat": test.with_values(np.asarray(harmonized))}
    card = hk.compare(tables, site="site", biology=["age", "sex"])
    page = hk.report(
        card, output / "report", title="Held-back subjects of 23 sites",
        methods={"combat": f"ComBat fitted on {len(train.ids)} other subjects of the same sites."},
    )  # fmt: skip
    print(f"fitted on {len(train.ids)}, applied to {len(test.ids)}: {page}")
    for score in card:
        low, high = score.interval or (np.nan, np.nan)
        print(
            f"{score.candidate:8} {score.metric:34} {score.target:5} "
            f"{score.value:7.3f} [{low:.3f}, {high:.3f}]"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
