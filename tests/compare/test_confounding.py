"""Designs in which site and biology can hardly be told apart are named, others are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from harmonize_kit.compare import compare
from harmonize_kit.compare.arrays import indicators
from harmonize_kit.compare.confounding import condition_number, overlap
from harmonize_kit.compare.covariates import Covariate, read_covariate
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.table import FeatureTable

MakeTable = Callable[..., FeatureTable]


def warnings(table: FeatureTable, quick: CompareConfig, *biology: str) -> str:
    card = compare({"raw": table}, site="site", biology=biology, config=quick)
    return " | ".join(card.about["warnings"])


def test_condition_number_is_that_of_the_scaled_design():
    rng = np.random.default_rng(0)
    site = np.arange(60) % 3
    age = rng.normal(size=(60, 1)) * 12 + 50
    design = np.hstack([indicators(site, 3), (age - age.mean()) / age.std()])
    expected = np.linalg.cond(design / np.linalg.norm(design, axis=0))
    assert condition_number(site, age) == pytest.approx(expected, rel=1e-9)
    assert condition_number(site, np.empty((60, 0))) == pytest.approx(1)


def test_overlap_of_numbers_is_one_less_kolmogorov_and_smirnovs_distance(table_of: MakeTable):
    rng = np.random.default_rng(1)
    site = np.arange(90) % 3
    table = table_of(rng.normal(size=(90, 2)), site, {"age": rng.normal(size=90).round(1) + site})
    age = read_covariate(table, "age")
    expected = [
        1 - stats.ks_2samp(age.values[site == code], age.values[site != code]).statistic
        for code in range(3)
    ]
    np.testing.assert_allclose(overlap(age, site), expected, rtol=1e-9)


def test_overlap_of_levels_is_the_common_share():
    site = np.repeat([0, 1], [4, 6])
    values = np.array([0, 0, 0, 1, 0, 0, 1, 1, 1, 1], dtype=float)
    sex = Covariate("sex", "binary", values, values[:, None], ("F", "M"))
    # 3/4 and 1/4 against 2/6 and 4/6: in common 2/6 + 1/4.
    np.testing.assert_allclose(overlap(sex, site), [7 / 12, 7 / 12])


def test_separated_ages_are_named(table_of: MakeTable, quick: CompareConfig):
    rng = np.random.default_rng(2)
    site = np.arange(90) % 3
    apart = np.array([20, 24, 70])[site] + rng.uniform(0, 10, 90)
    told = warnings(table_of(rng.normal(size=(90, 4)), site, {"age": apart}), quick, "age")
    assert "'age' is confounded" in told
    assert "'age' hardly overlaps between sites: s0, s2 " in told


def test_a_nearly_collinear_design_is_named(table_of: MakeTable, quick: CompareConfig):
    rng = np.random.default_rng(3)
    site = np.arange(90) % 3
    age = rng.uniform(20, 80, 90)
    years = age + rng.normal(scale=0.5, size=90)
    table = table_of(rng.normal(size=(90, 4)), site, {"age": age, "scan_age": years})
    assert "condition number" in warnings(table, quick, "age", "scan_age")
    assert "condition number" not in warnings(table, quick, "age")


def test_a_sound_design_raises_no_warning(table_of: MakeTable, quick: CompareConfig):
    rng = np.random.default_rng(4)
    site = np.arange(90) % 3
    columns = {"age": rng.uniform(20, 80, 90), "sex": rng.choice(["F", "M"], 90)}
    table = table_of(rng.normal(size=(90, 4)), site, columns)
    assert warnings(table, quick, "age", "sex") == ""
    about = compare({"raw": table}, site="site", biology=["age", "sex"], config=quick).about
    assert set(about["covariates_by_site"]["age"]["s0"]) == {"quantiles"}
    assert sum(about["covariates_by_site"]["sex"]["s0"]["counts"].values()) == 30
    assert about["condition_number"] < 3
