"""Sums of sites give the model of all their cases, and tell of none of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_table
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.combat import (
    ComBatHarmonizer,
    Combination,
    FittedComBat,
    Summary,
    combine,
    describe_combination,
    describe_summary,
    finish,
    pooled_harmonizer,
    restore_combination,
    restore_summary,
    summarize,
)
from harmonize_kit.config.combat import combat_part
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import (
    ConfigError,
    DesignError,
    HarmonizeWarning,
    IntegrityError,
)

COVARIATES: dict[str, Any] = {
    "preserve": "age + sex",
    "ranges": {"age": (18, 90)},
    "levels": {"sex": ("F", "M")},
}
SMOOTH: dict[str, Any] = {**COVARIATES, "smooth": ("age",), "knots": {"age": (40, 60)}}
PLANS: dict[str, dict[str, Any]] = {
    "plain": {},
    "covariates": COVARIATES,
    "interaction": {**COVARIATES, "preserve": "age * sex"},
    "mean only": {**COVARIATES, "mean_only": True},
    "reference": {**COVARIATES, "reference": "C"},
    "reference, mean only": {**COVARIATES, "reference": "C", "mean_only": True},
    "no empirical Bayes": {**COVARIATES, "empirical_bayes": False},
    "non-parametric": {**COVARIATES, "parametric": False},
    "gam": SMOOTH,
    "gam with reference": {**SMOOTH, "reference": "A"},
    "gam by gcv": {**SMOOTH, "smoothing": "gcv"},
}
STATE = (
    "grand_mean", "pooled_sd", "coefficients", "location", "scale", "raw_location", "raw_scale",
)  # fmt: skip


@pytest.fixture
def table() -> FeatureTable:
    """Five sites of different sizes."""
    whole = make_table(1, n=400, p=15, sites="ABCDE")
    drop = [case for row, case in enumerate(whole.ids) if row % 3 or row > 200]
    return whole.select(drop)


def parts(table: FeatureTable, sites: Sequence[str] = "ABCDE") -> list[FeatureTable]:
    named = table.covariates["site"].to_numpy()
    return [table.select(np.array(table.ids)[named == site].tolist()) for site in sites]


def sent(summary: Summary) -> Summary:
    """The same after it was written and read."""
    kind, document, arrays = describe_summary(summary)
    return restore_summary(kind, document, arrays, "message")


def federated(
    plan: FederationPlan, table: FeatureTable, sites: Sequence[str] = "ABCDE"
) -> tuple[FittedComBat, Combination, list[Summary]]:
    summaries = [sent(summarize(plan, part)) for part in parts(table, sites)]
    combination = restore_combination(*describe_combination(combine(summaries)), "combined")
    return finish(combination, summaries), combination, summaries


def assert_same(got: FittedComBat, expected: FittedComBat) -> None:
    assert got.sites == expected.sites
    assert got.counts == expected.counts
    assert got.config == expected.config
    for name in STATE:
        np.testing.assert_allclose(
            getattr(got, name), getattr(expected, name), rtol=0, atol=1e-10, err_msg=name
        )


@pytest.mark.parametrize("choices", PLANS.values(), ids=PLANS.keys())
def test_five_sites_get_the_model_of_one_place(
    choices: dict[str, Any], table: FeatureTable
) -> None:
    plan = FederationPlan(**choices)
    fitted = federated(plan, table)[0]
    expected = pooled_harmonizer(plan).fit(table)
    assert_same(fitted, expected)
    assert np.abs(fitted.apply(table).values - expected.apply(table).values).max() < 1e-10


@pytest.mark.parametrize("choices", [{}, COVARIATES, {**COVARIATES, "reference": "B"}])
def test_without_a_smooth_it_is_the_fit_that_agrees_on_nothing(
    choices: dict[str, Any], table: FeatureTable
) -> None:
    """Ranges and levels then play no part in the numbers."""
    plan = FederationPlan(**choices)
    expected = ComBatHarmonizer(combat_part(plan)).fit(table)
    got = federated(plan, table)[0]
    assert np.abs(got.apply(table).values - expected.apply(table).values).max() < 1e-10


def test_knots_that_are_agreed_on_are_used(table: FeatureTable) -> None:
    """The bar of the GAM can fail: other knots give another fit."""
    plan = FederationPlan(**SMOOTH)
    fits = [
        pooled_harmonizer(plan.model_copy(update={"knots": knots})).fit(table)
        for knots in ({"age": (40, 60)}, {"age": (30, 50)}, {})
    ]
    first, second, third = (fitted.apply(table).values for fitted in fits)
    assert np.abs(first - second).max() > 1e-6
    assert np.abs(first - third).max() > 1e-6
    assert [len(fitted.design.smooths[0].knots) for fitted in fits] == [2, 2, 6]


@pytest.mark.parametrize("choices", [COVARIATES, {**COVARIATES, "reference": "C"}])
@pytest.mark.parametrize("site", ["B", "C"])
def test_a_site_finishes_for_itself(
    choices: dict[str, Any], site: str, table: FeatureTable
) -> None:
    plan = FederationPlan(**choices)
    whole, combination, summaries = federated(plan, table)
    own = [one for one in summaries if site in one.sums]
    fitted = finish(combination, own)
    assert set(fitted.sites) == {site, *([plan.reference] if plan.reference else [])}
    part = parts(table, [site])[0]
    np.testing.assert_allclose(
        fitted.apply(part).values, whole.apply(part).values, rtol=0, atol=1e-12
    )


def test_several_sites_may_share_a_message(table: FeatureTable) -> None:
    plan = FederationPlan(**COVARIATES)
    one, two = parts(table, "AB")
    both = FeatureTable(
        pd.concat([two.features, one.features]), pd.concat([two.covariates, one.covariates])
    )
    summaries = [summarize(plan, part) for part in (both, *parts(table, "CDE"))]
    fitted = finish(combine(summaries), summaries[::-1])
    assert_same(fitted, pooled_harmonizer(plan).fit(table))


def test_features_in_another_order(table: FeatureTable) -> None:
    plan = FederationPlan(**COVARIATES)
    pieces = parts(table)
    pieces[2] = replace(pieces[2], features=pieces[2].features[table.names[::-1]])
    summaries = [summarize(plan, part) for part in pieces]
    assert_same(finish(combine(summaries), summaries), pooled_harmonizer(plan).fit(table))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 1e4]))
def test_equal_to_one_place_on_any_table(seed: int, offset: float) -> None:
    whole = make_table(seed, n=90, p=6)
    whole = whole.with_values(whole.values + offset)
    plan = FederationPlan(preserve="age", ranges={"age": (20, 80)}, reference="B")
    got = federated(plan, whole, "ABC")[0].apply(whole).values
    expected = pooled_harmonizer(plan).fit(whole).apply(whole).values
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(offset, 1.0))


def test_a_feature_that_does_not_vary_is_not_sent_and_passed_through(table: FeatureTable) -> None:
    values = table.values.copy()
    values[:, 3] = np.where(table.covariates["site"] == "B", 7.25, values[:, 3])
    table = table.with_values(values)
    plan = FederationPlan(**COVARIATES)
    with pytest.warns(HarmonizeWarning, match="passed through"):
        fitted, _, summaries = federated(plan, table)
    assert summaries[1].sums["B"].feature_mean[3] == 0.0
    with pytest.warns(HarmonizeWarning, match="passed through"):
        expected = pooled_harmonizer(plan).fit(table)
    np.testing.assert_array_equal(fitted.passed_through, expected.passed_through)
    got = fitted.apply(table).values
    assert np.abs(got - expected.apply(table).values).max() < 1e-10
    np.testing.assert_array_equal(got[:, 3], values[:, 3])


def test_sites_that_do_not_belong_together(table: FeatureTable) -> None:
    plan = FederationPlan(**COVARIATES)
    a, b = (summarize(plan, part) for part in parts(table, "AB"))
    with pytest.raises(ConfigError, match="'A' comes in two"):
        combine([a, b, a])
    other = summarize(plan.model_copy(update={"mean_only": True}), parts(table, "C")[0])
    with pytest.raises(ConfigError, match=r"'C'.*'mean_only' differs"):
        combine([a, b, other])
    fewer = replace(parts(table, "C")[0], features=table.features.loc[c_ids(table), ["f00", "f01"]])
    with pytest.raises(ConfigError, match=r"'C'.*13 differ, such as 'f02'"):
        combine([a, b, summarize(plan, fewer)])
    with pytest.raises(DesignError, match="two sites"):
        combine([a])
    with pytest.raises(DesignError, match="reference 'Z'"):
        combine(
            [
                summarize(plan.model_copy(update={"reference": "Z"}), part)
                for part in parts(table, "AB")
            ]
        )
    with pytest.raises(ConfigError, match="got none"):
        combine([])


def c_ids(table: FeatureTable) -> list[str]:
    return parts(table, "C")[0].ids


def test_other_sums_than_those_combined_are_refused(table: FeatureTable) -> None:
    plan = FederationPlan(**COVARIATES)
    _, combination, summaries = federated(plan, table)
    part = parts(table, "B")[0]
    newer = summarize(plan, part.select(part.ids[:-1]))
    with pytest.raises(IntegrityError, match="site 'B' are not those"):
        finish(combination, [newer])
    foreign = replace(summaries[0], sums={"Q": summaries[0].sums["A"]})
    with pytest.raises(IntegrityError, match="'Q'"):
        finish(combination, [foreign])


@pytest.mark.parametrize(
    ("preserve", "ranges", "sentence"),
    [
        ("age + field", {"age": (18, 90), "field": (0, 9)}, "'field' is determined by 'site'"),
        ("age + days", {"age": (18, 90), "days": (0, 1e5)}, "'days' is a combination"),
    ],
)
def test_what_cannot_be_told_from_the_site_is_refused(
    table: FeatureTable, preserve: str, ranges: dict[str, Any], sentence: str
) -> None:
    field = table.covariates["site"].map({"A": 1.5, "B": 3, "C": 1.5, "D": 3, "E": 7})
    days = 365.25 * table.number("age")
    table = replace(table, covariates=table.covariates.assign(field=field, days=days))
    plan = FederationPlan(preserve=preserve, ranges=ranges)
    summaries = [summarize(plan, part) for part in parts(table)]
    with pytest.raises(DesignError, match=sentence):
        combine(summaries)


def test_a_smooth_covariate_that_the_site_determines_is_refused(table: FeatureTable) -> None:
    """A straight line in age is left free by the penalty, and must be estimable."""
    age = table.covariates["site"].map({"A": 30, "B": 40, "C": 50, "D": 60, "E": 70})
    table = replace(table, covariates=table.covariates.assign(age=age))
    plan = FederationPlan(smooth=("age",), ranges={"age": (18, 90)})
    with pytest.raises(DesignError, match="'age' is determined"):
        combine([summarize(plan, part) for part in parts(table)])


def test_sites_of_other_ages_are_told(table: FeatureTable) -> None:
    age = table.number("age") + 100 * (table.covariates["site"] == "E")
    table = replace(table, covariates=table.covariates.assign(age=age))
    plan = FederationPlan(preserve="age", ranges={"age": (0, 200)})
    with pytest.warns(HarmonizeWarning, match="'age' of site 'E'"):
        combine([summarize(plan, part) for part in parts(table)])


def test_a_message_of_the_wrong_shape_is_refused(table: FeatureTable) -> None:
    kind, document, arrays = describe_summary(
        summarize(FederationPlan(**COVARIATES), parts(table, "A")[0])
    )
    for changed in (
        {**arrays, "gram": arrays["gram"][:, :1]},
        {**arrays, "squares": -arrays["squares"]},
        {**arrays, "more": arrays["squares"]},
        {name: array for name, array in arrays.items() if name != "cross"},
        {**arrays, "cross": np.full_like(arrays["cross"], np.nan)},
    ):
        with pytest.raises(IntegrityError):
            restore_summary(kind, document, changed, "message")
    with pytest.raises(IntegrityError, match="fewer cases"):
        restore_summary(kind, {**document, "counts": {"A": 2}}, arrays, "message")
    with pytest.raises(IntegrityError, match="expected a combination"):
        restore_combination(kind, document, arrays, "message")


@pytest.mark.parametrize(
    "choices", [{}, {"reference": "ICBM"}, {"smooth": ("age",), "knots": {"age": (35,)}}]
)
def test_real_sites_get_the_model_of_one_place(real_data: Path, choices: dict[str, Any]) -> None:
    frame = pd.read_csv(real_data / "tables" / "fcon1000_fs_thickness.csv.gz", index_col="sub_id")
    frame.index = frame.index.astype(str)
    sites = ["AnnArbor_b", "Beijing_Zang", "Cambridge_Buckner", "ICBM", "NewYork_a"]
    frame = frame[frame["site"].isin(sites)]
    features = frame.loc[:, frame.columns.str.endswith("_thickness")]
    table = FeatureTable(features, frame[["site", "age", "sex"]], source="fcon1000")
    plan = FederationPlan(
        preserve="age + sex", ranges={"age": (5, 90)}, levels={"sex": ("0", "1")}, **choices
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HarmonizeWarning)
        fitted = federated(plan, table, sites)[0]
        expected = pooled_harmonizer(plan).fit(table)
    assert np.abs(fitted.apply(table).values - expected.apply(table).values).max() < 1e-10
