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
from harmonize_kit.combat.design import learn_design
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
    seed=st.integers(0, 10_000), p=st.integers(2, 30), n=st.integers(25, 80),
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


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), law=st.sampled_from(laws.ALL))
def test_laws_hold_on_any_table(seed: int, law: Callable[[Any, FeatureTable], None]) -> None:
    table = make_table(seed, n=60, p=6)
    law(ComBatHarmonizer(ComBatConfig(preserve="age * sex", reference="A")), table)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_harmonized_data_is_harmonized_already(seed: int) -> None:
    """Without shrinkage a second pass changes nothing: the first left no site effect."""
    table = make_table(seed)
    harmonizer = ComBatHarmonizer(ComBatConfig(reference="A", empirical_bayes=False))
    once = harmonizer.fit(table).apply(table)
    again = harmonizer.fit(once)
    np.testing.assert_allclose(again.apply(once).values, once.values, atol=1e-9)
    np.testing.assert_allclose(again.location, 0, atol=1e-9)
    np.testing.assert_allclose(again.scale, 1, atol=1e-9)


# Some draws leave a small site with ages at the edge of the others', which is told.
@pytest.mark.filterwarnings("ignore:.*covariates hardly overlap:UserWarning")
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_without_shrinkage_a_feature_does_not_know_the_others(seed: int) -> None:
    """What lets features be fitted block by block."""
    table = make_table(seed, n=40, p=9)
    config = ComBatConfig(preserve="age", empirical_bayes=False)
    whole = ComBatHarmonizer(config).fit(table).apply(table)
    one = replace(table, features=table.features[["f04"]])
    got = ComBatHarmonizer(config).fit(one).apply(one)
    np.testing.assert_allclose(got.values[:, 0], whole.values[:, 4], rtol=1e-12)


def test_blocks_do_not_show(table: FeatureTable, monkeypatch: pytest.MonkeyPatch) -> None:
    values = table.values.copy()
    values[3, 5] = np.nan
    table = table.with_values(values)
    config = ComBatConfig(preserve="age + sex", reference="B")
    expected = ComBatHarmonizer(config).fit(table).apply(table).values
    monkeypatch.setattr("harmonize_kit.combat.effects.BLOCK", 3 * len(table.ids))
    monkeypatch.setattr("harmonize_kit.combat.model.BLOCK", 2 * len(table.ids))
    np.testing.assert_allclose(
        ComBatHarmonizer(config).fit(table).apply(table).values, expected, rtol=1e-12
    )


@pytest.mark.parametrize("formula", ["age + sex", "sex + age", "age", "sex", "dx + sex + age"])
def test_a_plain_sum_of_columns_is_what_formulaic_gives(table: FeatureTable, formula: str) -> None:
    dx = np.array(["CN", "MCI", "AD"])[np.arange(90) % 3]
    covariates = table.covariates.assign(dx=dx)
    plain = learn_design(covariates, formula)
    # An interaction sends it through formulaic; its first columns are the main effects.
    full = learn_design(covariates, f"{formula} + age:sex")
    assert full.names[: len(plain.names)] == plain.names
    np.testing.assert_allclose(
        full.matrix(covariates)[:, : len(plain.names)], plain.matrix(covariates), rtol=1e-12
    )


def test_wide_tables_of_few_cases_are_fitted() -> None:
    table = make_table(8, n=15, p=2000)
    got = ComBatHarmonizer(ComBatConfig(preserve="age")).fit(table).apply(table)
    assert np.isfinite(got.values).all()
    assert got.values.std() < table.values.std()
