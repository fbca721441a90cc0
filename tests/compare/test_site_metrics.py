"""Every metric of the site equals an independent implementation (see figures/README.md)."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import roc_auc_score

from harmonize_kit.compare.between_sites import distances_between_sites, resampled_distances
from harmonize_kit.compare.brown_forsythe import brown_forsythe, log_variance_ratio
from harmonize_kit.compare.cohens_d import cohens_d
from harmonize_kit.compare.distances import pairwise_distances, permuted_distances, site_sums
from harmonize_kit.compare.energy import energy_share, resampled_energy_share
from harmonize_kit.compare.kbet import chi_squared, rejections
from harmonize_kit.compare.kruskal_wallis import kruskal_wallis
from harmonize_kit.compare.lisi import kernel, lisi, near_kernel, scaled, simpson
from harmonize_kit.compare.mixing import mixing, weighted_median
from harmonize_kit.compare.moments import observed_moments, permuted_moments
from harmonize_kit.compare.neighbours import nearest, nearest_unordered
from harmonize_kit.compare.permanova import permanova, share_of_moments
from harmonize_kit.compare.resampling import bootstrap_weights
from harmonize_kit.compare.residuals import residuals
from harmonize_kit.compare.silhouette import silhouette_widths
from harmonize_kit.compare.site_auc import log_posteriors, resampled_site_auc, site_auc
from harmonize_kit.compare.variance_partition import subject_share, variance_shares
from harmonize_kit.compare.wasserstein import wasserstein_distance

FIGURES = Path(__file__).parent / "figures"
CASES = pd.read_csv(FIGURES / "cases.csv", dtype={"id": str})
VALUES = CASES.filter(regex=r"^f\d").to_numpy(dtype=np.float64)
SITE = np.unique(CASES["site"], return_inverse=True)[1]
N, K = len(SITE), 4
STANDARD = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0)
DISTANCES = pairwise_distances(STANDARD)
AGE = CASES[["age"]].to_numpy(dtype=np.float64)
GROUP = np.stack([CASES["group"] == level for level in ("g1", "g2")], axis=1).astype(float)
COVARIATES = np.hstack([AGE, GROUP])
NONE = np.empty((N, 0))
NO_DRAWS = np.empty((0, N), dtype=np.intp)
PAIRS = list(combinations(range(K), 2))


def figures(name: str) -> dict[str, Any]:
    return json.loads((FIGURES / name).read_text())


PYTHON, R = figures("python.json"), figures("r.json")


def groups(values: np.ndarray) -> list[np.ndarray]:
    return [values[code == SITE] for code in range(K)]


def test_brown_forsythe_is_scipys_and_cars():
    found = brown_forsythe(VALUES, SITE)
    expected = stats.levene(*groups(VALUES), center="median")
    np.testing.assert_allclose(found.f, expected.statistic, rtol=1e-10)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-9)
    np.testing.assert_allclose([found.f, found.p], R["brown_forsythe"], rtol=1e-9)


def test_kruskal_wallis_is_scipys_and_rs_with_ties():
    found = kruskal_wallis(VALUES, SITE, NONE)
    expected = stats.kruskal(*groups(VALUES))
    assert len(np.unique(VALUES[:, 5])) < N / 2
    np.testing.assert_allclose(found.h, expected.statistic, rtol=1e-10)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-9)
    np.testing.assert_allclose([found.h, found.p], R["kruskal"], rtol=1e-9)


def test_cohens_d_is_pingouins():
    found = cohens_d(observed_moments(STANDARD, SITE, NONE))[0]
    np.testing.assert_allclose(found, PYTHON["pingouin_cohen_d"], rtol=1e-9)


def test_log_variance_ratio_is_the_root_mean_square_over_pairs():
    logs = np.log([part.var(axis=0, ddof=1) for part in groups(VALUES)])
    squares = np.mean([(logs[a] - logs[b]) ** 2 for a, b in PAIRS], axis=0)
    found = log_variance_ratio(observed_moments(STANDARD, SITE, NONE))[0]
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=1e-9)


def test_a_site_that_cannot_vary_is_left_out_of_a_draw():
    moments = observed_moments(STANDARD, SITE, NONE)
    known = np.array([[True, True, False, True]])
    found = log_variance_ratio(moments, known)[0]
    alone = log_variance_ratio(moments.of(np.array([0, 1, 3])))[0]
    np.testing.assert_allclose(found, alone, rtol=1e-12)
    assert np.isnan(log_variance_ratio(moments, np.array([[True, False, False, False]]))).all()


def test_wasserstein_distance_is_scipys_and_weights_are_repeats():
    weight = bootstrap_weights(SITE, np.arange(N), 1, seed=0)[0]
    for weights in (np.ones(N), weight):
        found = wasserstein_distance(STANDARD, SITE, weights)
        rows = np.repeat(np.arange(N), weights.astype(int))
        values, site = STANDARD[rows], SITE[rows]
        expected = [
            [stats.wasserstein_distance(f[site == code], f[site != code]) for f in values.T]
            for code in range(K)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_permanova_is_scikit_bios_and_vegans():
    found = permanova(VALUES, SITE, NONE, NO_DRAWS)
    assert found.f == pytest.approx(PYTHON["skbio_permanova_f"], rel=1e-9)
    assert found.f == pytest.approx(R["adonis2_f"], rel=1e-9)
    assert found.r2 == pytest.approx(R["adonis2_r2"], rel=1e-9)


def test_permanova_with_covariates_is_vegans_marginal_test():
    orders = np.stack([np.random.default_rng(seed).permutation(N) for seed in range(999)])
    found = permanova(VALUES, SITE, COVARIATES, orders)
    assert found.f == pytest.approx(R["margin_f"], rel=1e-8)
    p = (1 + np.sum(found.drawn >= found.r2)) / 1000
    assert p == pytest.approx(R["margin_p"], abs=0.02)
    wide = np.hstack([VALUES, VALUES[:, :5] ** 2, np.random.default_rng(0).normal(size=(N, 90))])
    narrow = permanova(wide, SITE, COVARIATES, orders[:5])
    moments = observed_moments(
        (wide - wide.mean(axis=0)) / wide.std(axis=0), SITE, COVARIATES - COVARIATES.mean(axis=0)
    )
    assert share_of_moments(moments)[0] == pytest.approx(narrow.r2, rel=1e-9)
    residual = residuals(wide, SITE, COVARIATES)
    drawn = [
        share_of_moments(moments)[0]
        for moments in permuted_moments(residual.reduced, SITE, residual.covariates, orders[:5])
    ]
    np.testing.assert_allclose(drawn, narrow.drawn, rtol=1e-9)


def test_energy_share_is_energys_disco_and_dcors_distances():
    share = energy_share(DISTANCES, SITE)
    assert share == pytest.approx(R["disco_between"] / R["disco_total"], rel=1e-9)
    sizes = np.bincount(SITE)
    # Rizzo and Szekely 2010, between dispersion from the energy distances of all pairs.
    between = sum(
        sizes[a] * sizes[b] * distance / (2 * N)
        for (a, b), distance in zip(PAIRS, PYTHON["dcor_energy_distance"], strict=True)
    )
    assert share == pytest.approx(between / (DISTANCES.sum() / (2 * N)), rel=1e-9)


def test_resampled_energy_share_is_that_of_repeated_cases():
    weights = bootstrap_weights(SITE, np.arange(N), 3, seed=1)
    found = resampled_energy_share(DISTANCES, SITE, weights)
    for weight, value in zip(weights, found, strict=True):
        rows = np.repeat(np.arange(N), weight.astype(int))
        assert value == pytest.approx(energy_share(DISTANCES[np.ix_(rows, rows)], SITE[rows]))


def test_silhouette_is_scikit_learns():
    np.testing.assert_allclose(
        silhouette_widths(DISTANCES, SITE), PYTHON["sklearn_silhouette"], rtol=1e-9, atol=1e-12
    )
    alone = np.array([0] * (N - 1) + [1])
    assert silhouette_widths(DISTANCES, alone)[-1] == 0


def test_lisi_is_harmonypys_and_scib_metrics():
    near = nearest(DISTANCES)
    assert near.index.shape == (N, 26)
    index = lisi(near, SITE)
    np.testing.assert_allclose(index, PYTHON["harmonypy_lisi"], rtol=1e-8)
    # scib-metrics computes in single precision and stops its search by its own rule.
    assert float(scaled(np.median(index), K)) == pytest.approx(PYTHON["scib_ilisi"], abs=2e-4)


def test_kbet_is_scib_metrics_and_scipys():
    near = nearest(DISTANCES)
    statistic = chi_squared(near, SITE)
    np.testing.assert_allclose(statistic, PYTHON["scib_kbet"]["statistic"], rtol=1e-5)
    rejected = rejections(near, SITE)
    assert rejected.mean() == pytest.approx(1 - PYTHON["scib_kbet"]["acceptance"], abs=1e-6)
    expected = 26 * np.bincount(SITE) / N
    for case in range(0, N, 9):
        counts = np.bincount(SITE[near.index[case]], minlength=K)
        peer = stats.chisquare(counts, expected)
        assert statistic[case] == pytest.approx(peer.statistic)
        assert rejected[case] == (peer.pvalue < 0.05)


def test_neighbours_are_the_nearest_in_order():
    near = nearest(DISTANCES)
    others = DISTANCES + np.diag(np.full(N, np.inf))
    np.testing.assert_allclose(near.distance, np.sort(others, axis=1)[:, :26])
    np.testing.assert_allclose(np.take_along_axis(others, near.index, 1), near.distance)


@pytest.mark.parametrize("covariates", [NONE, COVARIATES])
def test_permuted_distances_are_those_of_permuted_residuals(covariates: np.ndarray):
    residual = residuals(VALUES, SITE, covariates)
    orders = np.stack([np.random.default_rng(seed).permutation(N) for seed in range(2)])
    for order, found in zip(orders, permuted_distances(residual, orders), strict=True):
        expected = pairwise_distances(residual.adjusted(order))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
        np.testing.assert_allclose(site_sums(found, SITE).sum(axis=1), found.sum(axis=1), rtol=1e-4)


def test_mahalanobis_and_covariance_distance_are_written_out():
    found = distances_between_sites(STANDARD, SITE)
    within = sum((len(part) - 1) * np.cov(part.T) for part in groups(STANDARD)) / (N - K)
    for row, (a, b) in enumerate(PAIRS):
        one, two = groups(STANDARD)[a], groups(STANDARD)[b]
        distance = mahalanobis(one.mean(axis=0), two.mean(axis=0), np.linalg.inv(within))
        assert found.mahalanobis[row] == pytest.approx(distance, rel=1e-9)
        gap = np.linalg.norm(np.cov(one.T) - np.cov(two.T)) / np.linalg.norm(within)
        assert found.covariance[row] == pytest.approx(gap, rel=1e-9)
    weight = bootstrap_weights(SITE, np.arange(N), 1, seed=2)[0]
    rows = np.repeat(np.arange(N), weight.astype(int))
    again = distances_between_sites(STANDARD[rows], SITE[rows])
    weighted = distances_between_sites(STANDARD, SITE, weight)
    (resampled,) = resampled_distances(STANDARD, SITE, weight[None])
    np.testing.assert_allclose(resampled.mahalanobis, weighted.mahalanobis, rtol=1e-9)
    np.testing.assert_allclose(resampled.covariance, weighted.covariance, rtol=1e-9)
    np.testing.assert_allclose(weighted.mahalanobis, again.mahalanobis, rtol=1e-8)
    np.testing.assert_allclose(weighted.covariance, again.covariance, rtol=1e-8)


def test_variance_shares_are_statsmodels_sums_of_squares():
    moments = observed_moments(
        STANDARD, SITE, (COVARIATES - COVARIATES.mean(axis=0)) / COVARIATES.std(axis=0)
    )
    found = variance_shares(moments, [slice(0, 1), slice(1, 3)])[
        0
    ]  # site, age, group, shared, rest
    squares = np.array(PYTHON["statsmodels_anova_typ2_sum_sq"])
    expected = (squares[:, :4] / squares[:, [4]]).T
    np.testing.assert_allclose(found[[0, 1, 2, 4]], expected, rtol=1e-8)
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-12)


def test_subject_share_is_the_intraclass_correlation():
    rng = np.random.default_rng(0)
    subject = rng.permutation(np.repeat(np.arange(300), 4))
    values = 2 * rng.normal(size=(300, 2))[subject] + rng.normal(size=(1200, 2))
    found = subject_share(values, subject)
    np.testing.assert_allclose(found, 0.8, atol=0.03)
    # Of equal sizes it is ICC(1): (MSB - MSW) / (MSB + 3 MSW) with scipy's mean squares.
    f = stats.f_oneway(*(values[subject == code] for code in range(300))).statistic
    np.testing.assert_allclose(found, (f - 1) / (f + 3), rtol=1e-9)
    assert (subject_share(rng.normal(size=(1200, 2)), subject) < 0.1).all()


def test_site_auc_is_scikit_learns():
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(3, N, K)).round(1)  # with ties
    scores = log_posteriors(raw)
    np.testing.assert_allclose(np.exp(scores).sum(axis=-1), 1)
    found = site_auc(raw, SITE)
    for draw in range(3):
        expected = [roc_auc_score(code == SITE, raw[draw, :, code]) for code in range(K)]
        np.testing.assert_allclose(found[draw], expected, rtol=1e-12)
    renamed = np.array([2, 5, 7, 9])[SITE]
    np.testing.assert_allclose(site_auc(raw, renamed), found)


def test_resampled_site_auc_follows_the_area_of_repeated_cases():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(N, K)) + 1.2 * (SITE[:, None] == np.arange(K))
    weights = bootstrap_weights(SITE, np.arange(N), 200, seed=3)
    found = resampled_site_auc(scores, SITE, weights)
    exact = np.array(
        [
            np.mean(
                [
                    roc_auc_score(code == SITE, scores[:, code], sample_weight=weight)
                    for code in range(K)
                ]
            )
            for weight in weights
        ]
    )
    assert np.corrcoef(found, exact)[0, 1] > 0.98
    assert np.std(found) == pytest.approx(np.std(exact), rel=0.05)
    ones = resampled_site_auc(scores, SITE, np.ones((1, N)))[0]
    assert ones == pytest.approx(site_auc(scores[None], SITE).mean())


def test_weighted_median_is_the_median_of_repeats():
    rng = np.random.default_rng(4)
    values = rng.normal(size=31).round(1)
    weights = rng.integers(0, 4, size=(20, 31)).astype(float)
    found = weighted_median(values, weights)
    for weight, value in zip(weights, found, strict=True):
        assert value == np.median(np.repeat(values, weight.astype(int)))


def test_rates_found_by_newton_give_the_kernel_of_bisection():
    near = nearest(DISTANCES)
    perplexity = near.distance.shape[1] / 3
    bisected = kernel(near.distance, perplexity)
    for begin in (1e-3, 1.0, 30.0):
        found, _ = near_kernel(near.distance, perplexity, np.full(N, begin))
        np.testing.assert_allclose(found, bisected, atol=1e-4)
    apart = nearest_unordered(DISTANCES)
    np.testing.assert_array_equal(np.sort(apart.index, axis=1), np.sort(near.index, axis=1))
    mixed = simpson(near_kernel(apart.distance, perplexity, np.ones(N))[0], apart, SITE)
    np.testing.assert_allclose(mixed, lisi(near, SITE), rtol=1e-3)


def test_cases_that_are_one_and_the_same_have_mixing_too():
    twins = np.repeat(np.arange(4.0), 15)[:, None] * np.ones((1, 2))
    site = np.repeat([0, 1, 2], 20)
    residual = residuals(twins, site, np.empty((60, 0)))
    orders = np.stack([np.random.default_rng(seed).permutation(60) for seed in range(4)])
    found = mixing(residual, site, orders, np.ones((2, 60)))
    assert all(np.isfinite(estimate.value) for estimate in found.values())
    assert all(estimate.null is not None for estimate in found.values())
