"""Whether the effects of biology are what they are within sites, where no site can distort them.

Within a site all cases share one scanner, so the slope of a feature on age there is free of any
site effect; pooled over sites with the inverse of its variance (a fixed-effect meta-analysis,
Hedges and Olkin 1985) it is an unbiased target that needs no ground truth and no harmonization. A
harmonized table is made to be analysed as one sample: so its effects are estimated there without
site in the model, and held against the target. Site effects that are left, or biology that was
taken out with them, move one from the other. So does, a little, a course that is not straight where
sites differ in age, since lines through parts of it differ: the distance of curves
(:mod:`harmonize_kit.compare.covariate_curves`) is free of that.

Effects are in units of the residual standard deviation, so neither the unit of a feature nor a
common change of scale matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Floats
from harmonize_kit.compare.slopes import CentredSums, slopes

# A variance from fewer residuals is too uncertain to weigh a site by.
LEAST_FREEDOM = 5


@dataclass(frozen=True)
class EffectAgreement:
    """Agreement of effects across features; each shape (b,).

    Effects are compared about zero, so that the sign a feature happens to have does not matter.
    With a those of the candidate and t the target:

    Parameters
    ----------
    concordance : ndarray
        ``2 a't / (a'a + t't)``: 1 only where every effect is kept in sign and size (Lin's
        coefficient, 1989, Biometrics 45:255, about zero instead of the means).
    slope : ndarray
        ``a't / t't``: 1 where effects are kept, below where they are lost, above where they are
        exaggerated.
    correlation : ndarray
        ``a't / sqrt(a'a t't)``: whether the pattern over features is kept, whatever its size.
    """

    concordance: Floats
    slope: Floats
    correlation: Floats


def within_site_effects(sums: CentredSums) -> Floats:
    """Return the pooled within-site effects, shape (b, d, p); NaN where no site can tell one.

    In each site the feature is regressed on all covariates that vary there. Sites with fewer than
    five residual degrees of freedom take no part, nor those where a covariate cannot be told from
    the others, or where the feature is fitted without residual.

    Parameters
    ----------
    sums : CentredSums
        Of each site about its own mean.
    """
    fits = slopes(sums)
    enough = (fits.freedom >= LEAST_FREEDOM)[..., None]
    residual = np.where(enough, fits.residual, 0.0)  # (b, k, p)
    variance = residual / np.maximum(fits.freedom, 1.0)[..., None]
    unscaled = np.where(np.isfinite(fits.unscaled), fits.unscaled, 0.0)
    spread = unscaled[..., None] * variance[:, :, None, :]  # (b, k, d, p)
    told = (residual > 1e-10 * sums.square)[:, :, None, :] & np.isfinite(fits.value)
    weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=told & (spread > 0))
    total = weight.sum(axis=1)
    summed = np.sum(weight * np.where(told, fits.value, 0.0), axis=1)
    pooled = np.divide(summed, total, out=np.full_like(total, np.nan), where=total > 0)
    freedom = np.sum(np.where(enough[..., 0], fits.freedom, 0.0), axis=1)
    return in_residual_sd(pooled, residual.sum(axis=1), freedom)


def pooled_effects(sums: CentredSums) -> Floats:
    """Return the effects in all cases as one sample, without site, shape (b, d, p).

    Parameters
    ----------
    sums : CentredSums
        Of all cases about the mean of all.
    """
    fits = slopes(sums)
    return in_residual_sd(fits.value, fits.residual, fits.freedom)


def in_residual_sd(value: Floats, residual: Floats, freedom: Floats) -> Floats:
    """Return slopes (b, d, p) over the residual SD; a feature without variation has no effect."""
    scale = np.sqrt(residual / np.maximum(freedom, 1.0)[:, None])[:, None, :]  # (b, 1, p)
    return np.divide(value, scale, out=np.zeros_like(value), where=scale > 1e-10)


def agreement(effects: Floats, target: Floats) -> EffectAgreement:
    """Return how far effects agree with the target across features.

    Parameters
    ----------
    effects, target : ndarray, shape (b, ...)
        Of one covariate: all its levels and all features. What the target does not know (NaN)
        is left out; an effect that is not there counts as zero.
    """
    known = np.isfinite(target)
    a = np.where(known & np.isfinite(effects), effects, 0.0)
    t = np.where(known, target, 0.0)
    axes = tuple(range(1, t.ndim))
    both, own, aim = (np.sum(part, axis=axes) for part in (a * t, a**2, t**2))

    def ratio(top: Floats, bottom: Floats) -> Floats:
        return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)

    return EffectAgreement(
        ratio(2 * both, own + aim), ratio(both, aim), ratio(both, np.sqrt(own * aim))
    )
