"""Sums over subjects from which a random intercept per subject follows.

Rows of one subject share an intercept, so their covariance is ``V = I + rho J`` in units of the
residual variance, with J a block of ones for each subject. For a subject of m rows ``V^-1``
leaves what varies within the subject as it is and divides what the rows share by ``1 + rho m``.
Products of deviations from the subject's means, and of these means by number of rows, therefore
determine the likelihood of every rho. They can be merged over sets of subjects; no row and no
subject is in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SubjectSums:
    """Products within subjects, and between them by the number of rows a subject has.

    Parameters
    ----------
    rows : ndarray of int, shape (g,)
        The numbers of rows that occur, ascending.
    subjects : ndarray of int, shape (g,)
        Subjects that have so many rows.
    within_gram : ndarray, shape (q, q)
        Products of the design's deviations from the subject's means.
    within_cross : ndarray, shape (q, p)
    within_squares : ndarray, shape (p,)
    between_gram : ndarray, shape (g, q, q)
        Products of the subjects' means, times their number of rows.
    between_cross : ndarray, shape (g, q, p)
    between_squares : ndarray, shape (g, p)
    """

    rows: NDArray[np.int_]
    subjects: NDArray[np.int_]
    within_gram: Array
    within_cross: Array
    within_squares: Array
    between_gram: Array
    between_cross: Array
    between_squares: Array

    def __add__(self, other: SubjectSums) -> SubjectSums:
        """Return the sums over the subjects of both; no subject may be in both."""
        rows = np.union1d(self.rows, other.rows)

        def merged(mine: NDArray[np.generic], theirs: NDArray[np.generic]) -> Array:
            total = np.zeros((len(rows), *mine.shape[1:]), dtype=np.result_type(mine, theirs))
            total[np.searchsorted(rows, self.rows)] += mine
            total[np.searchsorted(rows, other.rows)] += theirs
            return total

        return SubjectSums(
            rows,
            merged(self.subjects, other.subjects).astype(np.int_),
            self.within_gram + other.within_gram,
            self.within_cross + other.within_cross,
            self.within_squares + other.within_squares,
            merged(self.between_gram, other.between_gram),
            merged(self.between_cross, other.between_cross),
            merged(self.between_squares, other.between_squares),
        )

    @property
    def n_rows(self) -> int:
        """Rows of all subjects."""
        return int(self.rows @ self.subjects)

    def features(self, chosen: slice | NDArray[np.bool_]) -> SubjectSums:
        """Return the sums of some of the features."""
        return SubjectSums(
            self.rows,
            self.subjects,
            self.within_gram,
            self.within_cross[:, chosen],
            self.within_squares[chosen],
            self.between_gram,
            self.between_cross[:, :, chosen],
            self.between_squares[:, chosen],
        )


def sum_by_subject(subjects: NDArray[np.int_], design: Array, features: Array) -> SubjectSums:
    """Return the sums of rows that belong to subjects.

    Parameters
    ----------
    subjects : ndarray of int, shape (n,)
        Subject code of each row, from 0; every code occurs.
    design : ndarray, shape (n, q)
    features : ndarray, shape (n, p)
        Best given as residuals of a first fit: products about a large mean lose digits.
    """
    counts = np.bincount(subjects)
    x_mean = subject_totals(subjects, design) / counts[:, None]
    y_mean = subject_totals(subjects, features) / counts[:, None]
    x, y = design - x_mean[subjects], features - y_mean[subjects]
    rows, group = np.unique(counts, return_inverse=True)
    groups = [np.flatnonzero(group == number) for number in range(len(rows))]
    return SubjectSums(
        rows,
        np.bincount(group),
        x.T @ x,
        x.T @ y,
        np.einsum("ij,ij->j", y, y),
        np.stack([m * x_mean[own].T @ x_mean[own] for m, own in zip(rows, groups, strict=True)]),
        np.stack([m * x_mean[own].T @ y_mean[own] for m, own in zip(rows, groups, strict=True)]),
        np.stack([m * (y_mean[own] ** 2).sum(axis=0) for m, own in zip(rows, groups, strict=True)]),
    )


def subject_totals(subjects: NDArray[np.int_], values: Array) -> Array:
    """Return the sum of each subject's rows, shape (n_subjects, p)."""
    order = np.argsort(subjects, kind="stable")
    starts = np.cumsum(np.bincount(subjects)) - np.bincount(subjects)
    return np.add.reduceat(values[order], starts, axis=0)
