"""Do sites differ in the level of a feature, whatever its distribution? Kruskal and Wallis' test.

The robust companion of partial eta squared: ranks do not care for outliers and skew. H is the
share of the variance of the ranks that site explains, times n - 1, ties included (Kruskal and
Wallis 1952, JASA 47:583). With covariates, ranks are of the features after the covariates, which
are also partialled out of the ranks (the rank transform of Conover and Iman 1982, Biometrics
38:715), so that the error of their slopes is allowed for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from harmonize_kit.compare.arrays import Floats, Ints, indicators
from harmonize_kit.compare.linear_model import adjusted, partial_effect, permuted_shares
from harmonize_kit.compare.resampling import Estimate, null_of


@dataclass(frozen=True)
class RankEffect:
    """Kruskal and Wallis' H, its p value, and p adjusted over the features, each of shape (p,)."""

    h: Floats
    p: Floats
    q: Floats


def kruskal_wallis(values: Floats, site: Ints, covariates: Floats) -> RankEffect:
    """Return H of every feature.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Residuals after the covariates.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    covariates : ndarray, shape (n, d)
        Without intercept; with d = 0 this is Kruskal and Wallis' test itself.
    """
    target, others = _design(site, covariates)
    share = partial_effect(_ranks(values), target, others).share
    return _effect(share, target.shape[1], len(site) - covariates.shape[1])


def significant_ranks(
    values: Floats, site: Ints, covariates: Floats, permutations: Ints, level: float = 0.05
) -> tuple[Estimate, RankEffect]:
    """Return the share of features whose ranks differ between sites (q < ``level``), and H of each.

    Parameters
    ----------
    values, site, covariates
        As in :func:`kruskal_wallis`; features that vary.
    permutations : ndarray of int, shape (b, n)
    level : float
    """
    effect = kruskal_wallis(values, site, covariates)
    target, others = _design(site, covariates)
    drawn, _, _ = permuted_shares(_ranks(values), target, others, permutations)
    by_chance = _effect(drawn, target.shape[1], len(site) - covariates.shape[1])
    value = float(np.mean(effect.q < level))
    null = null_of(value, np.mean(by_chance.q < level, axis=-1))
    return Estimate(value, None, null), effect


def _ranks(values: Floats) -> Floats:
    return np.asarray(stats.rankdata(values, axis=0), dtype=np.float64)


def _effect(share: Floats, freedom: int, n: int) -> RankEffect:
    h = (n - 1) * share
    p = np.asarray(stats.chi2.sf(h, freedom), dtype=np.float64)
    return RankEffect(h, p, adjusted(p))


def _design(site: Ints, covariates: Floats) -> tuple[Floats, Floats]:
    member = indicators(site, int(site.max()) + 1)
    return member[:, 1:], np.hstack([np.ones((len(site), 1)), covariates])
