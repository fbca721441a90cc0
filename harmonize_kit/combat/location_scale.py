"""Standardisation and the raw location and scale of each site, from sums.

Equations (4) to (7) of Fortin et al. 2018, NeuroImage 167:104, in the form of R's ``sva::ComBat``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.sums import SiteSums

CONSTANT_TOLERANCE = 1e-13


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
        Residual standard deviation over all cases (of the reference site where there is one);
        1 for features that are passed through.
    """

    grand_mean: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    pooled_sd: NDArray[np.float64]

    def mean(self, covariates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each case is expected to have without its site, shape (n, p)."""
        return self.grand_mean + covariates @ self.coefficients


def constant_features(sums: Sequence[SiteSums]) -> NDArray[np.bool_]:
    """Tell which features do not vary in some site of two or more cases, shape (p,).

    Such a feature has no scale there. As in sva it is kept out of the priors, which it would
    distort for all the others, and is passed through unchanged.
    """
    flags = [one.scatter() <= CONSTANT_TOLERANCE * one.squares for one in sums if one.count > 1]
    return np.any(flags, axis=0) if flags else np.zeros(sums[0].squares.shape, dtype=np.bool_)


def standardise(
    sums: Sequence[SiteSums], shift: NDArray[np.float64], reference: int | None = None
) -> Standardisation:
    """Fit site means and covariate effects together, and the pooled residual variance.

    The variance divides by the number of cases, not by the degrees of freedom, as in sva.
    """
    intercepts, effects = _least_squares(sums)
    counts = np.array([one.count for one in sums], dtype=np.float64)
    residual = [
        one.residual_squares(np.vstack([intercepts[code], effects]))
        for code, one in enumerate(sums)
    ]
    if reference is None:
        grand = counts @ intercepts / counts.sum()
        variance = np.sum(residual, axis=0) / counts.sum()
    else:
        grand = intercepts[reference]
        variance = residual[reference] / counts[reference]
    return Standardisation(grand + shift, effects, np.sqrt(variance))


def site_location_scale(
    sums: Sequence[SiteSums],
    shift: NDArray[np.float64],
    standard: Standardisation,
    *,
    mean_only: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return location, scale and sum of squares of the standardised residuals, each (k, p).

    The location is their mean in the site, the scale their variance (divisor n - 1), or 1 where
    only the mean is corrected.
    """
    coefficients = np.vstack([standard.grand_mean - shift, standard.coefficients])
    location = np.empty((len(sums), len(shift)))
    scale = np.ones_like(location)
    squares = np.empty_like(location)
    for code, one in enumerate(sums):
        location[code] = one.residual_total(coefficients) / (one.count * standard.pooled_sd)
        squares[code] = one.residual_squares(coefficients) / standard.pooled_sd**2
        if not mean_only:
            deviation = squares[code] - one.count * location[code] ** 2
            scale[code] = np.maximum(deviation, 0.0) / (one.count - 1)
    return location, scale, squares


def _least_squares(
    sums: Sequence[SiteSums],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return site intercepts (k, p) and covariate effects (q, p).

    The site intercepts are eliminated first (the within-site or fixed-effects estimator), which
    leaves a q x q system whatever the number of sites.
    """
    within_gram: NDArray[np.float64] = np.sum(
        [one.gram[1:, 1:] - np.outer(one.gram[0, 1:], one.gram[0, 1:]) / one.count for one in sums],
        axis=0,
    )
    within_cross: NDArray[np.float64] = np.sum(
        [one.cross[1:] - np.outer(one.gram[0, 1:], one.total) / one.count for one in sums], axis=0
    )
    effects = np.linalg.solve(within_gram, within_cross).astype(np.float64, copy=False)
    intercepts = np.stack([(one.total - one.gram[0, 1:] @ effects) / one.count for one in sums])
    return intercepts, effects
