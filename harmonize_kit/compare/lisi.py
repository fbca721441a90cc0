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
STEPS, NEWTON_STEPS = 50, 12
TINY = 1e-12


def lisi(neighbours: Neighbours, site: Ints) -> Floats:
    """Return the inverse Simpson index of sites around every case, shape (n,).

    The perplexity is a third of the number of neighbours, as the authors set it.

    Parameters
    ----------
    neighbours : Neighbours
        Nearest first.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1.
    """
    return simpson(kernel(neighbours.distance, neighbours.distance.shape[1] / 3), neighbours, site)


def simpson(weights: Floats, neighbours: Neighbours, site: Ints) -> Floats:
    """Return the inverse Simpson index of weighted neighbours, shape (n,).

    Parameters
    ----------
    weights : ndarray, shape (n, m)
        Of the neighbours; each row adds up to one.
    neighbours, site
        As in :func:`lisi`, in any order.
    """
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


def near_kernel(distance: Floats, perplexity: float, rate: Floats) -> tuple[Floats, Floats]:
    """Return :func:`kernel` and its rates, found from rates near them by Newton's method.

    The logarithm of the entropy is close to linear in that of the rate, so a few steps end where
    bisection needs twenty. Rows that Newton does not bring home are bisected.

    Parameters
    ----------
    distance : ndarray, shape (n, m)
        In any order.
    perplexity : float
    rate : ndarray, shape (n,)
        To begin with, such as those of a table that differs little.
    """
    beyond = distance - distance.min(axis=1, keepdims=True)
    rate = np.asarray(rate, dtype=distance.dtype)
    target = np.log(perplexity)
    for _ in range(NEWTON_STEPS):
        raw = np.exp(-beyond * rate[:, None])
        moved, total = raw * beyond, raw.sum(axis=1)
        first = moved.sum(axis=1) / total
        entropy = np.log(total) + rate * first
        if np.all(np.abs(entropy - target) < TOLERANCE):
            return raw / total[:, None], rate
        # The entropy falls with the rate as fast as the rate times the variance of distances.
        second = np.einsum("nm,nm->n", moved, beyond) / total
        slope = np.maximum(rate**2 * (second - first**2), TINY)  # of the rate's logarithm
        rate = rate * np.exp(np.clip((entropy - target) / slope, -1.0, 1.0))
    return kernel(distance.astype(np.float64), perplexity), rate


def _weights(distance: Floats, rate: Floats) -> tuple[Floats, Floats]:
    # From the nearest neighbour on: the shift cancels in the weights, and nothing underflows.
    exponent = (distance - distance.min(axis=1, keepdims=True)) * rate[:, None]
    raw = np.exp(-exponent)
    total = raw.sum(axis=1)
    weights = raw / total[:, None]
    return weights, np.log(total) + np.sum(exponent * weights, axis=1)
