"""Sums per site where cells are missing: each feature counts its own cases.

sva fits each feature to the cases that have it; these sums say the same for all features at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.sums import SiteSums

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MissingSums:
    """As :class:`~harmonize_kit.combat.sums.SiteSums`, over the present cells of each feature.

    Parameters
    ----------
    count : ndarray, shape (p,)
        Present cells of the site.
    covariate_mean : ndarray, shape (q, p)
        Mean covariates of the cases that have the feature.
    feature_mean : ndarray, shape (p,)
        0 where no case has the feature.
    gram : ndarray, shape (p, q, q)
    cross : ndarray, shape (q, p)
    squares : ndarray, shape (p,)
    """

    count: Array
    covariate_mean: Array
    feature_mean: Array
    gram: Array
    cross: Array
    squares: Array

    def __add__(self, other: MissingSums) -> MissingSums:
        """Return the sums over the cases of both, as :class:`SiteSums` adds them."""
        count = self.count + other.count
        divisor = np.maximum(count, 1.0)
        share, weight = other.count / divisor, self.count * other.count / divisor
        x = other.covariate_mean - self.covariate_mean
        y = other.feature_mean - self.feature_mean
        return MissingSums(
            count,
            self.covariate_mean + share * x,
            self.feature_mean + share * y,
            self.gram + other.gram + np.einsum("j,aj,bj->jab", weight, x, x),
            self.cross + other.cross + weight * x * y,
            self.squares + other.squares + weight * y**2,
        )

    def mean_residual(self, intercept: Array, effects: Array) -> Array:
        """Return the mean of Y - intercept - X B over present cells, shape (p,)."""
        return self.feature_mean - intercept - np.einsum("ij,ij->j", self.covariate_mean, effects)

    def residual_scatter(self, effects: Array) -> Array:
        """Return the sum of squares of Y - X B about its mean, shape (p,)."""
        fitted = np.einsum("ij,jik,kj->j", effects, self.gram, effects)
        crossed = np.einsum("ij,ij->j", effects, self.cross)
        return np.maximum(self.squares - 2 * crossed + fitted, 0.0)


def sum_present(covariates: Array, features: Array) -> MissingSums:
    """Return the sums of one site, (n, q) covariates and (n, p) features with NaN where missing."""
    present = (~np.isnan(features)).astype(np.float64)
    count = present.sum(axis=0)
    divisor = np.maximum(count, 1.0)
    feature_mean = np.where(np.isnan(features), 0.0, features).sum(axis=0) / divisor
    y = np.where(np.isnan(features), 0.0, features - feature_mean)
    # Taken about the site's mean, the products below lose no digits.
    centre = covariates.mean(axis=0)
    x = covariates - centre
    mean = x.T @ present / divisor
    q = covariates.shape[1]
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), q * q)
    gram = (present.T @ products).reshape(len(count), q, q)
    gram -= np.einsum("j,aj,bj->jab", count, mean, mean)
    squares = np.einsum("ij,ij->j", y, y)
    return MissingSums(count, mean + centre[:, None], feature_mean, gram, x.T @ y, squares)


def as_missing(sums: SiteSums) -> MissingSums:
    """Return the same sums, counted by feature."""
    p, q = len(sums.feature_mean), len(sums.gram)
    return MissingSums(
        np.full(p, float(sums.count)),
        np.repeat(sums.covariate_mean[:, None], p, axis=1),
        sums.feature_mean,
        np.broadcast_to(sums.gram, (p, q, q)),
        sums.cross,
        sums.squares,
    )
