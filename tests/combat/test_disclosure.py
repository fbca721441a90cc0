"""What a site does not send: sums that would tell of one of its cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import make_table

from harmonize_kit.combat import summarize
from harmonize_kit.combat.disclosure import leverages, withheld_features
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import CovariateError, DesignError, HarmonizeWarning, TableError

PLAN = FederationPlan(preserve="age + sex", ranges={"age": (18, 90)}, levels={"sex": ("F", "M")})


@pytest.fixture
def site() -> FeatureTable:
    return make_table(3, n=40, p=6, sites="A")


def changed(table: FeatureTable, **columns: Any) -> FeatureTable:
    return replace(table, covariates=table.covariates.assign(**columns))


def refused(plan: FederationPlan, table: FeatureTable, sentence: str) -> None:
    with pytest.raises(DesignError, match=sentence):
        summarize(plan, table)


def test_a_site_of_few_cases(site: FeatureTable) -> None:
    refused(
        FederationPlan(), site.select(site.ids[:4]), "site 'A' has 4 cases, expected at least 5"
    )
    assert summarize(FederationPlan(), site.select(site.ids[:5])).sums["A"].count == 5
    with pytest.raises(DesignError, match="at least 8"):
        summarize(FederationPlan(), site.select(site.ids[:6]), minimum=8)


def test_a_site_may_ask_for_more_than_the_plan_but_not_for_less(site: FeatureTable) -> None:
    refused(FederationPlan(), site.select(site.ids[:4]), "at least 5")
    with pytest.raises(DesignError, match="at least 5"):
        summarize(FederationPlan(), site.select(site.ids[:4]), minimum=3)


@pytest.mark.parametrize("women", [1, 2, 4])
def test_a_level_of_few_cases(site: FeatureTable, women: int) -> None:
    refused(
        PLAN, changed(site, sex=["F"] * women + ["M"] * (40 - women)), f"{women} cases are sex F"
    )
    refused(
        PLAN, changed(site, sex=["M"] * women + ["F"] * (40 - women)), f"{women} cases are sex M"
    )


def test_a_level_without_cases_tells_of_nobody(site: FeatureTable) -> None:
    assert summarize(PLAN, changed(site, sex="F")).sums["A"].count == 40


def test_two_levels_that_few_cases_share(site: FeatureTable) -> None:
    """Each is common; the product of their columns is known to those who have both."""
    sex = np.where(np.arange(40) < 20, "F", "M")
    grade = np.where((np.arange(40) >= 10) & (np.arange(40) < 21), "2", "1")
    plan = FederationPlan(preserve="sex + grade", levels={"sex": ("F", "M"), "grade": ("1", "2")})
    refused(plan, changed(site, sex=sex, grade=grade), "1 cases are sex M, grade 2")


def test_groups_that_were_written_as_numbers(site: FeatureTable) -> None:
    plan = FederationPlan(preserve="smoker", ranges={"smoker": (0, 1)})
    refused(plan, changed(site, smoker=[1] * 3 + [0] * 37), "3 cases are smoker 1")


def test_a_number_that_most_cases_share(site: FeatureTable) -> None:
    """Its sum over the site is the sum over the few others."""
    plan = FederationPlan(preserve="lesion", ranges={"lesion": (0, 1e3)})
    lesion = np.zeros(40)
    lesion[:3] = [12.5, 880.1, 3.7]
    refused(plan, changed(site, lesion=lesion), "3 cases are lesion other than 0")
    lesion[:8] = np.arange(8) * 1.7 + 3
    assert summarize(plan, changed(site, lesion=lesion)).columns == ("lesion",)


def test_an_interval_between_knots_with_few_cases(site: FeatureTable) -> None:
    """A spline column is zero elsewhere: its sum gives the age of the one case inside away."""
    age = np.linspace(20, 45, 40)
    plan = FederationPlan(smooth=("age",), ranges={"age": (18, 90)}, knots={"age": (30, 50, 70)})
    assert summarize(plan, changed(site, age=age)).sums["A"].count == 40
    age[-1] = 62.0
    refused(plan, changed(site, age=age), "1 cases are age 50 to 70")


def test_more_columns_than_cases_can_hide_behind(site: FeatureTable) -> None:
    plan = FederationPlan(preserve="age", ranges={"age": (18, 90)})
    refused(plan, site.select(site.ids[:5]), "5 cases for 1 covariate columns.*at least 6")
    assert summarize(plan, site.select(site.ids[:6])).sums["A"].count == 6


def test_a_case_that_stands_alone(site: FeatureTable) -> None:
    """The products with a covariate that one case dominates are that case's features."""
    volume = np.linspace(1, 2, 40)
    volume[7] = 900.0
    plan = FederationPlan(preserve="volume", ranges={"volume": (0, 1e4)})
    refused(plan, changed(site, volume=volume), "1 cases lie so far from the others")


def test_leverage_is_the_diagonal_of_the_hat_matrix() -> None:
    columns = np.random.default_rng(0).normal(5, 1, (30, 3))
    full = np.column_stack([np.ones(30), columns])
    expected = np.diag(full @ np.linalg.solve(full.T @ full, full.T))
    got, rank = leverages(np.column_stack([columns, columns[:, 0] * 2, np.full(30, 4.0)]))
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert rank == 3


def test_features_that_are_somebodys_value() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 6))
    features[:, 1] = 3.25
    features[:, 2] = 0.0
    features[:4, 2] = [1.0, 2.0, 3.0, 4.0]
    features[:, 3] = 0.1 + 0.2
    features[:7, 3] = rng.normal(size=7)
    features[5, 4] = 1e6
    np.testing.assert_array_equal(
        withheld_features(features, 5), [False, True, True, False, True, False]
    )


def test_rounding_does_not_make_a_constant_vary() -> None:
    features = np.full((30, 1), 0.3)
    features[::2] = 0.1 + 0.2
    assert withheld_features(features, 5).all()


def test_what_is_withheld_is_said(site: FeatureTable) -> None:
    values = site.values.copy()
    values[:, 2] = 1.5
    with pytest.warns(HarmonizeWarning, match="1 features do not vary.*f02"):
        summary = summarize(PLAN, site.with_values(values))
    own = summary.sums["A"]
    assert own.feature_mean[2] == own.squares[2] == 0.0
    assert not own.cross[:, 2].any()


def test_missing_cells_are_refused(site: FeatureTable) -> None:
    values = site.values.copy()
    values[4, 2] = np.nan
    with pytest.raises(TableError, match=r"1 missing cells.*'f02'.*give away"):
        summarize(PLAN, site.with_values(values))


def test_covariates_that_are_not_as_agreed(site: FeatureTable) -> None:
    with pytest.raises(CovariateError, match=r"between 18 and 90, got 95 .*1 cases"):
        summarize(PLAN, changed(site, age=[95] + [50 + n / 7 for n in range(39)]))
    with pytest.raises(CovariateError, match=r"levels F, M were agreed on for 'sex', got 'X'"):
        summarize(PLAN, changed(site, sex=["X"] * 10 + ["F"] * 30))
