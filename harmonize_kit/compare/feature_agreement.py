"""Whether features of one image are those of another of the same head, over many heads."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, column_scale, constant_columns

AT_ONCE = 100  # draws


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


def resampled_agreement(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Return the median over features of :func:`feature_agreement` in bootstrap samples, (b,).

    Parameters
    ----------
    first, second : ndarray, shape (n, p)
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    """
    mean, scale = column_scale(second)
    x, y = (first - mean) / scale, (second - mean) / scale  # one unit for both
    products, p = np.hstack([x, y, x * x, y * y, x * y]), x.shape[1]
    draws: list[Floats] = [np.empty(0)]
    for start in range(0, len(weights), AT_ONCE):
        drawn = weights[start : start + AT_ONCE]
        sums = drawn @ products / drawn.sum(axis=1, keepdims=True)
        a, b, aa, bb, ab = (sums[:, part * p : (part + 1) * p] for part in range(5))
        size = aa - a**2 + bb - b**2 + (a - b) ** 2
        found = np.divide(2 * (ab - a * b), size, out=np.zeros_like(size), where=size > 1e-12)
        draws.append(np.asarray(np.median(found, axis=1), dtype=np.float64))
    return np.concatenate(draws)
