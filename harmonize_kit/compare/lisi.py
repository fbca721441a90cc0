"""How many sites are there among the neighbours of a case? Integration LISI.

The inverse Simpson index of the sites of the neighbours, each neighbour counted by a Gaussian
kernel whose width gives every case the same effective number of them (Korsunsky et al. 2019,
Nature Methods 16:1289). 1 where all neighbours come from one site; k where k sites mix evenly.
"""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.neighbours import Neighbours

TOLERANCE = 1e-5  # of the logarithm of the perplexity, as in the authors' program
STEPS = 50


def lisi(neighbours: Neighbours, site: Ints) -> Floats:
    """Return the inverse Simpson index of sites around every case, shape (n,).

    The perplexity is a third of the number of neighbours, as the authors set it.

    Parameters
    ----------
    neighbours : Neighbours
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1.
    """
    weights = kernel(neighbours.distance, neighbours.distance.shape[1] / 3)
    n, k = len(site), int(site.max()) + 1
    rows = np.arange(n, dtype=np.intp)[:, None]
    cells: Ints = np.asarray(rows * k + site[neighbours.index], dtype=np.intp).ravel()
    shares = np.bincount(cells, weights.ravel(), minlength=n * k).reshape(n, k)
    return 1 / np.sum(shares**2, axis=1)


def scaled(index: Floats | float, k: int) -> Floats:
    """Bring an index between 1 and k to the scale from 0 (not mixed) to 1."""
    return (np.asarray(index, dtype=np.float64) - 1) / (k - 1)


def kernel(distance: Floats, perplexity: float) -> Floats:
    """Return kernel weights that sum to one and have the given perplexity in every row.

    The rate of ``exp(-rate * distance)`` is found by bisection, doubling or halving while it is
    unbounded, until the entropy is within 1e-5 of the logarithm of the perplexity.

    Parameters
    ----------
    distance : ndarray, shape (n, m)
    perplexity : float
    """
    target = np.log(perplexity)
    n = len(distance)
    rate, low, high = np.ones(n), np.full(n, -np.inf), np.full(n, np.inf)
    weights, entropy = _weights(distance, rate)
    active = np.abs(entropy - target) >= TOLERANCE
    for _ in range(STEPS):
        rows = np.flatnonzero(active)
        if not rows.size:
            break
        wide = entropy[rows] > target
        old = rate[rows]
        low[rows] = np.where(wide, old, low[rows])
        high[rows] = np.where(wide, high[rows], old)
        middle = (low[rows] + high[rows]) / 2
        up = np.where(np.isfinite(middle), middle, old * 2)
        down = np.where(np.isfinite(middle), middle, old / 2)
        rate[rows] = np.where(wide, up, down)
        weights[rows], entropy[rows] = _weights(distance[rows], rate[rows])
        active[rows] = np.abs(entropy[rows] - target) >= TOLERANCE
    return weights


def _weights(distance: Floats, rate: Floats) -> tuple[Floats, Floats]:
    # From the nearest neighbour on: the shift cancels in the weights, and nothing underflows.
    exponent = (distance - distance[:, :1]) * rate[:, None]
    raw = np.exp(-exponent)
    total = raw.sum(axis=1)
    weights = raw / total[:, None]
    return weights, np.log(total) + np.sum(exponent * weights, axis=1)
