"""Where the variance of a feature comes from: site, covariates, subject, or none of them.

For every feature the total sum of squares is parted into what site alone explains, what each
covariate alone explains, what only the model as a whole explains (shared, where site and
covariates go together and nothing can tell which it is; it may be slightly below zero where they
mask each other), and the rest. Where subjects repeat, the rest is parted once more into what stays
with a subject and what changes from scan to scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.moments import Moments

SHARED, RESIDUAL, SUBJECT = "shared", "residual", "subject"


def variance_shares(moments: Moments, covariates: Sequence[slice]) -> Floats:
    """Return the shares of the total variance, shape (b, 3 + len(covariates), p).

    Site, then each covariate, then shared, then residual; they add up to one. The shares of site
    and covariates are partial sums of squares (type II and III alike) over the total.

    Parameters
    ----------
    moments : Moments
    covariates : sequence of slice
        Columns that each covariate owns.
    """
    total = np.maximum(moments.total, np.finfo(np.float64).tiny)
    error = np.clip(moments.error, 0, moments.total)
    alone = [moments.without_site - error, *(moments.without(own) - error for own in covariates)]
    shares = [np.maximum(squares, 0) / total for squares in alone]
    residual = error / total
    return np.stack([*shares, 1 - residual - np.sum(shares, axis=0), residual], axis=1)


def mean_variance_shares(draws: Iterable[Moments], covariates: Sequence[slice]) -> Floats:
    """Return the mean over features of :func:`variance_shares`, shape (b, 3 + len(covariates))."""
    return np.concatenate([variance_shares(m, covariates).mean(axis=2) for m in draws])


def subject_share(residual: Floats, subject: Ints) -> Floats:
    """Return the share of residual variance that stays with the subject, shape (p,), in [0, 1].

    The intraclass correlation from a one-way analysis of variance with groups of unequal size
    (Searle, Casella and McCulloch 1992, Variance Components, 3.6): ``(MSB - MSW) / (MSB +
    (m - 1) MSW)`` with ``m = (n - sum m_i^2 / n) / (groups - 1)``.

    Parameters
    ----------
    residual : ndarray, shape (n, p)
        After site and covariates.
    subject : ndarray of int, shape (n,)
        Two subjects or more, one of which occurs more than once.
    """
    _, codes = np.unique(subject, return_inverse=True)
    counts = np.bincount(codes)
    groups, n = len(counts), len(codes)
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.add.reduceat(residual[order], starts, axis=0) / counts[:, None]
    between = np.sum(counts[:, None] * (means - residual.mean(axis=0)) ** 2, axis=0) / (groups - 1)
    within = np.sum((residual - means[codes]) ** 2, axis=0) / (n - groups)
    size = (n - float(np.sum(counts**2)) / n) / (groups - 1)
    scale = between + (size - 1) * within
    share = np.divide(between - within, scale, out=np.zeros_like(scale), where=scale > 0)
    return np.clip(share, 0, 1)
