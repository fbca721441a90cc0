"""Fits with missing cells: each feature learns from the cases that have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import make_table
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.combat import ComBatHarmonizer
from harmonize_kit.combat.missing import sum_present
from harmonize_kit.combat.sums import sum_rows
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeWarning


def fit(table: FeatureTable, **choices: Any) -> Any:
    return ComBatHarmonizer(ComBatConfig(**choices)).fit(table)


def holed(table: FeatureTable, share: float = 0.1, seed: int = 0) -> FeatureTable:
    values = table.values.copy()
    values[np.random.default_rng(seed).uniform(size=values.shape) < share] = np.nan
    return table.with_values(values)


def test_sums_of_complete_features_are_those_without_gaps() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 1, (20, 2)), rng.normal(50, 2, (20, 5))
    plain, present = sum_rows(x, y.copy()), sum_present(x, y)
    effects = rng.normal(size=(2, 5))
    np.testing.assert_allclose(present.gram, np.broadcast_to(plain.gram, (5, 2, 2)))
    for name in ("feature_mean", "cross", "squares"):
        np.testing.assert_allclose(getattr(present, name), getattr(plain, name))
    np.testing.assert_allclose(present.residual_scatter(effects), plain.residual_scatter(effects))
    np.testing.assert_allclose(
        present.mean_residual(np.ones(5), effects), plain.mean_residual(np.ones(5), effects)
    )


@pytest.mark.parametrize(
    "choices",
    [{"empirical_bayes": False}, {"empirical_bayes": False, "reference": "B"},
     {"empirical_bayes": False, "mean_only": True}],
)  # fmt: skip
def test_without_shrinkage_a_feature_is_fitted_to_its_own_cases(choices: dict[str, Any]) -> None:
    """What remains of a feature's column alone gives the same shifts, up to the divisor of sd."""
    table = holed(make_table(3))
    whole = fit(table, preserve="age + sex", **choices)
    for position, name in enumerate(table.names[:4]):
        design = whole.design.matrix(table.covariates)
        rows = np.flatnonzero(np.isfinite(table.features[name].to_numpy()))
        x = np.column_stack([
            (table.covariates["site"] == site).to_numpy(dtype=float)[rows] for site in "ABC"
        ] + [design[rows]])  # fmt: skip
        solved = np.linalg.lstsq(x, table.values[rows, position], rcond=None)[0]
        np.testing.assert_allclose(whole.coefficients[:, position], solved[3:], rtol=1e-9)
        shift = (whole.location * whole.pooled_sd)[:, position]
        np.testing.assert_allclose(shift - shift[0], solved[:3] - solved[0], atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.01, 0.3))
def test_gaps_stay_where_they_are_and_order_does_not_matter(seed: int, share: float) -> None:
    table = holed(make_table(seed), share, seed)
    got = fit(table, preserve="age").apply(table)
    np.testing.assert_array_equal(np.isnan(got.values), np.isnan(table.values))
    ids = [str(case) for case in np.random.default_rng(seed).permutation(table.ids)]
    turned = replace(table.select(ids), features=table.select(ids).features[table.names[::-1]])
    again = fit(turned, preserve="age").apply(turned).features.loc[table.ids, table.names]
    np.testing.assert_allclose(again.to_numpy(), got.values, rtol=1e-9)


def test_a_feature_without_cells_at_a_site_passes_through_and_is_said(table: FeatureTable) -> None:
    values = table.values.copy()
    in_b = np.flatnonzero(table.covariates["site"] == "B")
    values[in_b[1:], 2] = np.nan
    gap = table.with_values(values)
    with pytest.warns(HarmonizeWarning, match="1 features have too few values in some site.*f02"):
        got = fit(gap).apply(gap).values
    np.testing.assert_array_equal(got[:, 2], values[:, 2])
    assert not np.allclose(got[:, 3], values[:, 3])


def test_a_covariate_that_gaps_leave_constant_sets_its_feature_aside(table: FeatureTable) -> None:
    values = table.values.copy()
    values[(table.covariates["sex"] == "F").to_numpy(), 5] = np.nan
    gap = table.with_values(values)
    with pytest.warns(HarmonizeWarning, match="too few values.*f05"):
        fitted = fit(gap, preserve="sex")
    assert fitted.passed_through.tolist().index(True) == 5
    assert fitted.passed_through.sum() == 1
