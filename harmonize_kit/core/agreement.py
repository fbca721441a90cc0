"""Agreement of repeated measurements: the intraclass correlation coefficient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# Sums of squares below this share of the values' own size are rounding, not variation.
ROUNDING = 1e-12


class Agreement(NamedTuple):
    """An intraclass correlation coefficient for each feature, with its interval.

    Parameters
    ----------
    value, low, high : ndarray, shape (n_features,)
        NaN where the feature does not vary at all, so that agreement has no meaning.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def intraclass_correlation(
    measurements: NDArray[np.float64], confidence: float = 0.95
) -> Agreement:
    """Return ICC(2,1): two-way random effects, absolute agreement, single measurement.

    The share of the variance that lies between subjects. Subjects and raters are both samples (a
    perturbation stands for others like it), and a rater that shifts every value counts as
    disagreement: so the coefficient tells how far one single measurement can be trusted.

    Parameters
    ----------
    measurements : ndarray, shape (n_subjects, n_raters, n_features)
        Finite; at least two subjects and two raters.
    confidence : float
        Of the interval, which follows the F distribution with Satterthwaite's degrees of freedom.

    Returns
    -------
    Agreement
        Estimates may be negative, where raters differ more than subjects do.

    Raises
    ------
    ValueError
        If there are fewer than two subjects or raters, or a value is not finite.

    References
    ----------
    Shrout and Fleiss 1979, Psychological Bulletin 86:420, case 2; McGraw and Wong 1996,
    Psychological Methods 1:30, ICC(A,1), table 7 for the interval.
    """
    value, rows, columns, error = _components(measurements)
    n, k = measurements.shape[:2]
    low, high = _interval(value, rows, columns, error, n, k, confidence)
    return Agreement(value, low, high)


def intraclass_value(measurements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ICC(2,1) of each feature without its interval; see :func:`intraclass_correlation`."""
    return _components(measurements)[0]


def _components(measurements: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the coefficient and the three mean squares, NaN between subjects without variation."""
    data = np.asarray(measurements, dtype=np.float64)
    if data.ndim != 3 or min(data.shape[:2]) < 2:
        raise ValueError(
            "expected measurements of shape (n_subjects, n_raters, n_features) with at least two "
            f"subjects and two raters, got shape {data.shape}"
        )
    if not np.isfinite(data).all():
        raise ValueError("expected finite measurements; leave incomplete subjects out")
    # One scale for each feature, so that squares neither overflow nor vanish.
    size = np.abs(data).max(axis=(0, 1))
    rows, columns, error = _mean_squares(data / np.where(size > 0, size, 1))
    n, k = data.shape[:2]
    constant = np.maximum(np.maximum(rows, columns), error) <= ROUNDING**2
    rows = np.where(constant, np.nan, rows)
    value = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    return value, rows, columns, error


def _mean_squares(data: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the mean squares between subjects, between raters, and of the residual."""
    n, k = data.shape[:2]
    centred = data - data.mean(axis=(0, 1))
    by_subject = centred.mean(axis=1, keepdims=True)
    by_rater = centred.mean(axis=0, keepdims=True)
    residual = centred - by_subject - by_rater
    return (
        k * (by_subject**2).sum(axis=(0, 1)) / (n - 1),
        n * (by_rater**2).sum(axis=(0, 1)) / (k - 1),
        (residual**2).sum(axis=(0, 1)) / ((n - 1) * (k - 1)),
    )


def _interval(
    value: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    error: NDArray[np.float64],
    n: int,
    k: int,
    confidence: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Where all agree to the last digit, the interval is the point 1.
    perfect = np.maximum(columns, error) <= ROUNDING**2
    share = np.where(perfect, 0, value)
    a = k * share / (n * (1 - share))
    b = 1 + k * share * (n - 1) / (n * (1 - share))
    noise = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    freedom = (a * columns + b * error) ** 2 / np.where(noise > 0, noise, np.nan)
    quantile = (1 + confidence) / 2
    below = stats.f.ppf(quantile, n - 1, freedom)
    above = stats.f.ppf(quantile, freedom, n - 1)
    between = k * columns + (k * n - k - n) * error
    low = n * (rows - below * error) / (below * between + n * rows)
    high = n * (above * rows - error) / (between + n * above * rows)
    known = perfect & np.isfinite(rows)
    # The degrees of freedom are an approximation, and at negative estimates a poor one.
    return (
        np.where(known, 1.0, np.minimum(low, value)),
        np.where(known, 1.0, np.maximum(high, value)),
    )
