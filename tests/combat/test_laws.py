from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import laws
import numpy as np
import pandas as pd
import pytest
from conftest import make_table
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.combat import ComBatHarmonizer, from_document, to_document
from harmonize_kit.combat.sums import sum_by_site
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.harmonizer import IdentityHarmonizer
from harmonize_kit.core.table import FeatureTable

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "covariates": {"preserve": "age + sex"},
    "interaction": {"preserve": "age * sex"},
    "reference": {"preserve": "age", "reference": "B"},
    "mean only": {"preserve": "age", "mean_only": True},
    "no empirical Bayes": {"empirical_bayes": False},
    "non-parametric": {"preserve": "age", "parametric": False},
}


@pytest.mark.parametrize("law", laws.ALL, ids=lambda law: law.__name__)
@pytest.mark.parametrize("choices", VARIANTS.values(), ids=VARIANTS.keys())
def test_combat_obeys(
    law: Callable[[Any, FeatureTable], None], choices: dict[str, Any], table: FeatureTable
) -> None:
    law(ComBatHarmonizer(ComBatConfig(**choices)), table)


@pytest.mark.parametrize("law", laws.ALL, ids=lambda law: law.__name__)
def test_identity_obeys(law: Callable[[Any, FeatureTable], None], table: FeatureTable) -> None:
    law(IdentityHarmonizer(), table)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000), p=st.integers(2, 30), n=st.integers(20, 80),
    sites=st.sampled_from(["AB", "ABC", "ABCDE"]),
)  # fmt: skip
def test_sites_agree_afterwards_without_shrinkage(seed: int, p: int, n: int, sites: str) -> None:
    """Without shrinkage every site ends with the same mean and variance of every feature."""
    table = make_table(seed, n, p, sites)
    config = ComBatConfig(empirical_bayes=False)
    got = ComBatHarmonizer(config).fit(table).apply(table).features
    grouped = got.groupby(table.covariates["site"])
    np.testing.assert_allclose(grouped.mean().std(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(grouped.var().std(axis=0) / grouped.var().mean(axis=0), 0, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_reference_site_is_untouched(seed: int) -> None:
    table = make_table(seed)
    got = ComBatHarmonizer(ComBatConfig(reference="C", preserve="sex")).fit(table).apply(table)
    own = (table.covariates["site"] == "C").to_numpy()
    np.testing.assert_array_equal(got.values[own], table.values[own])
    assert not np.allclose(got.values[~own], table.values[~own])


def test_known_shift_and_scale_are_recovered() -> None:
    """With many subjects the estimated site effects are the planted ones, up to a common factor."""
    rng = np.random.default_rng(3)
    n, p = 20_000, 6
    code = rng.integers(0, 2, n)
    shift, scale = np.array([[-0.5], [0.5]]), np.array([[0.8], [1.25]])
    values = shift[code] + scale[code] * rng.normal(size=(n, p))
    ids = [str(i) for i in range(n)]
    covariates = pd.DataFrame({"site": np.array(["A", "B"])[code]}, index=ids)
    table = FeatureTable(pd.DataFrame(values, index=ids), covariates)
    fitted = ComBatHarmonizer(ComBatConfig()).fit(table)
    sd = fitted.pooled_sd
    np.testing.assert_allclose((fitted.location[1] - fitted.location[0]) * sd, 1.0, atol=0.05)
    np.testing.assert_allclose(fitted.scale[1] / fitted.scale[0], 1.25**2 / 0.8**2, rtol=0.05)


def test_covariates_in_any_unit_give_the_same(table: FeatureTable) -> None:
    """Age in days, or on top of a billion, changes nothing: the design is centred and scaled."""
    config = ComBatConfig(preserve="age + sex")
    expected = ComBatHarmonizer(config).fit(table).apply(table).values
    age = table.number("age")
    for other in (age * 365.25, age + 1e9):
        covariates = table.covariates.assign(age=other)
        changed = replace(table, covariates=covariates)
        got = ComBatHarmonizer(config).fit(changed).apply(changed).values
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_large_offset_loses_no_digits() -> None:
    table = make_table(5)
    shifted = table.with_values(table.values + 1e7)
    fit = ComBatHarmonizer(ComBatConfig(preserve="age")).fit
    expected, got = fit(table).apply(table).values, fit(shifted).apply(shifted).values - 1e7
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_model_survives_its_document(table: FeatureTable) -> None:
    fitted = ComBatHarmonizer(ComBatConfig(preserve="age * C(sex)")).fit(table)
    again = from_document(*to_document(fitted))
    np.testing.assert_array_equal(again.apply(table).values, fitted.apply(table).values)


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    """What lets the fit go by blocks, over a cluster, or across hospitals."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(5, 2, (40, 3)), rng.normal(1e6, 1, (40, 4))
    whole = sum_by_site(np.zeros(40, dtype=int), 1, x, y)[0]
    one = sum_by_site(np.zeros(13, dtype=int), 1, x[:13], y[:13])[0]
    two = sum_by_site(np.zeros(27, dtype=int), 1, x[13:], y[13:])[0]
    for name in ("count", "covariate_mean", "feature_mean", "gram", "cross", "squares"):
        np.testing.assert_allclose(getattr(one + two, name), getattr(whole, name), rtol=1e-7)


def test_sites_far_apart_keep_their_variance(table: FeatureTable) -> None:
    far = (table.covariates["site"] == "B").to_numpy()[:, None] * 1e7
    near = ComBatHarmonizer(ComBatConfig()).fit(table)
    apart = ComBatHarmonizer(ComBatConfig()).fit(table.with_values(table.values + far))
    np.testing.assert_allclose(apart.pooled_sd, near.pooled_sd, rtol=1e-7)
