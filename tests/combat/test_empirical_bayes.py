"""Parametric shrinkage against sva's iteration written out for one feature at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harmonize_kit.combat.empirical_bayes import Priors, estimate_priors, shrink_parametric

Array = NDArray[np.float64]


def estimates(counts: list[int], p: int = 30) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(0)
    n = np.array(counts, dtype=np.float64)[:, None]
    location = rng.normal(0, 0.6, (len(counts), 1)) + rng.normal(0, 0.3, (len(counts), p))
    scale = rng.chisquare(n - 1, (len(counts), p)) / (n - 1)
    return location, scale, scale * (n - 1) + n * location**2, n


def it_sol(
    g_hat: Array, d_hat: Array, squares: Array, n: float, priors: Priors, site: int
) -> tuple[Array, Array]:
    """``it.sol`` of sva 3.46, with sum((x - g)^2) from n, g_hat and the sum of squares."""
    g_bar, t2 = priors.location_mean[site], priors.location_variance[site]
    a, b = priors.shape[site], priors.rate[site]
    g_old, d_old, change = g_hat, d_hat, 1.0
    while change > 1e-4:
        g_new = (t2 * n * g_hat + d_old * g_bar) / (t2 * n + d_old)
        sum2 = squares - 2 * g_new * n * g_hat + n * g_new**2
        d_new = (0.5 * sum2 + b) / (n / 2 + a - 1)
        change = max(np.max(np.abs(g_new - g_old) / g_old), np.max(np.abs(d_new - d_old) / d_old))
        g_old, d_old = g_new, d_new
    return g_old, d_old


@pytest.mark.parametrize("together", [1, 1 << 20])
def test_sites_stop_each_at_its_own_step(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site of three cases goes on for longer than one of three hundred; both are as if alone."""
    monkeypatch.setattr("harmonize_kit.combat.empirical_bayes.CACHED", together)
    location, scale, squares, n = estimates([300, 3, 12, 40])
    priors = estimate_priors(location, scale)
    found = shrink_parametric(location, scale, squares, n, priors)
    for site in range(4):
        expected = it_sol(
            location[site], scale[site], squares[site], float(n[site, 0]), priors, site
        )
        np.testing.assert_allclose(found[0][site], expected[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found[1][site], expected[1], rtol=0, atol=1e-12)


def test_counts_of_each_feature_are_those_of_the_site_where_none_is_missing() -> None:
    location, scale, squares, n = estimates([20, 50])
    priors = estimate_priors(location, scale)
    one = shrink_parametric(location, scale, squares, n, priors)
    other = shrink_parametric(
        location, scale, squares, np.broadcast_to(n, location.shape).copy(), priors
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_scales_that_are_all_equal_stay() -> None:
    location, scale, squares, n = estimates([20, 50])
    scale[0] = 1.0
    found = shrink_parametric(location, scale, squares, n, estimate_priors(location, scale))
    np.testing.assert_array_equal(found[1][0], 1.0)
    assert not np.allclose(found[1][1], scale[1])
    assert np.isfinite(found).all()


def test_the_estimates_are_left_alone() -> None:
    given = estimates([20, 50])
    before = [array.copy() for array in given]
    shrink_parametric(*given, estimate_priors(given[0], given[1]))
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)
