"""Site probes: what they must find, what they must not, and which way they may not fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score

from harmonize_kit.compare.discriminant import discriminants
from harmonize_kit.compare.folds import cross_validation
from harmonize_kit.compare.resampling import bootstrap_weights, site_permutations
from harmonize_kit.compare.site_classification import (
    SiteClassification,
    balanced_accuracy,
    site_classification,
)
from harmonize_kit.compare.standardised import standardise
from harmonize_kit.config.compare import CompareConfig


def classify(
    values: np.ndarray, site: np.ndarray, covariates: np.ndarray | None = None, draws: int = 39
) -> SiteClassification:
    subject = np.arange(len(site))
    split = cross_validation(site, subject, 5, 0)
    assert split is not None
    return site_classification(
        [standardise(values, fold) for fold in split.folds],
        site,
        np.empty((len(site), 0)) if covariates is None else covariates,
        site_permutations(site, subject, draws, 0),
        bootstrap_weights(site, subject, 60, 0),
        CompareConfig(),
    )


def test_discriminant_is_scikit_learns():
    rng = np.random.default_rng(0)
    codes = np.repeat([2, 5, 9], 30)
    train = rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6)) + codes[:, None] * [
        0.2,
        0,
        0,
        0,
        0,
        0,
    ]
    test = rng.normal(size=(200, 6)) + 1
    # sklearn weights the classes' covariances by the priors, so classes of one size make it pooled.
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1, priors=np.full(3, 1 / 3))
    expected = peer.fit(train, codes).predict(test)
    both = np.stack([train, train[:, ::-1]]), np.stack([test, test[:, ::-1]])
    greatest = discriminants(both[0], codes, both[1], 0.1).argmax(axis=-1)
    found = np.unique(codes)[greatest]
    assert len(set(expected)) == 3
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], expected)  # columns in another order


def test_balanced_accuracy_is_scikit_learns():
    rng = np.random.default_rng(0)
    site = np.repeat([0, 1, 2], [30, 8, 12])
    predicted = rng.integers(0, 3, 50)
    weights = bootstrap_weights(site, np.arange(50), 4, 0)
    hits = (predicted == site).astype(float)[None]
    expected = balanced_accuracy_score(site, predicted)
    assert balanced_accuracy(hits, site)[0] == pytest.approx(expected)
    for weight, value in zip(weights, balanced_accuracy(hits, site, weights), strict=True):
        expected = balanced_accuracy_score(site, predicted, sample_weight=weight)
        assert value == pytest.approx(expected)


def test_shift_is_found_and_its_removal_brings_chance():
    rng = np.random.default_rng(1)
    site = np.arange(120) % 4
    values = rng.normal(size=(120, 30))
    shift = rng.normal(scale=0.8, size=(4, 30))
    shifted = classify(values + shift[site], site)
    clean = classify(values, site)
    assert shifted.linear.value > 0.8
    assert shifted.linear.interval is not None
    assert shifted.linear.interval[0] > 0.7
    for estimate in (clean.linear, clean.nonlinear):
        assert estimate.null is not None
        assert estimate.null.low <= estimate.value <= estimate.null.high
        assert estimate.null.mean == pytest.approx(0.25, abs=0.03)


def test_only_the_nonlinear_probe_sees_a_difference_in_covariance():
    rng = np.random.default_rng(2)
    site = np.arange(240) % 2
    factor = rng.normal(size=(240, 1))
    # Equal means and variances; the two halves of the features correlate with opposite sign.
    sign = np.where(site == 0, 1.0, -1.0)[:, None]
    values = rng.normal(size=(240, 8))
    values += 1.5 * np.hstack([factor.repeat(4, 1), (sign * factor).repeat(4, 1)])
    found = classify(values, site)
    assert found.linear.null is not None
    assert found.linear.value <= found.linear.null.high
    assert found.nonlinear.null is not None
    assert found.nonlinear.value > found.nonlinear.null.high + 0.1


def test_biology_that_differs_between_sites_is_not_taken_for_site():
    rng = np.random.default_rng(3)
    site = np.arange(150) % 3
    age = rng.normal(size=150) + 1.5 * site
    values = rng.normal(size=(150, 20)) + np.outer(age, rng.normal(size=20))
    unadjusted = classify(values, site).linear
    adjusted = classify(values, site, age[:, None]).linear
    assert unadjusted.null is not None
    assert adjusted.null is not None
    assert unadjusted.value > unadjusted.null.high + 0.1
    # The error of the slopes is a site difference too; the null must hold it, so it is above 1/3.
    assert adjusted.null.mean > 1 / 3 + 0.02
    assert adjusted.null.low <= adjusted.value <= adjusted.null.high


def test_a_correction_fitted_to_the_judged_cases_falls_below_chance():
    rng = np.random.default_rng(4)
    site = np.arange(60) % 2
    values = rng.normal(size=(60, 25))
    for code in range(2):
        values[site == code] -= values[site == code].mean(axis=0)
    found = classify(values, site).linear
    assert found.null is not None
    assert found.value < found.null.low - 0.1
    assert found.null.p < 0.05  # two-sided: this is not good, it is wrong


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_do_not_matter(scale: float):
    rng = np.random.default_rng(5)
    site = np.arange(60) % 3
    values = rng.normal(size=(60, 10)) + 0.5 * site[:, None]
    units = scale * rng.uniform(0.1, 10, 10)
    assert classify(values * units + 3 * units, site) == classify(values, site)
