"""Standardisation and the raw location and scale of each site, from sums.

Equations (4) to (7) of Fortin et al. 2018, NeuroImage 167:104, in the form of R's ``sva::ComBat``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.sums import SiteSums

Array = NDArray[np.float64]

# Relative standard deviations and residual shares that are rounding, not measurement.
CONSTANT_SD = 1e-13
EXPLAINED_SHARE = 1e-13


@dataclass(frozen=True)
class Standardisation:
    """What turns a feature into its standardised residual.

    Parameters
    ----------
    grand_mean : ndarray, shape (p,)
        Mean over sites at average covariates, or that of the reference site.
    coefficients : ndarray, shape (q, p)
        Covariate effects on the centred and scaled design.
    pooled_sd : ndarray, shape (p,)
        Residual standard deviation over all cases (of the reference site where there is one).
    """

    grand_mean: Array
    coefficients: Array
    pooled_sd: Array


def constant_features(sums: Sequence[SiteSums]) -> NDArray[np.bool_]:
    """Tell which features do not vary in some site of two or more cases, shape (p,).

    Such a feature has no scale there. As in sva it is kept out of the priors, which it would
    distort for all the others, and is passed through unchanged.
    """
    flags = [
        one.squares <= one.count * (CONSTANT_SD * one.feature_mean) ** 2
        for one in sums
        if one.count > 1
    ]
    return np.any(flags, axis=0) if flags else np.zeros(sums[0].squares.shape, dtype=np.bool_)


def standardise(sums: Sequence[SiteSums], reference: int | None = None) -> Standardisation:
    """Fit site means and covariate effects together, and the pooled residual variance.

    The site intercepts are eliminated first (the within-site or fixed-effects estimator), which
    leaves a q x q system whatever the number of sites. The variance divides by the number of
    cases, not by the degrees of freedom, as in sva. It is 0 where covariates explain a feature
    wholly.
    """
    gram: Array = np.sum([one.gram for one in sums], axis=0)
    cross: Array = np.sum([one.cross for one in sums], axis=0)
    effects = np.linalg.solve(gram, cross).astype(np.float64, copy=False)
    intercepts = np.stack([one.feature_mean - one.covariate_mean @ effects for one in sums])
    counts = np.array([one.count for one in sums], dtype=np.float64)
    scatter = np.stack([one.residual_scatter(effects) for one in sums])
    within: Array = np.sum([one.squares for one in sums], axis=0)
    if reference is None:
        grand = counts @ intercepts / counts.sum()
        variance = scatter.sum(axis=0) / counts.sum()
    else:
        grand = intercepts[reference]
        variance = scatter[reference] / counts[reference]
    variance[variance * counts.sum() <= EXPLAINED_SHARE * within] = 0.0
    return Standardisation(grand, effects, np.sqrt(variance))


def site_location_scale(
    sums: Sequence[SiteSums], standard: Standardisation, *, mean_only: bool
) -> tuple[Array, Array, Array]:
    """Return location, scale and sum of squares of the standardised residuals, each (k, p).

    The location is their mean in the site, the scale their variance (divisor n - 1), or 1 where
    only the mean is corrected. Standard deviations must not be 0.
    """
    sd, effects = standard.pooled_sd, standard.coefficients
    location = np.stack([one.mean_residual(standard.grand_mean, effects) / sd for one in sums])
    scatter = np.stack([one.residual_scatter(effects) / sd**2 for one in sums])
    counts = np.array([one.count for one in sums], dtype=np.float64)[:, None]
    squares = scatter + counts * location**2
    scale = np.ones_like(location) if mean_only else scatter / (counts - 1)
    return location, scale, squares
