"""Do cases of one site lie nearer to each other than cases of different sites? Energy distance.

The sum of pairwise distances parts into one within sites and one between, as a sum of squares does
(DISCO, Rizzo and Székely 2010, Annals of Applied Statistics 4:1034). The share between sites is
zero only where all sites have the same distribution: means, variances and shapes all count.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.distances import site_sums


def energy_share(distances: Floats, site: Ints) -> float:
    """Return the share of the dispersion of the cases that lies between sites, in [0, 1].

    One less the within-site dispersion, sum n_s g_s / 2, over the total, n g / 2, with g the mean
    distance of all pairs, each case paired with itself included.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1 in ascending order, each of which occurs.
    """
    sums = site_sums(distances, site)
    own = np.bincount(site, weights=sums[np.arange(len(site)), site].astype(np.float64))
    within = float(np.sum(own / np.bincount(site)))
    total = float(np.sum(sums, dtype=np.float64)) / len(site)
    return 1 - within / total if total > 0 else 0.0


def resampled_energy_share(distances: Floats, site: Ints, weights: Floats) -> Floats:
    """Return the share in bootstrap samples of the cases, shape (b,).

    Parameters
    ----------
    distances, site
        As in :func:`energy_share`.
    weights : ndarray, shape (b, n)
    """
    bounds = np.searchsorted(site, np.arange(int(site.max()) + 2))
    within, total = np.zeros(len(weights)), np.zeros(len(weights))
    for low, high in pairwise(bounds):
        reach = weights[:, low:high] @ distances[low:high]  # (b, n)
        total += np.sum(reach * weights, axis=1)
        own = np.sum(reach[:, low:high] * weights[:, low:high], axis=1)
        within += own / np.maximum(weights[:, low:high].sum(axis=1), 1)
    total /= weights.sum(axis=1)
    return 1 - np.divide(within, total, out=np.ones_like(within), where=total > 0)
