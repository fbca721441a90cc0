"""The nearest cases of every case, for measures of how well sites mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints

MOST = 90  # three times LISI's usual perplexity of 30


@dataclass(frozen=True)
class Neighbours:
    """Nearest other cases, nearest first.

    Parameters
    ----------
    index : ndarray of int, shape (n, m)
    distance : ndarray, shape (n, m)
    """

    index: Ints
    distance: Floats


def nearest(distances: Floats) -> Neighbours:
    """Return the m nearest other cases of every case.

    m is 90, or a third of the other cases where they are fewer than 270: neighbours that are
    nearly everyone would mix whatever the sites.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
    """
    n = len(distances)
    m = max(1, min(MOST, (n - 1) // 3))
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    index = np.argpartition(others, m - 1, axis=1)[:, :m]
    found = np.take_along_axis(others, index, axis=1)
    order = np.argsort(found, axis=1, kind="stable")
    return Neighbours(
        np.take_along_axis(index, order, axis=1).astype(np.intp),
        np.take_along_axis(found, order, axis=1).astype(np.float64),
    )
