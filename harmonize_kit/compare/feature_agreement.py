"""Whether features of one image are those of another of the same head, over many heads."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, constant_columns


def feature_agreement(first: Floats, second: Floats) -> Floats:
    """Return Lin's concordance correlation of each feature, shape (p,).

    ``2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2)`` with n as denominator (Lin 1989, Biometrics
    45:255): a shift or stretch counts as disagreement, unlike in a correlation. 0 for a feature
    that either table holds constant.

    Parameters
    ----------
    first, second : ndarray, shape (n, p)
        The same cases and features.
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    apart = (first.mean(axis=0) - second.mean(axis=0)) ** 2
    size = np.mean(a**2, axis=0) + np.mean(b**2, axis=0) + apart
    flat = constant_columns(first) | constant_columns(second) | (size == 0)
    return np.divide(2 * np.mean(a * b, axis=0), size, out=np.zeros_like(size), where=~flat)
