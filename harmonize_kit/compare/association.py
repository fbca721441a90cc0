"""How strongly each feature goes with each covariate, within sites and other covariates equal.

The effect of a covariate of one column is the signed partial correlation, that of one with
several levels partial eta squared. Both are free of units, so tables on different scales can be
compared. More is not better without end: a table may owe an association to a harmonizer that was
told the covariate. What to look for is an association that is kept, not one that is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harmonize_kit.compare.arrays import (
    MOST_DRAWN,
    Floats,
    Ints,
    column_scale,
    constant_columns,
    evenly,
    indicators,
)
from harmonize_kit.compare.covariates import Covariate
from harmonize_kit.compare.linear_model import PartialEffect, partial_effect
from harmonize_kit.compare.moments import resampled_moments
from harmonize_kit.compare.resampling import Estimate, centred_interval


@dataclass(frozen=True)
class Association:
    """Association of the features with one covariate.

    Parameters
    ----------
    covariate : Covariate
    effect : ndarray, shape (p,)
        Partial correlation, positive where the feature grows with the covariate or is larger at
        its second level; partial eta squared for several levels. NaN for a constant feature.
    features : PartialEffect
    median : Estimate
        Median absolute effect; a constant feature counts as no effect.
    significant : Estimate
        Share of all features with q under the level.
    """

    covariate: Covariate
    effect: Floats
    features: PartialEffect
    median: Estimate
    significant: Estimate


def associations(
    values: Floats,
    site: Ints,
    covariates: Sequence[Covariate],
    weights: Floats,
    level: float = 0.05,
) -> list[Association]:
    """Return the association of all features with each covariate.

    Adjusting for site is what makes raw and harmonized tables comparable: the slope within sites
    is the same question to both (the within-site estimate needs no harmonization to be unbiased).

    Parameters
    ----------
    values : ndarray, shape (n, p)
    site : ndarray of int, shape (n,)
    covariates : sequence of Covariate
    weights : ndarray, shape (b, n)
        Bootstrap counts. Intervals are centred on the estimate, as absolute effects are biased
        upward in bootstrap samples.
    level : float
    """
    if not covariates:
        return []
    sites = indicators(site, int(site.max()) + 1)
    sites = sites[:, sites.any(axis=0)]
    design = np.hstack([sites, *(covariate.columns for covariate in covariates)])
    ends = np.cumsum([sites.shape[1], *(c.columns.shape[1] for c in covariates)])
    owned = [slice(int(low), int(high)) for low, high in pairwise(ends)]
    constant = constant_columns(values)
    draws = _median_draws(values, site, covariates, weights)
    found: list[Association] = []
    for row, (covariate, own) in enumerate(zip(covariates, owned, strict=True)):
        others = np.delete(design, own, axis=1)
        features = partial_effect(values, design[:, own], others)
        effect = (
            features.sign * np.sqrt(features.share) if _is_signed(covariate) else features.share
        )
        median = float(np.median(np.where(constant, 0.0, np.abs(effect))))
        significant = float(np.mean(np.where(constant, 1.0, features.q) < level))
        interval = centred_interval(median, draws[row])
        found.append(
            Association(
                covariate, effect, features, Estimate(median, interval), Estimate(significant)
            )
        )
    return found


def _median_draws(
    values: Floats, site: Ints, covariates: Sequence[Covariate], weights: Floats
) -> Floats:
    """Return the median absolute effect of each covariate in each bootstrap sample."""
    values = evenly(values, MOST_DRAWN)
    constant = constant_columns(values)
    draws = np.zeros((len(covariates), len(weights)))
    if constant.all() or not len(weights):
        return draws
    columns = np.hstack([covariate.columns for covariate in covariates])
    ends = np.cumsum([0, *(covariate.columns.shape[1] for covariate in covariates)]).tolist()
    mean, scale = column_scale(values)
    standard = ((values - mean) / scale)[:, ~constant]
    start = 0
    for moments in resampled_moments(standard, site, columns, weights):
        stop = start + len(moments.count)
        error = np.maximum(moments.error, 1e-12)
        for row, (covariate, bounds) in enumerate(zip(covariates, pairwise(ends), strict=True)):
            without = np.maximum(moments.without(slice(*bounds)), error)
            share = 1 - error / without
            effect = np.zeros((stop - start, len(constant)))
            effect[:, ~constant] = np.sqrt(share) if _is_signed(covariate) else share
            draws[row, start:stop] = np.median(effect, axis=1)
        start = stop
    return draws


def _is_signed(covariate: Covariate) -> bool:
    return covariate.columns.shape[1] == 1
