"""Permutational multivariate analysis of variance of site, after the covariates.

Of the squared Euclidean distances between cases, in standardised features, how much goes with
site? In that distance the sums of squares are those of all features together, so no distance is
ever taken (Anderson 2001, Austral Ecology 26:32; McArdle and Anderson 2001, Ecology 82:290, with
covariates).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, column_scale, indicators, orthonormal
from harmonize_kit.compare.moments import Moments
from harmonize_kit.compare.resampling import Estimate, centred_interval, null_of


@dataclass(frozen=True)
class Permanova:
    """Pseudo-F, and the share R2 = SS_site / (SS_site + SS_error) it is monotone in.

    ``drawn`` (b,) holds R2 under permutations.
    """

    f: float
    r2: float
    drawn: Floats


def permanova(values: Floats, site: Ints, covariates: Floats, permutations: Ints) -> Permanova:
    """Return pseudo-F and R2 of site with the covariates partialled out.

    The null permutes the residuals of the covariates (Freedman and Lane 1983), as vegan's adonis2
    does for a marginal term. Without covariates R2 is SS_site / SS_total.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Standardised here; not all constant.
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
        Without intercept; d may be 0.
    permutations : ndarray of int, shape (b, n)
    """
    mean, scale = column_scale(values)
    standard = (values - mean) / scale
    cov_mean, cov_scale = column_scale(covariates)
    others = np.hstack([np.ones((len(site), 1)), (covariates - cov_mean) / cov_scale])
    target = indicators(site, int(site.max()) + 1)
    target = target[:, target.any(axis=0)][:, 1:]
    rest = orthonormal(others)
    between = orthonormal(target - rest @ (rest.T @ target), np.linalg.norm(target, axis=0))
    residual = standard - rest @ (rest.T @ standard)
    if residual.shape[1] > len(site):  # the same distances in n dimensions
        variances, vectors = np.linalg.eigh(residual @ residual.T)
        residual = vectors * np.sqrt(np.maximum(variances, 0))
    total = float(np.sum(residual**2))
    both = np.hstack([rest, between])
    q = rest.shape[1]
    draws = np.empty(len(permutations))
    for row, permutation in enumerate(permutations):
        unpermuted = np.empty_like(both)
        unpermuted[permutation] = both
        squares = np.sum((unpermuted.T @ residual) ** 2, axis=1)
        draws[row] = squares[q:].sum() / (total - squares[:q].sum())
    r2 = float(np.sum((between.T @ residual) ** 2)) / total
    freedom = between.shape[1], len(site) - both.shape[1]
    return Permanova(r2 / freedom[0] / max((1 - r2) / freedom[1], 1e-300), r2, draws)


def permanova_r2(
    values: Floats, site: Ints, covariates: Floats, drawn: Floats, resampled: Floats
) -> Estimate:
    """Return R2 with its interval and null.

    Parameters
    ----------
    values, site, covariates
        As in :func:`permanova`.
    drawn, resampled : ndarray, shape (b,)
        R2 under permutations of the covariates' residuals, and in bootstrap samples; both by
        :func:`share_of_moments`.
    """
    found = permanova(values, site, covariates, np.empty((0, len(site)), dtype=np.intp))
    return Estimate(found.r2, centred_interval(found.r2, resampled), null_of(found.r2, drawn))


def share_of_moments(moments: Moments) -> Floats:
    """Return R2 in each draw from sums over sites, shape (b,)."""
    without = np.maximum(moments.without_site, 0).sum(axis=1)
    error = np.clip(moments.error, 0, None).sum(axis=1)
    return np.clip(1 - error / np.maximum(without, np.finfo(np.float64).tiny), 0, 1)
