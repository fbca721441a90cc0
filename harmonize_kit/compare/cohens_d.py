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
    floor = FLOOR * moments.total / np.maximum(np.sum(moments.count, axis=1), 1)[:, None]
    floor = np.maximum(floor, np.finfo(np.float64).tiny)[:, None, :]
    difference = moments.mean[:, first] - moments.mean[:, second]
    return difference / np.sqrt(np.maximum(pooled, floor))


def median_cohens_d(moments: Moments) -> Floats:
    """Return the median absolute d over pairs and features in each draw, shape (b,)."""
    found = np.abs(cohens_d(moments))
    return np.median(found.reshape(len(found), -1), axis=1)
