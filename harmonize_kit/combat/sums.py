"""Sums per site from which every linear member of the ComBat family follows.

For a site with covariates X and features Y, the count, the means, and the centred products X'X,
X'Y and diag(Y'Y) determine the least-squares fit, the residual variances, and the location and
scale of the site. They can be merged, so the fit in memory, by blocks, over a cluster or across
hospitals is one algorithm (Chen et al. 2022, NeuroImage 248:118822).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SiteSums:
    """Means and centred products over the cases of one site.

    Products are taken about the site's own means: sums of raw squares would lose the variance of a
    feature to cancellation where its mean, or its distance from other sites, is large against it.

    Parameters
    ----------
    count : int
        Cases of the site.
    covariate_mean : ndarray, shape (q,)
    feature_mean : ndarray, shape (p,)
    gram : ndarray, shape (q, q)
        Products of the centred covariates.
    cross : ndarray, shape (q, p)
        Products of centred covariates and centred features.
    squares : ndarray, shape (p,)
        Sums of squares of the centred features.
    """

    count: int
    covariate_mean: Array
    feature_mean: Array
    gram: Array
    cross: Array
    squares: Array

    def __add__(self, other: SiteSums) -> SiteSums:
        """Return the sums over the cases of both (Chan, Golub and LeVeque 1983)."""
        count = self.count + other.count
        weight = self.count * other.count / count
        x = other.covariate_mean - self.covariate_mean
        y = other.feature_mean - self.feature_mean
        share = other.count / count
        return SiteSums(
            count,
            self.covariate_mean + share * x,
            self.feature_mean + share * y,
            self.gram + other.gram + weight * np.outer(x, x),
            self.cross + other.cross + weight * np.outer(x, y),
            self.squares + other.squares + weight * y**2,
        )

    def mean_residual(self, intercept: Array, effects: Array) -> Array:
        """Return the mean of Y - intercept - X B, shape (p,), for B of shape (q, p)."""
        return self.feature_mean - intercept - self.covariate_mean @ effects

    def residual_scatter(self, effects: Array) -> Array:
        """Return the sum of squares of Y - X B about its mean, shape (p,)."""
        fitted = np.einsum("ij,ij->j", effects, self.gram @ effects)
        crossed = np.einsum("ij,ij->j", effects, self.cross)
        return np.maximum(self.squares - 2 * crossed + fitted, 0.0)


def sum_by_site(
    sites: NDArray[np.int_], n_sites: int, covariates: Array, features: Array
) -> list[SiteSums]:
    """Return the sums of each site.

    Parameters
    ----------
    sites : ndarray of int, shape (n,)
        Site code of each case, from 0; every code occurs.
    n_sites : int
    covariates : ndarray, shape (n, q)
        Design columns without intercept.
    features : ndarray, shape (n, p)
    """
    rows = rows_by_site(sites, n_sites)
    return [sum_rows(covariates[own], features[own]) for own in rows]


def rows_by_site(sites: NDArray[np.int_], n_sites: int) -> list[NDArray[np.int_]]:
    """Return the rows of each site, in order."""
    order = np.argsort(sites, kind="stable")
    ends = np.cumsum(np.bincount(sites, minlength=n_sites))[:-1]
    return list(np.split(order, ends))


def sum_rows(covariates: Array, features: Array) -> SiteSums:
    """Return the sums of one site's cases; ``features`` is worked on in place."""
    covariate_mean, feature_mean = covariates.mean(axis=0), features.mean(axis=0)
    x = covariates - covariate_mean
    features -= feature_mean
    cross = x.T @ features
    np.multiply(features, features, out=features)
    return SiteSums(len(x), covariate_mean, feature_mean, x.T @ x, cross, features.sum(axis=0))
