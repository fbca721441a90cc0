"""Whether features of one image are those of another of the same head, over many heads."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, column_scale, constant_columns
from harmonize_kit.core.agreement import intraclass_value

AT_ONCE = 100  # draws
# Below this share of the truth's variance, the variance of a draw is rounding.
ROUNDING = 1e-12
# Where a median over features cannot lie beyond; by what it is of.
BOUNDS = {
    "agreement": (-1.0, 1.0),
    "icc": (-1.0, 1.0),
    "bias": (-np.inf, np.inf),
    "bias_size": (0.0, np.inf),
}


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


def feature_intraclass(first: Floats, second: Floats) -> Floats:
    """Return ICC(2,1), absolute agreement, of each feature's pairs, shape (p,).

    See :func:`harmonize_kit.core.agreement.intraclass_correlation`; the two tables are its raters.
    0 for a feature that either table holds constant.

    Parameters
    ----------
    first, second : ndarray, shape (n, p)
        The same cases and features.
    """
    found = np.nan_to_num(intraclass_value(np.stack([first, second], axis=1)), nan=0.0)
    return np.where(constant_columns(first) | constant_columns(second), 0.0, found)


def feature_bias(candidate: Floats, truth: Floats) -> Floats:
    """Return the mean paired difference of each feature in SDs of its truth, shape (p,).

    ``mean(candidate - truth) / SD(truth)`` over cases: what Bland and Altman (1986, Lancet 327:307)
    call bias, in a unit that features share. NaN for a feature whose truth does not vary.

    Parameters
    ----------
    candidate, truth : ndarray, shape (n, p)
        The same cases and features.
    """
    scale = truth.std(axis=0)
    scale[constant_columns(truth)] = np.nan
    return np.asarray((candidate - truth).mean(axis=0) / scale, dtype=np.float64)


def median_agreement(candidate: Floats, truth: Floats) -> dict[str, float]:
    """Return medians over features: concordance, ICC, and bias with and without its sign.

    There is no bias where no feature of the truth varies.

    Parameters
    ----------
    candidate, truth : ndarray, shape (n, p)
        The same cases and features.
    """
    found = {
        "agreement": float(np.median(feature_agreement(candidate, truth))),
        "icc": float(np.median(feature_intraclass(candidate, truth))),
    }
    bias = feature_bias(candidate, truth)
    bias = bias[np.isfinite(bias)]
    if bias.size:
        found["bias"] = float(np.median(bias))
        found["bias_size"] = float(np.median(np.abs(bias)))
    return found


def resampled_agreement(candidate: Floats, truth: Floats, weights: Floats) -> dict[str, Floats]:
    """Return :func:`median_agreement` of bootstrap samples, by name, shapes (b,).

    A sample in which no feature of the truth varies is left out of those of the bias.

    Parameters
    ----------
    candidate, truth : ndarray, shape (n, p)
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    """
    mean, scale = column_scale(truth)
    x, y = (candidate - mean) / scale, (truth - mean) / scale  # one unit for both
    products, p = np.hstack([x, y, x * x, y * y, x * y]), x.shape[1]
    draws: dict[str, list[Floats]] = {name: [np.empty(0)] for name in BOUNDS}
    for start in range(0, len(weights), AT_ONCE):
        drawn = weights[start : start + AT_ONCE]
        count = drawn.sum(axis=1, keepdims=True)
        sums = drawn @ products / count
        moments = [sums[:, part * p : (part + 1) * p] for part in range(5)]
        for name, found in _medians(moments, count).items():
            draws[name].append(found)
    return {name: np.concatenate(parts) for name, parts in draws.items()}


def _medians(moments: list[Floats], count: Floats) -> dict[str, Floats]:
    """Return medians over features from means of x, y, x², y² and xy, each of shape (b, p)."""
    a, b, aa, bb, ab = moments
    both, varied, apart = ab - a * b, bb - b**2, a - b
    spread = aa - a**2 + varied
    size = spread + apart**2
    agreement = np.divide(2 * both, size, out=np.zeros_like(size), where=size > ROUNDING)
    # ICC(2,1) of two raters, its mean squares written as moments; n - 1 is their denominator.
    more = count / np.maximum(count - 1, 1)
    size = more * spread + apart**2 - (spread - 2 * both) * more / count
    icc = np.divide(2 * more * both, size, out=np.zeros_like(size), where=size > ROUNDING)
    told = (varied > ROUNDING).any(axis=1)
    unit = np.sqrt(np.where(varied > ROUNDING, varied, np.nan))[told]
    bias = apart[told] / unit
    return {
        "agreement": np.median(agreement, axis=1),
        "icc": np.median(icc, axis=1),
        "bias": np.nanmedian(bias, axis=1),
        "bias_size": np.nanmedian(np.abs(bias), axis=1),
    }
