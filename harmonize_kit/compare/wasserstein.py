"""How far is the distribution of a feature at a site from that at all others? Wasserstein distance.

It sees location, spread and shape alike, in standard deviations of the feature: the area between
the two distribution functions (Vallender 1974, Theory of Probability and its Applications 18:784).
"""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, indicators
from harmonize_kit.compare.resampling import Estimate, centred_interval, null_of
from harmonize_kit.compare.residuals import Residuals

MOST_FEATURES = 50
MOST_BOOTSTRAPS = 200


def wasserstein_distance(values: Floats, site: Ints, weights: Floats | None = None) -> Floats:
    """Return the distance of every site from all others together, shape (k, p).

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Residuals after the covariates, in standard deviations.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    weights : ndarray, shape (n,), optional
        How often each case counts. A site without any is at distance zero.
    """
    weights = np.ones(len(site)) if weights is None else weights
    return _areas(*_sorted(values), site, int(site.max()) + 1, weights)


def median_wasserstein(
    residual: Residuals, site: Ints, permutations: Ints, weights: Floats
) -> Estimate:
    """Return the median over features of the mean distance over sites.

    Sorting is what it costs, so at most 50 features, evenly spread over the columns, enter, and
    at most 200 bootstrap samples.

    Parameters
    ----------
    residual : Residuals
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    permutations : ndarray of int, shape (b, n)
    weights : ndarray, shape (b, n)
    """
    residual = residual.choose(MOST_FEATURES)
    k = int(site.max()) + 1
    values = residual.adjusted()
    order, steps = _sorted(values)
    ones = np.ones(len(site))
    value = _summary(_areas(order, steps, site, k, ones))
    drawn = [_summary(wasserstein_distance(residual.adjusted(p), site)) for p in permutations]
    again = [_summary(_areas(order, steps, site, k, w)) for w in weights[:MOST_BOOTSTRAPS]]
    interval = centred_interval(value, np.asarray(again, dtype=np.float64), (0.0, np.inf))
    return Estimate(value, interval, null_of(value, np.asarray(drawn, dtype=np.float64)))


def _sorted(values: Floats) -> tuple[Ints, Floats]:
    """Return the order of the cases in each feature, (p, n), and the steps between them."""
    lines = np.ascontiguousarray(values.T)
    order = np.argsort(lines, axis=1, kind="stable")
    return order, np.diff(np.take_along_axis(lines, order, axis=1), axis=1)


def _areas(order: Ints, steps: Floats, site: Ints, k: int, weights: Floats) -> Floats:
    """Return the areas between distribution functions, shape (k, p)."""
    member = indicators(site, k) * weights[:, None]  # (n, k)
    counts = member.sum(axis=0)
    n = counts.sum()
    share = member / np.where(counts > 0, counts, 1) - (weights / n)[:, None]
    # F_site - F_others = (F_site - F_all) n / (n - n_site)
    gap = np.take(share.T, order[:, :-1], axis=1)  # (k, p, n - 1)
    np.cumsum(gap, axis=2, out=gap)
    area = np.einsum("kpn,pn->kp", np.abs(gap, out=gap), steps)
    return area * np.where(counts > 0, n / np.maximum(n - counts, 1), 0)[:, None]


def _summary(distance: Floats) -> float:
    return float(np.median(distance.mean(axis=0)))
