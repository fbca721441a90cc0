"""How far do two sites lie apart in a feature, in standard deviations? Cohen's d of every pair."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.brown_forsythe import FLOOR
from harmonize_kit.compare.moments import Moments


def site_pairs(k: int) -> tuple[Ints, Ints]:
    """Return the positions of first and second site of every pair, shape (k (k - 1) / 2,)."""
    first, second = np.triu_indices(k, 1)
    return first.astype(np.intp), second.astype(np.intp)


def cohens_d(moments: Moments) -> Floats:
    """Return d of every pair of sites and feature, shape (b, k (k - 1) / 2, p).

    The difference of means at the same covariates over the pooled standard deviation of the two
    sites (Cohen 1988, Statistical Power Analysis, 2.5.2).
    """
    first, second = site_pairs(moments.count.shape[1])
    freedom = np.maximum(moments.count - 1, 0)[:, :, None]  # (b, k, 1)
    squares = freedom * moments.variance
    pooled = (squares[:, first] + squares[:, second]) / np.maximum(
        freedom[:, first] + freedom[:, second], 1
    )
    difference = moments.mean[:, first] - moments.mean[:, second]
    return difference / np.sqrt(np.maximum(pooled, _floor(moments)))


def median_cohens_d(moments: Moments) -> Floats:
    """Return the median absolute d over pairs and features in each draw, shape (b,)."""
    b, k, p = moments.value.shape
    freedom = np.maximum(moments.count - 1, 0)
    squares = freedom[:, :, None] * moments.variance
    floor = _floor(moments)
    found = np.empty((b, k * (k - 1) // 2, p))  # squared, so that roots are taken of two only
    start = 0
    for first in range(k - 1):
        others = slice(first + 1, k)
        here = found[:, start : (start := start + k - 1 - first)]
        np.subtract(moments.mean[:, [first]], moments.mean[:, others], out=here)
        np.square(here, out=here)
        pooled = squares[:, [first]] + squares[:, others]
        pooled /= np.maximum(freedom[:, [first]] + freedom[:, others], 1)[:, :, None]
        here /= np.maximum(pooled, floor, out=pooled)
    return _median_root(found.reshape(b, -1))


def _floor(moments: Moments) -> Floats:
    """Return the least variance that is divided by, shape (b, 1, p)."""
    floor = FLOOR * moments.total / np.maximum(np.sum(moments.count, axis=1), 1)[:, None]
    return np.maximum(floor, np.finfo(np.float64).tiny)[:, None, :]


def _median_root(squares: Floats) -> Floats:
    """Return the median of the square roots along the last axis, which is reordered."""
    middle = squares.shape[1] // 2
    least = middle - 1 + squares.shape[1] % 2
    squares.partition((least, middle), axis=1)
    return np.sqrt(squares[:, [least, middle]]).mean(axis=1)
