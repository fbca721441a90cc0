"""Sums over sites give what refits to permuted and repeated rows give."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.compare import arrays
from harmonize_kit.compare.arrays import indicators
from harmonize_kit.compare.brown_forsythe import log_variance_ratio
from harmonize_kit.compare.cohens_d import cohens_d
from harmonize_kit.compare.linear_model import partial_effect, permuted_shares
from harmonize_kit.compare.moments import (
    Moments,
    observed_moments,
    permuted_moments,
    resampled_moments,
)
from harmonize_kit.compare.resampling import bootstrap_weights
from harmonize_kit.compare.residuals import leading_axes, residuals

RNG = np.random.default_rng(11)
SITE = RNG.permutation(np.repeat([0, 1, 2], [12, 20, 16]))
N = len(SITE)
COVARIATES = RNG.normal(size=(N, 2)) + 0.5 * SITE[:, None]
VALUES = RNG.normal(size=(N, 5)) * np.array([1, 2, 0.5])[SITE][:, None] + COVARIATES @ RNG.normal(
    size=(2, 5)
)


def literal(values: np.ndarray, site: np.ndarray, covariates: np.ndarray) -> dict[str, np.ndarray]:
    """Least squares written out."""
    sites = indicators(site, 3)
    design = np.hstack([sites, covariates])
    slopes = np.linalg.lstsq(design, values, rcond=None)[0][3:]
    rest = values - covariates @ slopes
    ones = np.ones((len(site), 1))
    residual = {
        name: values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
        for name, columns in (
            ("error", design),
            ("without_site", np.hstack([ones, covariates])),
            ("total", ones),
        )
    }
    return {
        "slopes": slopes,
        "mean": np.stack([rest[site == code].mean(axis=0) for code in range(3)]),
        "variance": np.stack([rest[site == code].var(axis=0, ddof=1) for code in range(3)]),
        **{name: np.sum(part**2, axis=0) for name, part in residual.items()},
    }


def check(moments: Moments, draw: int, expected: dict[str, np.ndarray]) -> None:
    for name, value in expected.items():
        found = getattr(moments, name)[draw]
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("d", [0, 2])
def test_observed_moments_are_least_squares(d: int):
    covariates = COVARIATES[:, :d]
    check(observed_moments(VALUES, SITE, covariates), 0, literal(VALUES, SITE, covariates))


@pytest.mark.parametrize("d", [0, 2])
def test_resampled_moments_are_refits_to_repeated_rows(d: int):
    covariates = COVARIATES[:, :d]
    weights = bootstrap_weights(SITE, np.arange(N), 3, seed=5)
    moments = next(resampled_moments(VALUES, SITE, covariates, weights))
    for draw, weight in enumerate(weights):
        rows = np.repeat(np.arange(N), weight.astype(int))
        check(moments, draw, literal(VALUES[rows], SITE[rows], covariates[rows]))


@pytest.mark.parametrize("d", [0, 2])
def test_permuted_moments_are_refits_to_permuted_rows(d: int):
    covariates = COVARIATES[:, :d]
    orders = np.stack([np.random.default_rng(seed).permutation(N) for seed in range(3)])
    for order, moments in zip(
        orders, permuted_moments(VALUES, SITE, covariates, orders), strict=True
    ):
        check(moments, 0, literal(VALUES[order], SITE, covariates))


def test_leaving_a_covariate_out_is_the_model_without_it():
    moments = observed_moments(VALUES, SITE, COVARIATES)
    effect = partial_effect(
        VALUES, COVARIATES[:, [1]], np.hstack([indicators(SITE, 3), COVARIATES[:, [0]]])
    )
    without, error = moments.without(slice(1, 2))[0], moments.error[0]
    np.testing.assert_allclose((without - error) / without, effect.share, rtol=1e-9)


def test_some_sites_alone_are_their_cases_alone():
    rows = SITE != 0
    found = observed_moments(VALUES, SITE, COVARIATES).of(np.array([1, 2]))
    alone = observed_moments(VALUES[rows], SITE[rows] - 1, COVARIATES[rows])
    np.testing.assert_allclose(found.mean, alone.mean, rtol=1e-9)
    np.testing.assert_allclose(found.error, alone.error, rtol=1e-9)


def test_a_site_without_spread_stays_finite():
    values = VALUES.copy()
    values[SITE == 0] = 3.0
    moments = observed_moments(values, SITE, COVARIATES[:, :0])
    assert np.isfinite(log_variance_ratio(moments)).all()
    assert np.isfinite(cohens_d(moments)).all()
    still = observed_moments(np.ones((N, 2)), SITE, COVARIATES)
    assert (cohens_d(still) == 0).all()


def test_adjusted_residuals_of_a_permutation_are_learned_anew():
    found = residuals(VALUES, SITE, COVARIATES)
    order = np.random.default_rng(3).permutation(N)
    design = np.hstack([indicators(SITE, 3), found.covariates])
    permuted = found.reduced[order]
    slopes = np.linalg.lstsq(design, permuted, rcond=None)[0][3:]
    np.testing.assert_allclose(
        found.adjusted(order), permuted - found.covariates @ slopes, atol=1e-10
    )
    # Observed, they are the features less within-site slopes, whatever was taken out before.
    standard = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0)
    slopes = np.linalg.lstsq(design, standard, rcond=None)[0][3:]
    difference = found.adjusted() - (standard - found.covariates @ slopes)
    np.testing.assert_allclose(difference, difference[[0]].repeat(N, axis=0), atol=1e-10)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_leading_axes_are_those_of_the_singular_values(shape: tuple[int, int]):
    values = np.random.default_rng(0).normal(size=shape)
    axes = leading_axes(values, 3)
    centred = values - values.mean(axis=0)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(axes * right[:3].T, axis=0)), 1, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(centred @ axes, axis=0), singular[:3], rtol=1e-9)
    assert leading_axes(np.ones((4, 3)), 2).shape == (3, 0)


def test_large_tables_are_permuted_in_single_precision(monkeypatch: pytest.MonkeyPatch):
    orders = np.stack([RNG.permutation(N) for _ in range(5)])
    target = indicators(SITE, 3)[:, 1:]
    others = np.hstack([np.ones((N, 1)), COVARIATES])

    def draw() -> list[np.ndarray]:
        found = list(permuted_moments(VALUES, SITE, COVARIATES, orders))
        moments = [np.concatenate([m.mean.ravel(), m.variance.ravel()]) for m in found]
        return [*moments, permuted_shares(VALUES, target, others, orders)[0]]

    double = draw()
    monkeypatch.setattr(arrays, "SINGLE_FROM", 0)
    single = draw()
    for one, other in zip(double, single, strict=True):
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
