"""Slopes of the features on the covariates: in each site, with a level for each, or in all as one.

The three models rest on the same sums of each site; they differ in the mean that is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harmonize_kit.compare.arrays import Floats
from harmonize_kit.compare.moments import Moments

USABLE = 1e-9


@dataclass(frozen=True)
class CentredSums:
    """Sums of squares and products about a mean, in ``b`` draws (and, where apart, k sites).

    Parameters
    ----------
    count : ndarray, shape (b, ...)
        Cases.
    means : ndarray, shape (b, ...)
        Means that were taken out.
    gram : ndarray, shape (b, ..., d, d)
        Of the covariates.
    cross : ndarray, shape (b, ..., d, p)
        Of covariates and features.
    square : ndarray, shape (b, ..., p)
        Of the features.
    """

    count: Floats
    means: Floats
    gram: Floats
    cross: Floats
    square: Floats

    def pooled(self) -> CentredSums:
        """Return the sums over sites, each about its own mean; shapes (b, ...)."""
        parts = (self.count, self.means, self.gram, self.cross, self.square)
        return CentredSums(*(part.sum(axis=1) for part in parts))

    def only(self, columns: Sequence[int]) -> CentredSums:
        """Return the sums of a model with these covariates alone."""
        kept = list(columns)
        gram = self.gram[..., kept, :][..., kept]
        return replace(self, gram=gram, cross=self.cross[..., kept, :])


@dataclass(frozen=True)
class Slopes:
    """Least-squares slopes.

    Parameters
    ----------
    value : ndarray, shape (b, ..., d, p)
        NaN where a slope cannot be told from the others.
    unscaled : ndarray, shape (b, ..., d)
        Variance of each slope over that of the residual; inf where there is no slope.
    residual : ndarray, shape (b, ..., p)
        Sum of squares about the fit.
    freedom : ndarray, shape (b, ...)
        Cases less means and slopes.
    """

    value: Floats
    unscaled: Floats
    residual: Floats
    freedom: Floats


def by_site(moments: Moments) -> CentredSums:
    """Return the sums of each site about its own mean, shapes (b, k, ...)."""
    return _centred(
        moments.count, moments.covariate, moments.covariate_square, moments.value,
        moments.value_square, moments.product,
    )  # fmt: skip


def overall(moments: Moments) -> CentredSums:
    """Return the sums of all cases about the mean of all, shapes (b, ...)."""
    return _centred(
        *(part.sum(axis=1) for part in (
            moments.count, moments.covariate, moments.covariate_square, moments.value,
            moments.value_square, moments.product,
        ))
    )  # fmt: skip


def slopes(sums: CentredSums) -> Slopes:
    """Return the slopes that these sums can tell."""
    eigenvalues, vectors = np.linalg.eigh(sums.gram)
    usable = eigenvalues > USABLE * np.maximum(eigenvalues[..., -1:], 1e-300)
    inverse = np.divide(1.0, eigenvalues, out=np.zeros_like(eigenvalues), where=usable)
    turned = vectors.swapaxes(-1, -2) @ sums.cross
    value = vectors @ (inverse[..., None] * turned)
    unscaled = np.sum(vectors**2 * inverse[..., None, :], axis=-1)
    told = np.sum(vectors**2 * usable[..., None, :], axis=-1) > 1 - 1e-6
    residual = np.maximum(sums.square - np.sum(value * sums.cross, axis=-2), 0.0)
    return Slopes(
        np.where(told[..., None], value, np.nan),
        np.where(told, unscaled, np.inf),
        residual,
        sums.count - sums.means - usable.sum(axis=-1),
    )


def _centred(
    count: Floats, covariate: Floats, square: Floats, value: Floats, total: Floats, product: Floats
) -> CentredSums:
    """Take the mean out of sums about zero."""
    over = 1 / np.maximum(count, 1.0)
    along = covariate[..., :, None]  # (..., d, 1)
    return CentredSums(
        count,
        np.ones_like(count),
        square - over[..., None, None] * along * covariate[..., None, :],
        product - over[..., None, None] * along * value[..., None, :],
        np.maximum(total - over[..., None] * value**2, 0.0),
    )
