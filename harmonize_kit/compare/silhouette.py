"""Are cases nearer to their own site than to the nearest other? Silhouette width by site."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.distances import site_sums


def silhouette_widths(distances: Floats, site: Ints) -> Floats:
    """Return the silhouette width of every case, shape (n,), in [-1, 1].

    (b - a) / max(a, b) with a the mean distance to the other cases of the site and b the one to
    the nearest other site (Rousseeuw 1987, J Comput Appl Math 20:53). Near zero, sites mix; a
    case alone at its site has width zero.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1 in ascending order, each of which occurs.
    """
    counts = np.bincount(site)
    sums = site_sums(distances, site).astype(np.float64)  # (n, k)
    cases = np.arange(len(site))
    own = counts[site]
    a = sums[cases, site] / np.maximum(own - 1, 1)
    means = sums / counts
    means[cases, site] = np.inf
    b = means.min(axis=1)
    largest = np.maximum(a, b)
    width = np.divide(b - a, largest, out=np.zeros_like(a), where=largest > 0)
    return np.where(own > 1, width, 0.0)
