"""Do sites differ in the spread of a feature? Brown and Forsythe's test, and variance ratios.

Location is judged elsewhere. Correcting means alone leaves a difference in variance, which an
analysis of variance cannot see and a classifier can. The test is an analysis of variance of the
absolute deviations from each site's median (Brown and Forsythe 1974, JASA 69:364), which holds its
level where features are skewed; the effect is the variance ratio of two sites.
"""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import (
    Flags,
    Floats,
    Ints,
    constant_columns,
    indicators,
)
from harmonize_kit.compare.linear_model import (
    PartialEffect,
    adjusted,
    f_tail,
    partial_effect,
    permuted_shares,
)
from harmonize_kit.compare.moments import Moments
from harmonize_kit.compare.resampling import Estimate, null_of

FLOOR = 1e-12  # of the variance of a feature: a site that does not vary at all stays finite


def brown_forsythe(values: Floats, site: Ints) -> PartialEffect:
    """Return Brown and Forsythe's F of every feature, with p, q and the share site explains.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Residuals after the covariates.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    """
    return partial_effect(deviations(values, site), *_design(site))


def significant_scale(
    values: Floats, site: Ints, permutations: Ints, level: float = 0.05
) -> tuple[Estimate, Floats]:
    """Return the share of features whose spread differs between sites, and q of each, (p,).

    The null permutes the absolute deviations, which are exchangeable where all sites spread
    alike, whatever their medians (Boos and Brownie 1989, Technometrics 31:69).

    Parameters
    ----------
    values, site
        As in :func:`brown_forsythe`; features that vary.
    permutations : ndarray of int, shape (b, n)
    level : float
        q under which a feature counts.
    """
    spread = deviations(values, site)
    varying = ~constant_columns(spread)
    spread, q = spread[:, varying], np.full(spread.shape[1], np.nan)
    if not spread.shape[1]:
        return Estimate(0.0), q
    target, others = _design(site)
    observed = partial_effect(spread, target, others)
    shares, df_site, df_error = permuted_shares(spread, target, others, permutations)
    with np.errstate(divide="ignore"):
        f = shares / df_site / ((1 - shares) / df_error)
    drawn = np.mean(adjusted(f_tail(f, df_site, df_error)) < level, axis=1)
    q[varying] = observed.q
    value = float(np.mean(observed.q < level))
    return Estimate(value, None, null_of(value, drawn)), q


def deviations(values: Floats, site: Ints) -> Floats:
    """Return absolute deviations from each site's median, shape (n, p)."""
    spread = np.empty_like(values)
    for code in np.unique(site):
        rows = site == code
        spread[rows] = np.abs(values[rows] - np.median(values[rows], axis=0))
    return spread


def log_variance_ratio(moments: Moments, known: Flags | None = None) -> Floats:
    """Return the typical log variance ratio of two sites for every feature, shape (b, p).

    Typical is the root mean square over all pairs of sites, which is the square root of two times
    the standard deviation of the log variances: 0.7 says that one site's variance is about twice
    (or half) another's.

    Parameters
    ----------
    moments : Moments
    known : ndarray of bool, shape (b, k), optional
        Sites whose variance a draw can tell; the others are left out of it. NaN where there are
        not two.
    """
    pooled = moments.error / np.maximum(np.sum(moments.count, axis=1), 1)[:, None]
    floor = FLOOR * np.maximum(pooled, np.finfo(np.float64).tiny)
    logs = np.log(np.maximum(moments.variance, floor[:, None, :]))
    if known is None or known.all():
        return np.sqrt(2) * np.std(logs, axis=1, ddof=1)
    weight = known[:, :, None].astype(np.float64)
    count = weight.sum(axis=1)
    mean = np.sum(weight * logs, axis=1) / np.maximum(count, 1)
    square = np.sum(weight * (logs - mean[:, None]) ** 2, axis=1)
    return np.sqrt(2 * square / np.where(count > 1, count - 1, np.nan))


def median_log_variance_ratio(moments: Moments, known: Flags | None = None) -> Floats:
    """Return the median over features of :func:`log_variance_ratio` in each draw, shape (b,)."""
    return np.median(log_variance_ratio(moments, known), axis=1)


def _design(site: Ints) -> tuple[Floats, Floats]:
    member = indicators(site, int(site.max()) + 1)
    return member[:, 1:], np.ones((len(site), 1))
