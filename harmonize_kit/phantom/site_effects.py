"""What a site does to features: additive shifts, multiplicative scales, and correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Half of the variance of an effect is shared by all features of a site: a scanner that reads high
# tends to read high everywhere, which is what empirical Bayes borrows strength from.
SHARED = 0.5


def draw_shift(
    size: float, features: int, cases: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw additive effects in units of the within-site SD, shape (n_sites, n_features).

    Normal across the features of a site around the site's own mean: the prior of ComBat (Johnson,
    Li & Rabinovic 2007, Biostatistics 8:118). The average over cases is taken off, so that the
    reference is the average site, which is what ComBat harmonizes to; a harmonized table may then
    be compared with the truth number by number.

    Parameters
    ----------
    size : float
        SD over sites and features.
    features : int
    cases : ndarray, shape (n_sites,)
        Cases at each site, the weights of the average.
    rng : Generator
    """
    sites = len(cases)
    common = rng.standard_normal((sites, 1))
    own = rng.standard_normal((sites, features))
    shift = size * (np.sqrt(SHARED) * common + np.sqrt(1.0 - SHARED) * own)
    return shift - np.average(shift, axis=0, weights=cases)


def draw_scale(
    size: float, features: int, cases: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw multiplicative effects on the SD, shape (n_sites, n_features), all positive.

    The variance ratio is inverse-gamma across the features of a site (ComBat's prior, same
    source) with mean 1 and the SD asked for, times a log-normal factor of the site; ratios are
    divided by their average over cases, for the reason given in :func:`draw_shift`.
    """
    sites = len(cases)
    factor = np.exp(size * np.sqrt(SHARED) * rng.standard_normal((sites, 1)))
    # An inverse gamma of shape a and scale a - 1 has mean 1 and variance 1 / (a - 2).
    shape = 2.0 + 1.0 / max(size**2 * (1.0 - SHARED), 1e-12)
    ratio = factor * (shape - 1.0) / rng.gamma(shape, size=(sites, features))
    if size == 0.0:
        ratio = np.ones((sites, features))
    return np.sqrt(ratio / np.average(ratio, axis=0, weights=cases))


def draw_loadings(
    features: int, factors: int, communality: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw factor loadings, shape (n_features, n_factors); each row has squared norm communality.

    Rows of one length give every feature the same share of common variance, whichever way they
    point; see :func:`site_loadings`.
    """
    return _with_norm(rng.standard_normal((features, factors)), communality)


def site_loadings(
    loadings: NDArray[np.float64], strength: float, sites: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Turn the loadings of each site, shape (n_sites, n_features, n_factors).

    Each feature's row turns towards a direction of the site's own and keeps its length. Variance
    of a feature is its row's squared length plus its unique variance, so mean and variance stay
    exactly equal across sites while correlations differ: the site effect that no location-scale
    method sees (Chen et al. 2022, Human Brain Mapping 43:1179, CovBat).
    """
    features, factors = loadings.shape
    communality = np.sum(loadings**2, axis=1, keepdims=True)
    other = rng.standard_normal((sites, features, factors))
    other = _with_norm(other, communality)
    mixed = _with_norm((1.0 - strength) * loadings + strength * other, communality)
    return mixed if strength > 0.0 else np.repeat(loadings[np.newaxis], sites, axis=0)


def correlation(loadings: NDArray[np.float64], reliability: float) -> NDArray[np.float64]:
    """Return the within-site correlation of the features that loadings imply, (n_feat, n_feat).

    Measurement noise is independent between features, so it thins the common part by the
    reliability; the diagonal is exactly 1.
    """
    common = reliability * loadings @ loadings.T
    np.fill_diagonal(common, 1.0)
    return common


def _with_norm(
    rows: NDArray[np.float64], square: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    return rows * np.sqrt(square / np.sum(rows**2, axis=-1, keepdims=True))
