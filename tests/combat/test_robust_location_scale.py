"""Robust location and scale: equal to ComBatFamily's robust.LS, and deaf to a few wild cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.design import learn_design
from harmonize_kit.combat.effects import SiteEffects, estimate_effects
from harmonize_kit.combat.empirical_bayes import estimate_priors
from harmonize_kit.combat.robust_location_scale import (
    biweight_midvariance,
    estimate_robust_effects,
    shrink_robust,
)

FIGURES = Path(__file__).parent.parent / "oracle" / "combat"


def test_equals_comfam() -> None:
    values = pd.read_csv(FIGURES / "data.csv", index_col="id").to_numpy()
    covariates = pd.read_csv(FIGURES / "covars.csv", index_col="id")
    expected = pd.read_csv(FIGURES / "comfam_lm_robust.csv", index_col="id").to_numpy()
    codes = np.unique(covariates["SITE"].to_numpy(dtype=str), return_inverse=True)[1]
    rows = [np.flatnonzero(codes == site) for site in range(4)]
    design = learn_design(covariates, "age + sex + dx").matrix(covariates)
    effects, standardised = estimate_robust_effects(
        values, rows, design, reference=None, mean_only=np.zeros(4, dtype=np.bool_)
    )
    location, scale = shrink_robust(
        standardised, rows, effects.location, effects.scale,
        estimate_priors(effects.location, effects.scale),
    )  # fmt: skip
    standard = effects.standard
    left = standardised - location[codes]
    mean = standard.grand_mean + design @ standard.coefficients
    got = left / np.sqrt(scale)[codes] * standard.pooled_sd + mean
    assert np.abs(got - expected).max() < 1e-10


def test_is_the_variance_of_normal_values_and_deaf_to_outliers() -> None:
    values = np.random.default_rng(0).normal(0, 3, (4000, 6))
    np.testing.assert_allclose(biweight_midvariance(values), 9, rtol=0.1)
    spoiled = values.copy()
    spoiled[:80] = 1e6
    np.testing.assert_allclose(biweight_midvariance(spoiled), 9, rtol=0.15)


def test_half_the_values_alike_leave_no_scale() -> None:
    values = np.concatenate([np.zeros(6), np.arange(5.0)])[:, None]
    np.testing.assert_array_equal(biweight_midvariance(values), 0)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 4))
    table[:15, 2] = 1.0
    effects = _robust(table)
    np.testing.assert_array_equal(np.flatnonzero(effects.constant), [2])
    np.testing.assert_array_equal(effects.scale[:, 2], 1)


def test_a_few_wild_cases_hardly_move_a_site() -> None:
    rng = np.random.default_rng(1)
    clean = rng.normal(size=(40, 5))
    spoiled = clean.copy()
    spoiled[[0, 1]] += 50
    robust = np.abs(_robust(spoiled).location - _robust(clean).location).max()
    rows = [np.arange(20), np.arange(20, 40)]
    plain = [
        estimate_effects(
            of, rows, np.zeros((40, 0)), reference=None, mean_only=np.zeros(2, dtype=np.bool_)
        ).location[0]
        for of in (clean, spoiled)
    ]
    assert np.abs(plain[0] - plain[1]).max() > 0.2
    assert robust < 2.6


def _robust(values: NDArray[np.float64]) -> SiteEffects:
    rows = [np.arange(20), np.arange(20, 40)]
    return estimate_robust_effects(
        values, rows, np.zeros((40, 0)), reference=None, mean_only=np.zeros(2, dtype=np.bool_)
    )[0]
