"""Empirical Bayes shrinkage of the location and scale of each site over its features.

Johnson, Li and Rabinovic 2007, Biostatistics 8:118, section 3; iteration and convergence as in R's
``sva::ComBat`` 3.46, whose numbers these are. A site of few cases has noisy estimates; features of
one site are alike enough that their spread tells how far each estimate should be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONVERGENCE = 1e-4
MAX_ITERATIONS = 10_000


@dataclass(frozen=True)
class Priors:
    """Hyperparameters of each site, each of shape (k,).

    ``location_mean`` and ``location_variance`` of the normal prior of the locations, ``shape`` and
    ``rate`` of the inverse-gamma prior of the scales (moment estimates).
    """

    location_mean: NDArray[np.float64]
    location_variance: NDArray[np.float64]
    shape: NDArray[np.float64]
    rate: NDArray[np.float64]


def estimate_priors(location: NDArray[np.float64], scale: NDArray[np.float64]) -> Priors:
    """Return the moment estimates of each site's priors from (k, p) estimates, p at least 2.

    Where all scales of a site are equal the inverse-gamma prior is a point: ``shape`` and ``rate``
    are infinite.
    """
    mean, variance = scale.mean(axis=1), scale.var(axis=1, ddof=1)
    with np.errstate(divide="ignore"):
        shape = (2 * variance + mean**2) / variance
        rate = (mean * variance + mean**3) / variance
    return Priors(location.mean(axis=1), location.var(axis=1, ddof=1), shape, rate)


def shrink_location(
    location: NDArray[np.float64],
    counts: NDArray[np.float64] | float,
    scale: NDArray[np.float64] | float,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the posterior mean of locations (k, p) given scales; sva's ``postmean``."""
    weight = np.broadcast_to(np.asarray(variance * counts)[:, None], location.shape)
    return (weight * location + scale * mean[:, None]) / (weight + scale)


def shrink_parametric(
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.float64],
    priors: Priors,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shrunken locations and scales, each (k, p), by sva's fixed-point iteration.

    A site stops once its largest relative change is below 1e-4. The change is divided by the
    signed old value, as sva does: dividing by its size would stop later and differ by 3e-5.

    Parameters
    ----------
    location, scale, squares : ndarray, shape (k, p)
        Mean, variance and sum of squares of the standardised residuals.
    counts : ndarray, shape (k,)
        Cases of each site.
    priors : Priors
    """
    new_location, new_scale = location.copy(), scale.copy()
    active = np.arange(len(counts))
    totals = location * counts[:, None]
    for _ in range(MAX_ITERATIONS):
        if not active.size:
            break
        old_location, old_scale = new_location[active], new_scale[active]
        n = counts[active]
        moved = shrink_location(
            location[active],
            n,
            old_scale,
            priors.location_mean[active],
            priors.location_variance[active],
        )
        about = squares[active] - 2 * moved * totals[active] + n[:, None] * moved**2
        spread = _posterior_scale(
            about, n, priors.shape[active], priors.rate[active], scale[active]
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.maximum(
                np.nanmax(np.abs(moved - old_location) / old_location, axis=1, initial=-np.inf),
                np.max(np.abs(spread - old_scale) / old_scale, axis=1),
            )
        new_location[active], new_scale[active] = moved, spread
        active = active[change > CONVERGENCE]
    return new_location, new_scale


def shrink_nonparametric(
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shrunken locations and scales, each (k, p), with the features themselves as prior.

    For each feature the (location, scale) pairs of all other features of the site are weighted by
    the likelihood of its residuals under them (sva's ``int.eprior``). Weights are formed on the
    logarithmic scale, so that they do not vanish for sites of several hundred cases.
    """
    new_location, new_scale = np.empty_like(location), np.empty_like(scale)
    totals = location * counts[:, None]
    for site, n in enumerate(counts):
        g, d = location[site], scale[site]
        for feature in range(location.shape[1]):
            about = squares[site, feature] - 2 * g * totals[site, feature] + n * g**2
            log_weight = -0.5 * (n * np.log(2 * np.pi * d) + about / d)
            log_weight[feature] = -np.inf
            weight = np.exp(log_weight - log_weight.max())
            weight /= weight.sum()
            new_location[site, feature] = weight @ g
            new_scale[site, feature] = weight @ d
    return new_location, new_scale


def _posterior_scale(
    about: NDArray[np.float64],
    counts: NDArray[np.float64],
    shape: NDArray[np.float64],
    rate: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Posterior mode of the scale given squares about the location; sva's ``postvar``."""
    point = np.isinf(shape)[:, None]
    with np.errstate(invalid="ignore"):
        spread = (0.5 * about + rate[:, None]) / (counts[:, None] / 2 + shape[:, None] - 1)
    return np.where(point, scale, spread)
