"""Features with the covariates taken out, as they are and under permutation.

Sites that scan older people differ in more than their scanner. Every comparison of sites here is
made on what the covariates leave, and the slopes of the covariates are learned within sites (a
model of site and covariates of which the covariate part alone is subtracted), so that no site
difference is taken for biology.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import linalg

from harmonize_kit.compare.arrays import Floats, Ints, column_scale, indicators, orthonormal


@dataclass(frozen=True)
class Residuals:
    """Standardised features after the covariates.

    Parameters
    ----------
    reduced : ndarray, shape (n, p)
        Residuals of a model of the covariates alone, which are exchangeable where site does
        nothing.
    covariates : ndarray, shape (n, d)
        Standardised columns.
    slopes : ndarray, shape (d, n)
        Maps features to their within-site slopes.
    """

    reduced: Floats
    covariates: Floats
    slopes: Floats

    def adjusted(self, order: Ints | None = None) -> Floats:
        """Return features less covariates times within-site slopes, shape (n, p).

        With ``order``, shape (n,), Freedman and Lane's permutation (1983; Winkler et al. 2014,
        NeuroImage 92:381): residuals are permuted and slopes learned anew, since where biology
        differs between sites the error of a slope is itself a site difference, and a permutation
        of labels alone would miss it. What the covariates explain need not be added back, as the
        slopes would take it out again.
        """
        values = self.reduced if order is None else self.reduced[order]
        if not self.covariates.shape[1]:
            return values
        return values - self.covariates @ (self.slopes @ values)

    def project(self, axes: Floats) -> Residuals:
        """Return the same in coordinates along ``axes``, shape (p, r)."""
        return Residuals(self.reduced @ axes, self.covariates, self.slopes)

    def choose(self, most: int) -> Residuals:
        """Return the same with at most ``most`` features, evenly spread over the columns."""
        p = self.reduced.shape[1]
        if p <= most:
            return self
        columns = np.arange(most) * (p - 1) // max(most - 1, 1)
        return Residuals(self.reduced[:, columns], self.covariates, self.slopes)


def residuals(values: Floats, site: Ints, covariates: Floats) -> Residuals:
    """Standardise features and take the covariates out.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        A constant column becomes zero.
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
        Without intercept; d may be 0.
    """
    mean, scale = column_scale(values)
    standard = (values - mean) / scale
    cov_mean, cov_scale = column_scale(covariates)
    columns = (covariates - cov_mean) / cov_scale
    rest = orthonormal(np.hstack([np.ones((len(site), 1)), columns]))
    sites = indicators(site, int(site.max()) + 1)
    sites = sites[:, sites.any(axis=0)]
    within = np.asarray(np.linalg.pinv(np.hstack([sites, columns]), rcond=1e-9), dtype=np.float64)
    reduced = standard - rest @ (rest.T @ standard)
    return Residuals(reduced, columns, within[sites.shape[1] :])


def leading_axes(values: Floats, most: int) -> Floats:
    """Return the leading principal axes of the columns, shape (p, r).

    Parameters
    ----------
    values : ndarray, shape (n, p)
    most : int
        Most axes; those without variance are left out.
    """
    centred = values - values.mean(axis=0)
    n, p = centred.shape
    if p <= n:
        return axes_of_products(centred.T @ centred, most)
    variances, vectors = _leading(centred @ centred.T, most)
    return _signed(centred.T @ (vectors / np.sqrt(np.maximum(variances, 1e-300))), variances)


def axes_of_products(product: Floats, most: int) -> Floats:
    """Return :func:`leading_axes` of features whose products about the mean are known, (p, p)."""
    variances, vectors = _leading(product, most)
    return _signed(vectors, variances)


def _leading(product: Floats, most: int) -> tuple[Floats, Floats]:
    """Return the leading eigenvalues, largest first, and their vectors as columns."""
    size = len(product)
    # The tridiagonal form is that of all axes, but only those asked for are turned back.
    found = cast(Any, linalg.eigh)(
        product, subset_by_index=[max(size - most, 0), size - 1], driver="evr", overwrite_a=True,
        check_finite=False,
    )  # fmt: skip
    return (
        np.asarray(found[0][::-1], dtype=np.float64),
        np.asarray(found[1][:, ::-1], dtype=np.float64),
    )


def _signed(axes: Floats, variances: Floats) -> Floats:
    """Return the axes that have variance, each with its largest entry positive."""
    kept = int(np.sum(variances > 1e-12 * max(float(variances[0]), 1e-300)))
    signs = np.sign(axes[np.argmax(np.abs(axes), axis=0), range(axes.shape[1])])
    return np.ascontiguousarray((axes * signs)[:, :kept])
