"""Standardisation and the raw location and scale of each site, from sums.

Equations (4) to (7) of Fortin et al. 2018, NeuroImage 167:104, in the form of R's ``sva::ComBat``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_effects import EffectEstimator
from harmonize_kit.combat.missing import MissingSums
from harmonize_kit.combat.sums import SiteSums

Array = NDArray[np.float64]
Sums = Sequence[SiteSums] | Sequence[MissingSums]

# Relative standard deviations and residual shares that are rounding, not measurement.
CONSTANT_SD = 1e-13
EXPLAINED_SHARE = 1e-13
LEAST_SQUARES = EffectEstimator()


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


def constant_features(sums: Sums) -> NDArray[np.bool_]:
    """Tell which features do not vary in some site of two or more cases, shape (p,).

    Such a feature has no scale there. As in sva it is kept out of the priors, which it would
    distort for all the others, and is passed through unchanged.
    """
    flags = np.zeros(sums[0].squares.shape, dtype=np.bool_)
    for one in sums:
        rounding = one.count * (CONSTANT_SD * one.feature_mean) ** 2
        flags |= (one.squares <= rounding) & (np.asarray(one.count) > 1)
    return flags


def standardise(
    sums: Sums,
    sizes: NDArray[np.int_],
    reference: int | None = None,
    *,
    ddof: int = 0,
    estimator: EffectEstimator = LEAST_SQUARES,
) -> Standardisation:
    """Fit site means and covariate effects together, and the pooled residual variance.

    The site intercepts are eliminated first (the within-site or fixed-effects estimator), which
    leaves a q x q system whatever the number of sites. The variance divides by the number of
    cases, not by the degrees of freedom, as in sva; where cells are missing, sva takes one off
    (``ddof``). It is 0 where covariates explain a feature wholly.

    Parameters
    ----------
    sums : sequence of SiteSums or of MissingSums, of length k
    sizes : ndarray of int, shape (k,)
        Cases of each site, which weigh its mean in the grand mean.
    reference : int, optional
        Position of the reference site.
    ddof : int
    estimator : EffectEstimator
        Of the covariate effects.
    """
    gram: Array = np.sum([one.gram for one in sums], axis=0)
    cross: Array = np.sum([one.cross for one in sums], axis=0)
    within: Array = np.sum([one.squares for one in sums], axis=0)
    counts = site_counts(sums)
    effects = estimator.effects(gram, cross, within, counts.sum(axis=0), len(sums))
    scatter = np.stack([one.residual_scatter(effects) for one in sums])
    if reference is None:
        intercepts = np.stack([one.mean_residual(np.zeros(1), effects) for one in sums])
        grand = sizes / sizes.sum() @ intercepts
        variance = scatter.sum(axis=0) / np.maximum(counts.sum(axis=0) - ddof, 1)
    else:
        grand = sums[reference].mean_residual(np.zeros(1), effects)
        variance = scatter[reference] / np.maximum(counts[reference] - ddof, 1)
    variance[variance * counts.sum(axis=0) <= EXPLAINED_SHARE * within] = 0.0
    return Standardisation(grand, effects, np.sqrt(variance))


def site_counts(sums: Sums) -> Array:
    """Return the cases of each site, shape (k, 1), or (k, p) where cells are missing."""
    return np.array([np.atleast_1d(one.count) for one in sums], dtype=np.float64)


def site_location_scale(
    sums: Sums, standard: Standardisation, *, mean_only: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Return location, scale and sum of squares of the standardised residuals, each (k, p).

    The location is their mean in the site, the scale their variance (divisor n - 1), or 1 at the
    sites, shape (k,), where only the mean is corrected. Standard deviations must not be 0.
    """
    sd, effects = standard.pooled_sd, standard.coefficients
    location = np.stack([one.mean_residual(standard.grand_mean, effects) / sd for one in sums])
    scatter = np.stack([one.residual_scatter(effects) / sd**2 for one in sums])
    counts = site_counts(sums)
    squares = scatter + counts * location**2
    scale = np.where(mean_only[:, None], 1.0, scatter / np.maximum(counts - 1, 1))
    return location, scale, squares
