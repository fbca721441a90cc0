"""How the features go with a number such as age: smooth curves before and after.

The curve of a candidate is that of all its cases as one sample, as a harmonized table is used;
the target is the curve within sites of the first candidate, where each site has a level of its
own and so cannot bend it. A line would miss what happens where sites differ in age and the course
is not straight, which is where a linear harmonizer goes wrong (Pomponio et al. 2020, NeuroImage
208:116450).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harmonize_kit.compare.arrays import Floats, column_scale

KNOTS = (0.05, 0.35, 0.65, 0.95)
POINTS = 25
LEAST_DISTINCT = 10


@dataclass(frozen=True)
class CurveBasis:
    """A natural cubic spline of one covariate, straight beyond its outer knots.

    Restricted cubic splines with knots at fixed quantiles (Harrell 2015, Regression Modeling
    Strategies, section 2.4.5).

    Parameters
    ----------
    columns : ndarray, shape (n, 3)
        Of the cases; standardised. The first is the covariate itself.
    points : ndarray, shape (m,)
        Where curves are read: at equally spaced quantiles, so that each stands for as many cases.
    at : ndarray, shape (m, 3)
        The columns at the points, less their means.
    """

    columns: Floats
    points: Floats
    at: Floats


def curve_basis(values: Floats) -> CurveBasis | None:
    """Return the basis of a covariate, shape (n,); None where it has too few distinct values."""
    if len(np.unique(values)) < LEAST_DISTINCT:
        return None
    knots = np.quantile(values, KNOTS)
    if np.any(np.diff(knots) <= 0):
        return None
    points = np.quantile(values, (np.arange(POINTS) + 0.5) / POINTS)
    columns = _natural(values, knots)
    mean, scale = column_scale(columns)
    at = _natural(points, knots) / scale
    return CurveBasis((columns - mean) / scale, points, at - at.mean(axis=0))


def curve_distance(basis: CurveBasis, coefficients: Floats, target: Floats) -> Floats:
    """Return the median over features of the root mean square distance of two curves, shape (b,).

    In units of the residual standard deviation, over the points, each curve about its own mean:
    a level is no part of the course.

    Parameters
    ----------
    basis : CurveBasis
    coefficients, target : ndarray, shape (b, 3, p)
        Slopes on the columns of the basis, in residual standard deviations. What is not known
        (NaN) counts as flat.
    """
    apart = np.nan_to_num(coefficients) - np.nan_to_num(target)
    metric = basis.at.T @ basis.at / len(basis.at)  # (3, 3)
    square = np.sum(apart * (metric @ apart), axis=1)
    return np.asarray(np.median(np.sqrt(np.maximum(square, 0.0)), axis=1), dtype=np.float64)


def summarise_curves(basis: CurveBasis, coefficients: Floats, target: Floats) -> dict[str, Any]:
    """Return median and quartiles over features, each turned to rise where its target does.

    Features that fall with age and features that rise would cancel; turned by the direction of
    the target, their median is the typical course.

    Parameters
    ----------
    basis : CurveBasis
    coefficients, target : ndarray, shape (3, p)
    """
    curve, aim = (basis.at @ np.nan_to_num(part) for part in (coefficients, target))  # (m, p)
    half = len(aim) // 2
    rise = np.sign(aim[-half:].mean(axis=0) - aim[:half].mean(axis=0))
    low, median, high = np.quantile(curve * rise, [0.25, 0.5, 0.75], axis=1)
    return {"median": median.tolist(), "low": low.tolist(), "high": high.tolist()}


def _natural(values: Floats, knots: Floats) -> Floats:
    """Return value and the two columns of truncated cubes, shape (n, 3)."""

    def cube(knot: float) -> Floats:
        return np.maximum(values - knot, 0.0) ** 3

    last, before = float(knots[-1]), float(knots[-2])
    width = last - before
    bent = [
        cube(float(knot))
        - cube(before) * (last - float(knot)) / width
        + cube(last) * (before - float(knot)) / width
        for knot in knots[:-2]
    ]
    return np.column_stack([values, *bent])
