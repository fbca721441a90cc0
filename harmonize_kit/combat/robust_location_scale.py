"""Robust location and scale of sites: the median and the biweight midvariance.

The option ``robust.LS`` of ComBatFamily 0.2.1. Covariates are fitted by least squares as in ComBat,
but a few cases far from the rest no longer set the location and scale of their site. Medians
cannot be merged, so these estimates need the rows.

The biweight midvariance (Mosteller and Tukey 1977; Lax 1985, J Am Stat Assoc 80:736) about a centre
M, with ``u = (x - M) / (9 MAD / 0.6745)`` and sums over cases of ``|u| < 1``, is
``n sum (x - M)^2 (1 - u^2)^4 / (sum (1 - u^2)(1 - 5 u^2))^2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from harmonize_kit.combat.effects import SiteEffects
from harmonize_kit.combat.empirical_bayes import Priors
from harmonize_kit.combat.location_scale import constant_features, standardise
from harmonize_kit.combat.sums import sum_rows

Array = NDArray[np.float64]

TUNING = 9 / float(norm.ppf(0.75))
CONVERGENCE = 1e-4
# From here on ComBatFamily stops where the change grows, and takes what it has then.
PATIENCE = 30
MAX_ITERATIONS = 1000


def biweight_midvariance(values: Array, centre: Array | None = None) -> Array:
    """Return the biweight midvariance of each column, shape (p,); 0 where half the values agree.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Finite.
    centre : ndarray, shape (p,), optional
        About what; the median if not given.
    """
    about = values - (np.median(values, axis=0) if centre is None else centre)
    deviation = np.median(np.abs(about), axis=0)
    square = (about / (TUNING * np.where(deviation > 0, deviation, 1.0))) ** 2
    inside = square < 1
    above = (inside * about**2 * (1 - square) ** 4).sum(axis=0)
    below = (inside * (1 - square) * (1 - 5 * square)).sum(axis=0)
    return np.where(deviation > 0, len(values) * above / np.where(below == 0, 1.0, below) ** 2, 0.0)


def estimate_robust_effects(
    values: Array,
    rows: Sequence[NDArray[np.int_]],
    covariates: Array,
    *,
    reference: int | None,
    mean_only: NDArray[np.bool_],
) -> tuple[SiteEffects, Array]:
    """Estimate robust location and scale of each site and feature.

    A feature of which half the values of some site agree has no scale there and is passed through.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Finite.
    rows : sequence of ndarray of int
        Rows of each site.
    covariates : ndarray, shape (n, q)
    reference : int, optional
    mean_only : ndarray of bool, shape (k,)
        Sites whose variance is left alone.

    Returns
    -------
    effects : SiteEffects
    standardised : ndarray, shape (n, p)
        What :func:`shrink_robust` needs.
    """
    sizes = np.array([len(own) for own in rows])
    sums = [sum_rows(covariates[own], values[own]) for own in rows]
    fitted = standardise(sums, sizes, reference)
    centred = values - fitted.grand_mean - covariates @ fitted.coefficients
    residuals = centred.copy()
    for own, one in zip(rows, sums, strict=True):
        residuals[own] -= one.mean_residual(fitted.grand_mean, fitted.coefficients)
    judged = residuals if reference is None else residuals[rows[reference]]
    variance = biweight_midvariance(judged) * (len(judged) - 1) / len(judged)
    scale = np.ones((len(rows), values.shape[1]))
    for site, own in enumerate(rows):
        if not mean_only[site]:
            scale[site] = biweight_midvariance(centred[own])
    constant = constant_features(sums) | (fitted.pooled_sd == 0) | (variance == 0)
    constant |= (scale == 0).any(axis=0)
    sd = np.where(constant, 1.0, np.sqrt(variance))
    scale = np.where(mean_only[:, None], 1.0, scale / sd**2)
    standardised = centred / sd
    location = np.stack([np.median(standardised[own], axis=0) for own in rows])
    squares = np.stack([(standardised[own] ** 2).sum(axis=0) for own in rows])
    location[:, constant], scale[:, constant] = 0.0, 1.0
    effects = SiteEffects(
        replace(fitted, pooled_sd=sd), location, scale, squares,
        sizes[:, None].astype(np.float64), constant, np.zeros_like(constant),
    )  # fmt: skip
    return effects, standardised


def shrink_robust(
    standardised: Array, rows: Sequence[NDArray[np.int_]], location: Array, scale: Array,
    priors: Priors,
) -> tuple[Array, Array]:  # fmt: skip
    """Return shrunken locations and scales, each (k, p), as ComBatFamily iterates them.

    The sum of squares about the location is ``n - 1`` times the midvariance about it, anew in
    every step.

    Parameters
    ----------
    standardised : ndarray, shape (n, p)
        Standardised residuals of features that vary.
    rows : sequence of ndarray of int
        Rows of each site.
    location, scale : ndarray, shape (k, p)
    priors : Priors
    """
    shrunken = [
        _shrink_site(standardised[own], location[site], scale[site], priors, site)
        for site, own in enumerate(rows)
    ]
    return np.stack([one[0] for one in shrunken]), np.stack([one[1] for one in shrunken])


def _shrink_site(
    values: Array, location: Array, scale: Array, priors: Priors, site: int
) -> tuple[Array, Array]:
    n, moved, spread, previous = len(values), location, scale, np.inf
    weight = n * priors.location_variance[site]
    for iteration in range(MAX_ITERATIONS):
        old_location, old_scale = moved, spread
        moved = (weight * location + old_scale * priors.location_mean[site]) / (weight + old_scale)
        about = (n - 1) * biweight_midvariance(values, moved)
        if np.isfinite(priors.shape[site]):
            spread = (about / 2 + priors.rate[site]) / (n / 2 + priors.shape[site] - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = max(
                float(np.nanmax(np.abs(moved - old_location) / old_location, initial=-np.inf)),
                float(np.max(np.abs(spread - old_scale) / old_scale)),
            )
        if change <= CONVERGENCE or (iteration > PATIENCE and change > previous):
            break
        previous = change
    return moved, spread
