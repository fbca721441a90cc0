"""Array types of the room, and what every metric asks of columns: scale, rank, variation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]

MOST_DRAWN = 300  # features of a bootstrap sample
SINGLE_FROM = 2_000_000  # cells of a table whose draws are summed in single precision


def constant_columns(values: Floats) -> Flags:
    """Tell which columns do not vary beyond rounding.

    Parameters
    ----------
    values : ndarray, shape (n, p)

    Returns
    -------
    ndarray of bool, shape (p,)
        True where the range is at most 1e-12 of the largest magnitude. The bound is relative, so
        that the answer does not depend on the unit of a feature.
    """
    spread = values.max(axis=0) - values.min(axis=0)
    return spread <= 1e-12 * np.abs(values).max(axis=0)


def column_scale(values: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column, shapes (p,); the latter inf if constant.

    Dividing by infinity sends a constant column to zero, where it carries no weight.
    """
    scale = values.std(axis=0)
    scale[constant_columns(values)] = np.inf
    return values.mean(axis=0), scale


def positions(flags: NDArray[Any]) -> list[int]:
    """Return where ``flags``, shape (n,), are set or not zero."""
    return [int(position) for position in np.flatnonzero(flags)]


def evenly(values: Floats, most: int) -> Floats:
    """Return at most ``most`` columns of ``values``, shape (n, p), evenly spread.

    The interval of a summary over many features comes from the subjects: some hundred features
    tell it as well as thousands.
    """
    p = values.shape[1]
    return values if p <= most else values[:, np.arange(most) * (p - 1) // max(most - 1, 1)]


def indicators(codes: Ints, n_levels: int) -> Floats:
    """Return one column a level, shape (n, n_levels), holding 1 where the code is that level."""
    return (codes[:, None] == np.arange(n_levels)).astype(np.float64)


def orthonormal(columns: Floats, scale: Floats | None = None) -> Floats:
    """Return an orthonormal basis of the column space, shape (n, rank).

    Parameters
    ----------
    columns : ndarray, shape (n, q)
    scale : ndarray, shape (q,), optional
        Norms the columns had before something was taken out of them; a column that shrank to
        rounding error against its own norm adds no rank.
    """
    norms = np.linalg.norm(columns, axis=0) if scale is None else scale
    scaled = columns / np.where(norms > 0, norms, 1.0)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    return left[:, singular > 1e-9]


def draw_precision(values: Floats) -> type[np.floating[Any]]:
    """Return the precision in which draws from a table, shape (n, p), are summed.

    What is observed is always summed in double precision. Of a large table a draw may have a
    relative error of 1e-6, which is far below what a permutation moves.
    """
    return np.float32 if values.size > SINGLE_FROM else np.float64
