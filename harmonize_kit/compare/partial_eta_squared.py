"""How much of each feature's variance site still explains once the covariates are allowed for.

Partial eta squared of site from an analysis of covariance, SS_site / (SS_site + SS_error)
(Cohen 1973, Educational and Psychological Measurement 33:107), for every feature. Covariates are
in the model because sites that scan older people differ in more than their scanner, and a
harmonizer that keeps biology must not be blamed for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import (
    Flags,
    Floats,
    Ints,
    column_scale,
    constant_columns,
    indicators,
)
from harmonize_kit.compare.linear_model import (
    PartialEffect,
    adjusted,
    degrees_of_freedom,
    f_tail,
    partial_effect,
    permuted_shares,
)
from harmonize_kit.compare.moments import Moments, resampled_moments
from harmonize_kit.compare.resampling import Estimate, centred_interval, null_of


@dataclass(frozen=True)
class SiteEffect:
    """What site explains.

    Parameters
    ----------
    features : PartialEffect
        One entry a feature; NaN where the feature is constant.
    median : Estimate, optional
        Median partial eta squared over the features that vary; None if none does.
    significant : Estimate, optional
        Share of the features that vary with q under the level; it has a null, no interval.
    alarms : float
        Share of permutations in which any feature had q under the level: the judge's own false
        alarms, which ought to be near the level.
    """

    features: PartialEffect
    median: Estimate | None
    significant: Estimate | None
    alarms: float = np.nan


def partial_eta_squared(values: Floats, site: Ints, covariates: Floats) -> PartialEffect:
    """Return partial eta squared of site, F, p and q for every feature.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
        Without intercept; d may be 0, which is the one-way analysis of variance.
    """
    target, others = _columns(site, covariates)
    return partial_effect(values, target, others)


def site_effect(
    values: Floats,
    site: Ints,
    covariates: Floats,
    permutations: Ints,
    weights: Floats,
    level: float = 0.05,
    resampled: Floats | None = None,
    permuted: Floats | None = None,
) -> SiteEffect:
    """Return the site effect with its summaries over features.

    Chance explains about (sites - 1) / (n - 1) of any feature, so the median is read against its
    permutation null, never against zero. Interval: bootstrap of subjects within sites, centred on
    the estimate since partial eta squared is biased upward in bootstrap samples (see
    :func:`~harmonize_kit.compare.resampling.centred_interval`).

    Parameters
    ----------
    values, site, covariates
        As in :func:`partial_eta_squared`.
    permutations : ndarray of int, shape (b, n)
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    level : float
        q under which a feature counts as significant.
    resampled : ndarray, shape (b,), optional
        The median in bootstrap samples, where it is known already (:func:`median_share`).
    permuted : ndarray, shape (n_permutations, n_varying), optional
        :func:`shares` of the features that vary in each permutation, where they are known already.
    """
    target, others = _columns(site, covariates)
    features = partial_effect(values, target, others)
    varying = values[:, ~constant_columns(values)]
    if not varying.shape[1]:
        return SiteEffect(features, None, None)
    if permuted is None:
        permuted, _, _ = permuted_shares(varying, target, others, permutations)
    df_site, df_error = degrees_of_freedom(target, others)
    with np.errstate(divide="ignore"):
        f = permuted / df_site / ((1 - permuted) / df_error)
    permuted_q = adjusted(f_tail(f, df_site, df_error))
    alarmed: Flags = np.asarray(np.any(permuted_q < level, axis=1))
    if resampled is None:
        mean, scale = column_scale(varying)
        _, codes = np.unique(site, return_inverse=True)
        standard = (varying - mean) / scale
        draws = resampled_moments(standard, codes.astype(np.intp), others[:, 1:], weights)
        resampled = np.concatenate([np.empty(0), *(median_share(moments) for moments in draws)])
    median = float(np.nanmedian(features.share))
    significant = float(np.mean(features.q[np.isfinite(features.q)] < level))
    return SiteEffect(
        features,
        Estimate(
            median,
            centred_interval(median, resampled),
            null_of(median, np.median(permuted, axis=1)),
        ),
        Estimate(significant, None, null_of(significant, np.mean(permuted_q < level, axis=1))),
        float(np.mean(alarmed)) if len(permutations) else np.nan,
    )


def median_share(moments: Moments) -> Floats:
    """Return the median partial eta squared over features in each draw, shape (b,)."""
    return np.median(shares(moments), axis=1)


def shares(moments: Moments) -> Floats:
    """Return partial eta squared of each feature in each draw, shape (b, p)."""
    without = moments.without_site
    share = np.divide(
        without - moments.error, without, out=np.zeros_like(without), where=without > 0
    )
    return np.clip(share, 0, 1)


def _columns(site: Ints, covariates: Floats) -> tuple[Floats, Floats]:
    """Return the columns of site, (n, k - 1), and the others with the intercept, (n, 1 + d)."""
    target = indicators(site, int(site.max()) + 1)
    target = target[:, target.any(axis=0)][:, 1:]
    mean, scale = column_scale(covariates)
    return target, np.hstack([np.ones((len(site), 1)), (covariates - mean) / scale])
