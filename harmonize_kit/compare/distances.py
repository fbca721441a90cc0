"""Distances between all pairs of cases, in the features after the covariates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.residuals import Residuals


def pairwise_distances(values: Floats) -> Floats:
    """Return Euclidean distances, shape (n, n), zero on the diagonal.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    """
    from scipy.spatial.distance import pdist, squareform

    return np.asarray(squareform(pdist(values)), dtype=np.float64)


def permuted_distances(residual: Residuals, permutations: Ints) -> Iterator[Floats]:
    """Yield the distances of permuted residuals with slopes learned anew, each of shape (n, n).

    The inner products of permuted residuals are those of the residuals with rows and columns
    permuted, and taking d slopes out changes them by d outer products, so the cost of a draw does
    not depend on the number of features. Single precision serves a null: an error of 1e-6 of a
    distance is far below what a permutation moves.

    Parameters
    ----------
    residual : Residuals
    permutations : ndarray of int, shape (b, n)
    """
    reduced = residual.reduced.astype(np.float32)
    gram = reduced @ reduced.T
    covariates = residual.covariates.astype(np.float32)
    slopes = residual.slopes.astype(np.float32)
    one = np.ones((len(gram), 1), dtype=np.float32)
    for permutation in permutations:
        drawn = np.take(np.take(gram, permutation, axis=0), permutation, axis=1)
        half = slopes @ drawn  # (d, n)
        half -= 0.5 * (half @ slopes.T) @ covariates.T
        # What is taken out, and the squares of both cases, in one product of few columns.
        squares = (np.diagonal(drawn) - 2 * np.sum(covariates * half.T, axis=1))[:, None]
        left = np.hstack([2 * covariates, 2 * half.T, squares, one])
        right = np.vstack([half, covariates.T, one.T, squares.T])
        squared = left @ right
        drawn *= 2
        squared -= drawn
        np.maximum(squared, 0, out=squared)
        np.fill_diagonal(squared, 0)
        yield np.sqrt(squared, out=squared)


def site_sums(distances: Floats, site: Ints) -> Floats:
    """Return the sum of distances from every case to the cases of every site, shape (n, k).

    Parameters
    ----------
    distances : ndarray, shape (n, n)
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1 in ascending order, each of which occurs.
    """
    starts = np.flatnonzero(np.diff(site, prepend=-1))
    return np.add.reduceat(distances, starts, axis=1)
