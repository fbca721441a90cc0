"""neuroHarmonize's choice of smoothing, replayed: the figures are neuroHarmonize's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from smooth_figures import FIGURES, Sums, make_sums

from harmonize_kit.combat.empirical_bayes import estimate_priors, shrink_parametric
from harmonize_kit.combat.neuroharmonize_folds import WEIGHTS, choose_by_folds


def _harmonize(sums: Sums, lambdas: np.ndarray) -> np.ndarray:
    """ComBat after a given smoothing, written out case by case."""
    y, codes = sums.features, sums.sites
    effects = sums.effects(lambdas)
    counts = np.bincount(codes)
    left = y - sums.columns @ effects
    intercepts = np.stack([left[codes == s].mean(axis=0) for s in range(len(counts))])
    mean = counts @ intercepts / counts.sum() + sums.columns @ effects
    sd = np.sqrt(np.mean((left - intercepts[codes]) ** 2, axis=0))
    z = (y - mean) / sd
    per_site = [z[codes == s] for s in range(len(counts))]
    location = np.stack([one.mean(axis=0) for one in per_site])
    scale = np.stack([one.var(axis=0, ddof=1) for one in per_site])
    squares = np.stack([(one**2).sum(axis=0) for one in per_site])
    cases = np.repeat(counts[:, None].astype(np.float64), y.shape[1], axis=1)
    priors = estimate_priors(location, scale)
    location, scale = shrink_parametric(location, scale, squares, cases, priors)
    return (z - location[codes]) / np.sqrt(scale[codes]) * sd + mean


def test_equals_neuroharmonize() -> None:
    """neuroHarmonize 2.5.2, ``smooth_terms=["age"], seed=1``, on the first 12 features."""
    covariates = pd.read_csv(FIGURES / "covars.csv")
    features = pd.read_csv(FIGURES / "data.csv", index_col="id").to_numpy()[:, :12]
    expected = pd.read_csv(FIGURES / "nh252_gam_age_seed1_first12.csv", index_col="id").to_numpy()
    codes = np.searchsorted(np.array(list("ABCD")), covariates["SITE"].to_numpy(dtype=str))
    linear, age = covariates[["sex", "dx"]].to_numpy(np.float64), covariates["age"].to_numpy()
    sums = make_sums(codes, linear, {"age": age}, features, distinct_knots=False)
    lambdas = choose_by_folds(codes, linear, sums.terms, [age], features, seed=1)
    assert np.abs(_harmonize(sums, lambdas) - expected).max() < 1e-9
    other = choose_by_folds(codes, linear, sums.terms, [age], features, seed=2)
    assert np.abs(_harmonize(sums, other) - expected).max() > 0.01  # the seed decides


def _cohort(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """90 cases: a site of two, so that folds swallow it whole; ages with ties; six ages only."""
    rng = np.random.default_rng(5)
    sites = np.repeat(range(4), [40, 30, 18, 2] if "small" in kind else [30, 30, 20, 10])
    age = rng.uniform(20, 80, 90)
    if "ties" in kind:
        share = np.array([6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]) / 29
        age = rng.choice(np.arange(8.0, 22.0), 90, p=share)
    if "few" in kind:
        age = rng.choice(np.arange(8.0, 14.0), 90)
    sex, bmi = rng.integers(0, 2, 90).astype(float), rng.normal(25, 4, 90)
    y = 10 + np.sin(age[:, None] / 9) * rng.normal(size=8)
    y = y + 0.05 * bmi[:, None] * rng.normal(size=8) + rng.normal(size=(90, 8))
    return sites, age, sex, bmi, y


# Positions in the grid of weights that neuroHarmonize 2.5.2 (statsmodels 0.15.0) chose, seed 3.
CHOSEN = {
    "small": [3, 1, 10, 6, 2, 4, 4, 8],
    "ties": [10, 6, 9, 7, 2, 2, 4, 2],
    "small ties": [10, 6, 9, 7, 2, 7, 10, 2],
    "few": [1, 3, 9, 7, 6, 2, 9, 7],
}
TWO_CHOSEN = np.array([[4, 4], [4, 1]])  # of two features, for age and for bmi


@pytest.mark.parametrize("kind", list(CHOSEN))
def test_awkward_cohorts_get_the_weights_neuroharmonize_gives_them(kind: str) -> None:
    sites, age, sex, bmi, features = _cohort(kind)
    linear = np.column_stack([sex, bmi])
    sums = make_sums(sites, linear, {"age": age}, features, distinct_knots=False)
    lambdas = choose_by_folds(sites, linear, sums.terms, [age], features, seed=3)
    width = sums.terms[0].upper - sums.terms[0].lower
    np.testing.assert_allclose(lambdas[0] * width**3, WEIGHTS[CHOSEN[kind]], rtol=1e-9)


def test_two_smooths_get_the_weights_neuroharmonize_gives_them() -> None:
    sites, age, sex, bmi, features = _cohort("two")
    features = features[:, :2]
    smooth = {"age": age, "bmi": bmi}
    sums = make_sums(sites, sex[:, None], smooth, features, distinct_knots=False)
    lambdas = choose_by_folds(sites, sex[:, None], sums.terms, [age, bmi], features, seed=3)
    width = np.array([[term.upper - term.lower] for term in sums.terms])
    np.testing.assert_allclose(lambdas * width**3, WEIGHTS[TWO_CHOSEN], rtol=1e-9)
