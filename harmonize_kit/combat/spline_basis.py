"""The B-spline basis of a smooth covariate effect: learned once, evaluated by name on any cases.

Cubic B-splines with knots at quantiles and the integrated squared second derivative as penalty
(Wood 2017, Generalized Additive Models, chapter 5; the same columns and penalty as statsmodels'
``BSplines(df=10, degree=3)``, on which neuroHarmonize stands). The covariate is brought to [0, 1]
by its training range first, so columns, penalty and smoothing parameter have no unit: age in days
or in years gives the same fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from harmonize_kit.errors import DesignError

Array = NDArray[np.float64]

DEGREE = 3
N_BASIS = 10  # with the intercept's; neuroHarmonize's choice


@dataclass(frozen=True)
class SmoothTerm:
    """A smooth effect of one covariate, as m centred columns.

    The first B-spline is left out, since the sites carry the intercept. What the penalty leaves
    free is the straight line, so the term is estimable wherever the covariate itself is.

    Parameters
    ----------
    name : str
        The covariate.
    lower, upper : float
        Smallest and largest training value.
    knots : ndarray, shape (m - 3,)
        Inner knots, as shares of the way from ``lower`` to ``upper``.
    centre : ndarray, shape (m,)
        Training means of the columns; any other value moves the intercept only.
    """

    name: str
    lower: float
    upper: float
    knots: Array
    centre: Array

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the m columns."""
        return tuple(f"s({self.name}).{number + 1}" for number in range(len(self.centre)))

    def columns(self, values: Array) -> Array:
        """Return the columns of ``values`` (shape (n,), finite), shape (n, m).

        Outside the training range the effect goes on as a straight line, with the value and slope
        it has at the border: it adds no curvature, which is what the penalty would choose.
        """
        return self._basis(self.share(values)) - self.centre

    def penalty(self) -> Array:
        """Return S, shape (m, m): b' S b is twice the integral of the squared second derivative.

        On the scale of shares; divide by ``(upper - lower) ** 3`` for the unit of the covariate.
        Simpson's rule on quarters of each interval, exact for products of linear pieces; the
        factor 2 makes a smoothing parameter mean what it means in neuroHarmonize.
        """
        breaks = np.unique(np.concatenate([[0.0], self.knots, [1.0]]))
        width = np.diff(breaks)
        points = breaks[:-1, None] + width[:, None] * np.arange(5) / 4
        points[:, -1] = breaks[1:]
        weights = width[:, None] * np.array([1.0, 4.0, 2.0, 4.0, 1.0]) / 12
        curvature = self._spline()(points.ravel(), nu=2)[:, 1:]
        return 2 * curvature.T @ (weights.ravel()[:, None] * curvature)

    def share(self, values: Array) -> Array:
        """Return where ``values`` lie in the training range, 0 at its lower end and 1 at upper."""
        return (np.asarray(values, dtype=np.float64) - self.lower) / (self.upper - self.lower)

    def _basis(self, share: Array) -> Array:
        spline, inside = self._spline(), np.clip(share, 0.0, 1.0)
        basis: Array = spline(inside)
        beyond = share - inside
        if beyond.any():
            slopes = spline(np.array([0.0, 1.0]), nu=1)
            basis = basis + beyond[:, None] * slopes[(beyond > 0).astype(np.intp)]
        return basis[:, 1:]

    def _spline(self) -> BSpline:
        order = DEGREE + 1
        knots = np.concatenate([np.zeros(order), self.knots, np.ones(order)])
        return BSpline(knots, np.eye(len(self.knots) + order), DEGREE)


def learn_smooth_term(name: str, values: Array, *, distinct_knots: bool = True) -> SmoothTerm:
    """Place knots for a covariate at quantiles of its training ``values``, shape (n,), finite.

    Ten B-splines, or as many as there are distinct values if these are fewer.

    Parameters
    ----------
    name : str
    values : ndarray, shape (n,)
    distinct_knots : bool
        Use a knot once where several quantiles are tied, so that the effect is smooth there too.
        False repeats it, as statsmodels does, and keeps ten B-splines whatever the values.

    Raises
    ------
    DesignError
        If there are fewer than four distinct values, through which a straight line, or levels,
        say all there is to say.
    """
    values = np.asarray(values, dtype=np.float64)
    n_distinct = len(np.unique(values))
    if n_distinct <= DEGREE:
        raise DesignError(
            f"covariate '{name}' is to be smooth but takes {n_distinct} distinct values, expected "
            f"at least {DEGREE + 1}; preserve it as a linear or a categorical covariate"
        )
    lower, upper = float(values.min()), float(values.max())
    n_basis = min(N_BASIS, n_distinct) if distinct_knots else N_BASIS
    share = (values - lower) / (upper - lower)
    knots = np.quantile(share, np.linspace(0, 1, n_basis - DEGREE + 1)[1:-1])
    if distinct_knots:
        knots = np.unique(knots[(knots > 0) & (knots < 1)])
    raw = SmoothTerm(name, lower, upper, knots, np.zeros(len(knots) + DEGREE))
    return SmoothTerm(name, lower, upper, knots, raw.columns(values).mean(axis=0))
