"""Analysis of covariance of all features at once: what some columns explain beyond the others.

For every feature the model is ``y = others + target + error``. The partial sum of squares of the
target is what the residual loses when the target's columns join the others; with main effects
only, this is the type II and the type III sum of squares alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from harmonize_kit.compare.arrays import (
    Floats,
    Ints,
    constant_columns,
    draw_precision,
    orthonormal,
)


@dataclass(frozen=True)
class PartialEffect:
    """Effect of the target columns on each feature after the other columns.

    Parameters
    ----------
    share : ndarray, shape (p,)
        Partial eta squared, SS_target / (SS_target + SS_error); NaN for a constant feature.
    sign : ndarray, shape (p,)
        Direction of the slope where the target is one column, else 1.
    f, p, q : ndarray, shape (p,)
        F statistic, its p value, and Benjamini and Hochberg's adjusted p over the features.
    """

    share: Floats
    sign: Floats
    f: Floats
    p: Floats
    q: Floats


def partial_effect(values: Floats, target: Floats, others: Floats) -> PartialEffect:
    """Return the effect of ``target`` on every column of ``values`` after ``others``.

    Sums are taken on residuals (Frisch, Waugh and Lovell), never as differences of large totals,
    so that a feature far from zero loses no digits.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    target : ndarray, shape (n, t)
    others : ndarray, shape (n, q)
        With the intercept.
    """
    rest, between = _bases(target, others)
    centred = values - values.mean(axis=0)
    residual = centred - rest @ (rest.T @ centred)  # (n, p)
    slopes = between.T @ residual  # (rank, p)
    explained = np.sum(slopes**2, axis=0)
    error = np.sum((residual - between @ slopes) ** 2, axis=0)
    df_target, df_error = between.shape[1], len(values) - rest.shape[1] - between.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = explained / (explained + error)
        f = (explained / df_target) / (error / df_error)
    constant = constant_columns(values)
    share[constant] = f[constant] = np.nan
    p = f_tail(f, df_target, df_error)
    sign = np.where(target[:, 0] @ residual < 0, -1.0, 1.0) if target.shape[1] == 1 else 1.0
    return PartialEffect(share, np.broadcast_to(sign, share.shape), f, p, adjusted(p))


def permuted_shares(
    values: Floats, target: Floats, others: Floats, permutations: Ints
) -> tuple[Floats, int, int]:
    """Return partial eta squared under permutations, and the degrees of freedom of its F.

    Freedman and Lane's scheme (1983; Winkler et al. 2014, NeuroImage 92:381): the residuals after
    the other columns are permuted and added back to what those columns explain, so the relation
    of target and covariates stays as it is and only the one of target and feature is broken.
    Since what is added back lies in the space of the others, only the permuted residuals need to
    be projected. Without covariates this is the permutation of site labels. Tables of more than
    two million cells are summed in single precision.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        No constant column.
    target, others : ndarray, shapes (n, t) and (n, q)
    permutations : ndarray of int, shape (b, n)

    Returns
    -------
    shares : ndarray, shape (b, p)
    df_target, df_error : int
    """
    precision = draw_precision(values)
    rest, between = _bases(target, others)
    centred = values - values.mean(axis=0)
    residual = centred - rest @ (rest.T @ centred)
    norms = np.linalg.norm(residual, axis=0)
    residual = np.asarray(residual / np.where(norms > 0, norms, 1.0), dtype=precision)
    both = np.hstack([rest, between])  # (n, q + t)
    shares = np.empty((len(permutations), values.shape[1]))
    # Some draws at a time: one product of many columns is worth several of few.
    step = max(1, 200 // both.shape[1])
    for start in range(0, len(permutations), step):
        drawn = permutations[start : start + step]
        unpermuted = np.empty((len(drawn), *both.T.shape), dtype=residual.dtype)
        for row, permutation in enumerate(drawn):
            unpermuted[row][:, permutation] = both.T  # the small matrix is moved
        sums = unpermuted.reshape(-1, len(both)) @ residual
        squares = sums.reshape(len(drawn), both.shape[1], -1).astype(np.float64) ** 2
        outside = np.sum(squares[:, : rest.shape[1]], axis=1)
        shares[start : start + step] = np.sum(squares[:, rest.shape[1] :], axis=1) / (1.0 - outside)
    return shares, between.shape[1], len(values) - both.shape[1]


def degrees_of_freedom(target: Floats, others: Floats) -> tuple[int, int]:
    """Return the degrees of freedom of the target's F, and of the error."""
    rest, between = _bases(target, others)
    return between.shape[1], len(target) - rest.shape[1] - between.shape[1]


def f_tail(f: Floats, df_target: int, df_error: int) -> Floats:
    """Return the upper tail probability of F, NaN where F is."""
    return np.asarray(stats.f.sf(f, df_target, df_error), dtype=np.float64)


def adjusted(p: Floats) -> Floats:
    """Return Benjamini and Hochberg's adjusted p along the last axis; NaN stays out of the count.

    NaN must fill whole columns, as a constant feature does.
    """
    known = np.isfinite(p).all(axis=tuple(range(p.ndim - 1)))
    q = np.full(p.shape, np.nan)
    if known.any():
        q[..., known] = stats.false_discovery_control(p[..., known], axis=-1)
    return q


def _bases(target: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Return orthonormal bases of the others, and of what the target adds to them."""
    rest = orthonormal(others)
    added = target - rest @ (rest.T @ target)
    return rest, orthonormal(added, np.linalg.norm(target, axis=0))
