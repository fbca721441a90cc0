"""Fitted on half of a real cohort, applied to the other half: 23 sites, one of three cases."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.combat import harmonizer_of
from harmonize_kit.config.combat import ComBatConfig, CovBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeWarning


@pytest.fixture(scope="module")
def halves(real_data: Path) -> tuple[FeatureTable, FeatureTable]:
    frame = pd.read_csv(real_data / "tables" / "fcon1000_fs_thickness.csv.gz", index_col="sub_id")
    frame.index = frame.index.astype(str)
    features = frame.loc[:, frame.columns.str.endswith("_thickness")]
    table = FeatureTable(features, frame[["site", "age", "sex"]], source="fcon1000")
    rng, first = np.random.default_rng(0), np.zeros(len(frame), dtype=bool)
    for rows in frame.groupby("site").indices.values():
        first[rng.permutation(rows)[: (len(rows) + 1) // 2]] = True
    ids = np.array(table.ids)
    return table.select(ids[first].tolist()), table.select(ids[~first].tolist())


def site_share(table: FeatureTable) -> float:
    """Median share of variance between sites, after age and sex (partial eta squared)."""
    age = table.number("age").to_numpy()
    covariates = np.column_stack([np.ones(len(age)), age, age**2, table.number("sex")])
    sites = (table.covariates["site"].to_numpy() == np.unique(table.text("site"))[1:, None]).T
    left = [
        ((table.values - x @ np.linalg.lstsq(x, table.values, rcond=None)[0]) ** 2).sum(axis=0)
        for x in (covariates, np.hstack([covariates, sites]))
    ]
    return float(np.median(1 - left[1] / left[0]))


@pytest.mark.parametrize(
    ("config", "most"),
    [
        (ComBatConfig(preserve="age + sex"), 0.1),
        (ComBatConfig(preserve="sex", smooth=("age",)), 0.1),
        (ComBatConfig(preserve="age + sex", parametric=False), 0.1),
        (ComBatConfig(preserve="age + sex", robust=True), 0.12),
        (ComBatConfig(preserve="age + sex", mean_only=True), 0.18),
        # Its components are not shrunken, which small sites pay for.
        (CovBatConfig(preserve="age + sex"), 0.2),
    ],
)
def test_the_site_effect_of_the_other_half_shrinks(
    halves: tuple[FeatureTable, FeatureTable], config: ComBatConfig, most: float
) -> None:
    first, second = halves
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HarmonizeWarning)
        got = harmonizer_of(config).fit(first).apply(second)
    assert site_share(second) > 0.25
    assert site_share(got) < most
