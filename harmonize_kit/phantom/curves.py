"""Smooth, non-linear age curves, one a feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

SATURATION = 2.0


@dataclass(frozen=True)
class AgeCurves:
    """What age does to each feature, in units of its within-site SD.

    A curve is a mixture of a straight line (steady decline), a parabola (growth, then decline) and
    a saturating exponential (early change that levels off): the three shapes that lifespan studies
    of brain measures report, and that a linear age term cannot follow.

    Parameters
    ----------
    weights : ndarray, shape (n_features, 3)
        Weights of the three standardised shapes.
    age_range : tuple of float
        Ages, in years, over which the curves have mean zero.
    features : tuple of str
    """

    weights: NDArray[np.float64]
    age_range: tuple[float, float]
    features: tuple[str, ...]

    def at(self, age: ArrayLike) -> pd.DataFrame:
        """Return the curves at ages in years: one row an age, one column a feature."""
        ages = np.atleast_1d(np.asarray(age, dtype=np.float64))
        values = _shapes(ages, self.age_range) @ self.weights.T  # (n_ages, n_features)
        return pd.DataFrame(values, index=pd.Index(ages, name="age"), columns=list(self.features))


def draw_age_curves(
    features: tuple[str, ...],
    effect: float,
    age_range: tuple[float, float],
    rng: np.random.Generator,
) -> AgeCurves:
    """Draw one curve a feature; its SD over uniform ages is 0.5 to 1.5 times ``effect``."""
    count = len(features)
    mixture = np.sqrt(rng.dirichlet(np.ones(3), size=count)) * rng.choice([-1.0, 1.0], (count, 3))
    size = effect * rng.uniform(0.5, 1.5, size=count)
    gram = _gram(age_range)
    spread = np.sqrt(np.einsum("gi,ij,gj->g", mixture, gram, mixture))
    return AgeCurves(mixture * (size / spread)[:, np.newaxis], age_range, features)


def _shapes(age: NDArray[np.float64], age_range: tuple[float, float]) -> NDArray[np.float64]:
    """Return line, parabola and saturation at each age, shape (n, 3), mean 0 and SD 1 each."""
    low, high = age_range
    t = 2.0 * (age - low) / (high - low) - 1.0  # -1 at the youngest, 1 at the oldest
    fade = np.exp(-SATURATION * (t + 1.0))
    mean = (1.0 - np.exp(-2.0 * SATURATION)) / (2.0 * SATURATION)
    square = (1.0 - np.exp(-4.0 * SATURATION)) / (4.0 * SATURATION)
    return np.column_stack(
        [
            np.sqrt(3.0) * t,
            np.sqrt(45.0 / 4.0) * (t**2 - 1.0 / 3.0),
            (mean - fade) / np.sqrt(square - mean**2),
        ]
    )


def _gram(age_range: tuple[float, float]) -> NDArray[np.float64]:
    """Return the covariance of the three shapes over uniform ages, by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    low, high = age_range
    shapes = _shapes(low + (high - low) * (nodes + 1.0) / 2.0, age_range)
    return shapes.T @ (shapes * (weights / 2.0)[:, np.newaxis])
