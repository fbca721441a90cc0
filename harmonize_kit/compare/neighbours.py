"""The nearest cases of every case, for measures of how well sites mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints

MOST = 90  # three times LISI's usual perplexity of 30


@dataclass(frozen=True)
class Neighbours:
    """Nearest other cases.

    Parameters
    ----------
    index : ndarray of int, shape (n, m)
    distance : ndarray, shape (n, m)
    """

    index: Ints
    distance: Floats


def nearest(distances: Floats) -> Neighbours:
    """Return the m nearest other cases of every case, nearest first.

    m is 90, or a third of the other cases where they are fewer than 270: neighbours that are
    nearly everyone would mix whatever the sites.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
    """
    others, m = _others(distances)
    return _in_order(others, np.argpartition(others, m - 1, axis=1)[:, :m])


def nearest_unordered(distances: Floats) -> Neighbours:
    """Return the same cases in the order of their rows, in a quarter of the time.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
        In the precision of which distances are returned.
    """
    others, m = _others(distances)
    within = others <= np.partition(others, m - 1, axis=1)[:, [m - 1]]
    cells = np.flatnonzero(within)
    if len(cells) > m * len(others):  # ties at the border
        return nearest(distances)
    index = (cells % len(others)).reshape(-1, m)
    return Neighbours(index.astype(np.intp, copy=False), others.ravel()[cells].reshape(-1, m))


def _others(distances: Floats) -> tuple[Floats, int]:
    """Return distances with each case infinitely far from itself, and the number of neighbours."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    return others, max(1, min(MOST, (len(distances) - 1) // 3))


def _in_order(others: Floats, index: Ints) -> Neighbours:
    found = np.take_along_axis(others, index, axis=1)
    order = np.argsort(found, axis=1, kind="stable")
    return Neighbours(
        np.take_along_axis(index, order, axis=1).astype(np.intp),
        np.take_along_axis(found, order, axis=1).astype(np.float64),
    )
