"""The Anderson-Darling test of k samples, for all features at once.

Scholz and Stephens 1987, J Am Stat Assoc 82:918: the statistic for ties (their equation 7), its
variance under the null hypothesis (equation 4), and p by the quadratic through the logarithms of
their tabulated levels that ``scipy.stats.anderson_ksamp`` draws. The numbers are scipy's; its loop
over features takes about a millisecond for each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Table 1 of Scholz and Stephens: critical values b0 + b1 / sqrt(m) + b2 / m, m = k - 1.
LEVELS = np.array([0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
B0 = np.array([0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085])
B1 = np.array([-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615])
B2 = np.array([-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154])
BLOCK_NUMBERS = 2**20


def anderson_darling(values: Array, samples: NDArray[np.int_]) -> Array:
    """Return p of the hypothesis that all samples of a feature have one distribution, shape (p,).

    It lies between 0.001 and 0.25, the ends of the table, and is 1 where a feature is constant.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Finite.
    samples : ndarray of int, shape (n,)
        Sample of each row, from 0; every code to k - 1 occurs, k at least 2.
    """
    counts = np.bincount(samples)
    m = len(counts) - 1
    critical = B0 + B1 / np.sqrt(m) + B2 / m
    curve = np.linalg.lstsq(np.vander(critical, 3), np.log(LEVELS), rcond=None)[0]
    width = max(1, BLOCK_NUMBERS // len(values))
    parts = [
        _statistic(values[:, start : start + width], samples, counts)
        for start in range(0, values.shape[1], width)
    ]
    standard = (np.concatenate(parts) - m) / np.sqrt(_variance(counts))
    p: Array = np.exp((curve[0] * standard + curve[1]) * standard + curve[2])
    p = np.minimum(np.maximum(p, LEVELS[-1]), LEVELS[0])
    # Outside the table the quadratic turns back.
    p = np.where(standard < critical[0], LEVELS[0], p)
    p = np.where(standard > critical[-1], LEVELS[-1], p)
    constant = values.min(axis=0) == values.max(axis=0)
    return np.where(constant, 1.0, p)


def _statistic(values: Array, samples: NDArray[np.int_], counts: NDArray[np.int_]) -> Array:
    """Return the statistic with midranks; a distinct value counts by the rows that have it."""
    n = len(values)
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    new = np.ones(values.shape, dtype=np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    position = np.arange(n)[:, None]
    below = np.maximum.accumulate(np.where(new, position, 0), axis=0)
    last = np.vstack([new[1:], np.ones((1, values.shape[1]), dtype=np.bool_)])
    upto = np.minimum.accumulate(np.where(last, position + 1, n)[::-1], axis=0)[::-1]
    middle, ties = (below + upto) / 2, upto - below
    spread = middle * (n - middle) - n * ties / 4
    # A constant feature has no spread; it is told apart by the caller.
    spread = np.where(spread > 0, spread, 1.0)
    total = np.zeros(values.shape[1])
    found = np.zeros((n + 1, values.shape[1]))
    for sample, count in enumerate(counts):
        np.cumsum(samples[order] == sample, axis=0, out=found[1:])
        own = np.take_along_axis(found, below, 0) + np.take_along_axis(found, upto, 0)
        total += ((n * own / 2 - count * middle) ** 2 / spread).sum(axis=0) / count
    return (n - 1) / n**2 * total


def _variance(counts: NDArray[np.int_]) -> float:
    """Variance of the statistic under the null hypothesis, equation (4)."""
    k, n = len(counts), int(counts.sum())
    inverse = 1 / np.arange(1, n)
    h, sizes = float(inverse.sum()), float((1 / counts).sum())
    # g = sum over i < j < n of 1 / ((n - i) j).
    g = float((inverse[::-1][:-1] * (h - np.cumsum(inverse)[:-1])).sum())
    a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * sizes
    b = (2 * g - 4) * k**2 + 8 * h * k + (2 * g - 14 * h - 4) * sizes - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * k**2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * sizes + 4 * h
    d = (2 * h + 6) * k**2 - 4 * h * k
    return (a * n**3 + b * n**2 + c * n + d) / ((n - 1.0) * (n - 2.0) * (n - 3.0))
