"""Controls of a harmonizer in bootstrap samples of the subjects, its fits as they are."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, column_scale
from harmonize_kit.compare.moments import resampled_moments

AT_ONCE = 100  # draws


def resampled_change(before: Floats, after: Floats, weights: Floats) -> Floats:
    """Return the median over features of one less the squared correlation, shape (b,).

    Parameters
    ----------
    before, after : ndarray, shape (n, p)
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    """
    x, y = _standard(before), _standard(after)
    p = x.shape[1]
    products = np.hstack([x, y, x * x, y * y, x * y])
    draws: list[Floats] = [np.empty(0)]
    for start in range(0, len(weights), AT_ONCE):
        drawn = weights[start : start + AT_ONCE]
        means = drawn @ products / drawn.sum(axis=1, keepdims=True)
        first, second, xx, yy, xy = (means[:, part * p : (part + 1) * p] for part in range(5))
        spread = np.maximum(xx - first**2, 0) * np.maximum(yy - second**2, 0)
        alike = np.divide(
            (xy - first * second) ** 2, spread, out=np.zeros_like(xy), where=spread > 1e-18
        )
        draws.append(_median(1 - np.minimum(alike, 1)))
    return np.concatenate(draws)


def resampled_slope(change: Floats, shift: Floats, site: Ints, weights: Floats) -> Floats:
    """Return the median slope of a change of site means on the planted shifts, shape (b,).

    Parameters
    ----------
    change : ndarray, shape (n, p)
        What planting changed in each case.
    shift : ndarray, shape (k, p)
        What was planted.
    site : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n)
    """
    draws: list[Floats] = [np.empty(0)]
    for moments in resampled_moments(change, site, np.empty((len(site), 0)), weights):
        own, count = shift[None], moments.count[:, :, None]
        slope = np.sum(count * moments.mean * own, axis=1) / np.sum(count * own**2, axis=1)
        draws.append(_median(slope))
    return np.concatenate(draws)


def resampled_marker(
    before: Floats, after: Floats, marker: Floats, site: Ints, weights: Floats
) -> Floats:
    """Return the median of the correlation with a marker within sites, over that before, (b,).

    Parameters
    ----------
    before, after : ndarray, shape (n, p)
    marker : ndarray, shape (n, 1)
    site : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n)
    """
    column = _standard(marker)
    pairs = zip(
        resampled_moments(_standard(before), site, column, weights),
        resampled_moments(_standard(after), site, column, weights),
        strict=True,
    )
    draws: list[Floats] = [np.empty(0)]
    for was, now in pairs:
        first, second = was.correlation[:, 0], now.correlation[:, 0]
        kept = np.divide(second, first, out=np.zeros_like(first), where=np.abs(first) > 1e-9)
        draws.append(_median(kept))
    return np.concatenate(draws)


def _standard(values: Floats) -> Floats:
    mean, scale = column_scale(values)
    return (values - mean) / scale


def _median(values: Floats) -> Floats:
    return np.asarray(np.median(values, axis=1), dtype=np.float64)
