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
CHUNK = 500_000  # cells of the weights that are held at once


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
    weight = variance[:, None] * counts
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
    A site whose scales are all equal, as where only means are corrected, keeps them.

    Parameters
    ----------
    location, scale, squares : ndarray, shape (k, p)
        Mean, variance and sum of squares of the standardised residuals.
    counts : ndarray, shape (k, 1) or (k, p)
        Cases of each site; of each feature too where cells are missing.
    priors : Priors
    """
    counts = np.broadcast_to(counts, location.shape)
    pairs = [
        _shrink_site(location[site], scale[site], squares[site], _one(counts[site]), site, priors)
        for site in range(len(location))
    ]
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def _one(counts: NDArray[np.float64]) -> NDArray[np.float64] | float:
    """Return equal counts as one number, which is quicker to compute with."""
    return float(counts[0]) if counts.strides == (0,) else counts


def _shrink_site(
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    squares: NDArray[np.float64],
    n: NDArray[np.float64] | float,
    site: int,
    priors: Priors,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Iterate one site: sva's ``it.sol``, with ``postmean`` and ``postvar`` written out."""
    mean, variance = priors.location_mean[site], priors.location_variance[site]
    shape, rate = priors.shape[site], priors.rate[site]
    point = bool(np.isinf(shape))
    totals, weight, divisor = location * n, variance * n, np.multiply(n, 0.5) + (shape - 1)
    pulled = weight * location
    old_location, old_scale = location, scale
    for _ in range(MAX_ITERATIONS):
        new_location = (pulled + old_scale * mean) / (weight + old_scale)
        new_scale = scale
        if not point:
            about = squares + new_location * (n * new_location - 2 * totals)
            new_scale = (0.5 * about + rate) / divisor
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.nanmax(np.abs(new_location - old_location) / old_location, initial=-np.inf)
        change = max(moved, float(np.max(np.abs(new_scale - old_scale) / old_scale)))
        old_location, old_scale = new_location, new_scale
        if not change > CONVERGENCE:
            break
    return old_location, old_scale


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

    ``counts`` has shape (k, 1), or (k, p) where cells are missing.
    """
    new_location, new_scale = np.empty_like(location), np.empty_like(scale)
    p = location.shape[1]
    counts = np.broadcast_to(counts, location.shape)
    step = max(1, CHUNK // p)
    for site, (g, d) in enumerate(zip(location, scale, strict=True)):
        n, s, total = counts[site], squares[site], location[site] * counts[site]
        # -2 log likelihood of feature f under pair m: n log(2 pi d) + (s - 2 g t + n g^2) / d.
        pairs = np.stack([np.log(2 * np.pi * d) + g**2 / d, 1 / d, -2 * g / d])
        for start in range(0, p, step):
            own = slice(start, min(start + step, p))
            weight = np.stack([n[own], s[own], total[own]], axis=1) @ pairs
            rows = np.arange(len(weight))
            weight[rows, rows + start] = np.inf
            weight -= weight.min(axis=1, keepdims=True)
            np.exp(-0.5 * weight, out=weight)
            weight /= weight.sum(axis=1, keepdims=True)
            new_location[site, own], new_scale[site, own] = weight @ g, weight @ d
    return new_location, new_scale
