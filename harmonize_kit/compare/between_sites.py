"""How far apart two sites lie, and how differently features go together there.

Mahalanobis distance compares the centres of two sites in units of the spread within sites, with
correlations allowed for. Covariance distance compares the spreads themselves: what is left where
means and variances were matched but correlations were not (Chen et al. 2022, Human Brain Mapping
43:1179). Both are taken in the leading principal components, as a covariance of many features
cannot be known from a few cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.cohens_d import site_pairs
from harmonize_kit.compare.moments import inverse
from harmonize_kit.compare.resampling import Estimate, centred_interval, null_of
from harmonize_kit.compare.residuals import Residuals, leading_axes

AT_ONCE = 100  # bootstrap samples


@dataclass(frozen=True)
class Distances:
    """Distances of every pair of sites, in the order of :func:`site_pairs`, shape (k (k - 1) / 2,).

    Parameters
    ----------
    mahalanobis : ndarray
    covariance : ndarray
        Frobenius norm of the difference of two covariances over that of the pooled one.
    """

    mahalanobis: Floats
    covariance: Floats


@dataclass(frozen=True)
class BetweenSites:
    """Distances of all pairs, and their means with intervals and nulls."""

    pairs: Distances
    mahalanobis: Estimate
    covariance: Estimate


def distances_between_sites(scores: Floats, site: Ints, weights: Floats | None = None) -> Distances:
    """Return Mahalanobis and covariance distance of every pair of sites.

    Parameters
    ----------
    scores : ndarray, shape (n, r)
        Components of the residuals after the covariates, far fewer than cases.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1 in ascending order, each of which occurs.
    weights : ndarray, shape (n,), optional
        How often each case counts.
    """
    bounds = np.searchsorted(site, np.arange(int(site.max()) + 2))
    k, r = len(bounds) - 1, scores.shape[1]
    means, squares, counts = np.zeros((k, r)), np.zeros((k, r, r)), np.zeros(k)
    for code, (low, high) in enumerate(pairwise(bounds)):
        here = scores[low:high]
        weight = np.ones(high - low) if weights is None else weights[low:high]
        counts[code] = weight.sum()
        means[code] = weight @ here / max(counts[code], 1)
        centred = here - means[code]
        squares[code] = (centred.T * weight) @ centred
    return _distances(means[None], squares[None], counts[None])[0]


def resampled_distances(scores: Floats, site: Ints, weights: Floats) -> list[Distances]:
    """Return the distances in bootstrap samples, from sums of products of the scores.

    Parameters
    ----------
    scores, site
        As in :func:`distances_between_sites`; centred near zero, so that sums lose no digits.
    weights : ndarray, shape (b, n)
    """
    bounds = np.searchsorted(site, np.arange(int(site.max()) + 2))
    k, r, b = len(bounds) - 1, scores.shape[1], len(weights)
    first, second = np.triu_indices(r)
    means, squares, counts = np.empty((b, k, r)), np.empty((b, k, r, r)), np.empty((b, k))
    for code, (low, high) in enumerate(pairwise(bounds)):
        here, weight = scores[low:high], weights[:, low:high]
        counts[:, code] = weight.sum(axis=1)
        means[:, code] = weight @ here / np.maximum(counts[:, [code]], 1)
        products = here[:, first] * here[:, second]
        squares[:, code, first, second] = squares[:, code, second, first] = weight @ products
    squares -= counts[..., None, None] * means[..., :, None] * means[..., None, :]
    return _distances(means, squares, counts)


def _distances(means: Floats, squares: Floats, counts: Floats) -> list[Distances]:
    """Return distances from means (b, k, r), sums of squares (b, k, r, r), counts (b, k)."""
    k = counts.shape[1]
    first, second = site_pairs(k)
    found: list[Distances] = []
    for mean, square, count in zip(means, squares, counts, strict=True):
        within = square.sum(axis=0) / max(count.sum() - k, 1)
        covariances = square / np.maximum(count - 1, 1)[:, None, None]
        gap = mean[first] - mean[second]
        squared = np.sum(gap @ inverse(within) * gap, axis=1)
        difference = covariances[first] - covariances[second]
        size = max(float(np.linalg.norm(within)), np.finfo(np.float64).tiny)
        found.append(
            Distances(
                np.sqrt(np.maximum(squared, 0)), np.linalg.norm(difference, axis=(1, 2)) / size
            )
        )
    return found


def between_sites(
    residual: Residuals, site: Ints, permutations: Ints, weights: Floats, components: int
) -> BetweenSites:
    """Return both distances, and their means over pairs with intervals and nulls.

    Distances of samples are never zero, least of all between small sites: read them against
    their nulls.

    Parameters
    ----------
    residual : Residuals
        Of cases in ascending order of site.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1 in ascending order, each of which occurs.
    permutations : ndarray of int, shape (b, n)
    weights : ndarray, shape (b, n)
    components : int
        Most principal components; never more than a fifth of the cases.
    """
    values = residual.adjusted()
    most = max(1, min(components, (len(site) - int(site.max()) - 1) // 5))
    projected = residual.project(leading_axes(values, most))
    scores = projected.adjusted()
    pairs = distances_between_sites(scores, site)
    drawn = _means([distances_between_sites(projected.adjusted(p), site) for p in permutations])
    parts = [weights[start : start + AT_ONCE] for start in range(0, len(weights), AT_ONCE)]
    again = _means([d for part in parts for d in resampled_distances(scores, site, part)])
    value = _means([pairs])[0]
    estimates = [
        Estimate(
            float(value[part]),
            centred_interval(float(value[part]), again[:, part], (0.0, np.inf)),
            null_of(float(value[part]), drawn[:, part]),
        )
        for part in range(2)
    ]
    return BetweenSites(pairs, estimates[0], estimates[1])


def _means(found: list[Distances]) -> Floats:
    rows = [(d.mahalanobis.mean(), d.covariance.mean()) for d in found]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2)
