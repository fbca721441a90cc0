"""Whether a candidate keeps the order of the cases within each site.

A correction of a site's location and scale moves its cases together: their order by any feature
stays, up to what is put back of covariates. A method that reorders people within a site has done
something other than remove its effect.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from harmonize_kit.compare.arrays import Floats, Ints, constant_columns

LEAST_CASES = 3


def rank_preservation(before: Floats, after: Floats, site: Ints) -> Floats:
    """Return Spearman's correlation of each feature before and after, within sites, shape (p,).

    The mean over sites, weighted by their cases (Spearman 1904; ties have mid-ranks). A site of
    fewer than three cases, or where the feature was constant before, tells nothing; one where it
    is constant only afterwards counts as 0. NaN where no site tells anything.

    Parameters
    ----------
    before, after : ndarray, shape (n, p)
        The same cases and features.
    site : ndarray of int, shape (n,)
    """
    total, cases = np.zeros(before.shape[1]), np.zeros(before.shape[1])
    for code in np.unique(site):
        rows = site == code
        if np.count_nonzero(rows) < LEAST_CASES:
            continue
        varied = ~constant_columns(before[rows])
        total[varied] += _spearman(before[rows][:, varied], after[rows][:, varied]) * rows.sum()
        cases[varied] += rows.sum()
    return np.divide(total, cases, out=np.full(len(total), np.nan), where=cases > 0)


def _spearman(first: Floats, second: Floats) -> Floats:
    ranks = [np.asarray(stats.rankdata(x, axis=0), dtype=np.float64) for x in (first, second)]
    a, b = (x - x.mean(axis=0) for x in ranks)
    size = np.sqrt(np.sum(a**2, axis=0) * np.sum(b**2, axis=0))
    flat = constant_columns(second) | (size == 0)
    return np.where(flat, 0.0, np.sum(a * b, axis=0) / np.where(flat, 1.0, size))
