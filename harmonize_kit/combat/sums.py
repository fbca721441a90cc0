"""Sums per site from which every linear member of the ComBat family follows.

For a site with design rows [1 | X] and features Y, the sums n, X'1, X'X, 1'Y, X'Y and diag(Y'Y)
determine the least-squares fit, the residual variances, and the location and scale of the site.
They add up over rows, so the fit in memory, by blocks, over a cluster or across hospitals is one
algorithm (Chen et al. 2022, NeuroImage 248:118822).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SiteSums:
    """Sums over the cases of one site.

    Features are taken about a common ``shift`` before they are squared: a feature of mean 1e6 and
    standard deviation 1 would lose its variance to cancellation otherwise.

    Parameters
    ----------
    count : int
        Cases of the site.
    gram : ndarray, shape (1 + q, 1 + q)
        Products of the design columns, the first being ones.
    cross : ndarray, shape (1 + q, p)
        Products of design columns and shifted features.
    squares : ndarray, shape (p,)
        Sums of squares of the shifted features.
    """

    count: int
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    squares: NDArray[np.float64]

    def __add__(self, other: SiteSums) -> SiteSums:
        """Return the sums over the cases of both."""
        return SiteSums(
            self.count + other.count,
            self.gram + other.gram,
            self.cross + other.cross,
            self.squares + other.squares,
        )

    @property
    def total(self) -> NDArray[np.float64]:
        """Sum of each shifted feature, shape (p,)."""
        return self.cross[0]

    def scatter(self) -> NDArray[np.float64]:
        """Return the sum of squared deviations from the site mean, shape (p,)."""
        return np.maximum(self.squares - self.total**2 / self.count, 0.0)

    def residual_squares(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of squares of Y - [1 | X] B, shape (p,), for B of shape (1 + q, p)."""
        fitted = np.einsum("ij,ij->j", coefficients, self.gram @ coefficients)
        crossed = np.einsum("ij,ij->j", coefficients, self.cross)
        return np.maximum(self.squares - 2 * crossed + fitted, 0.0)

    def residual_total(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of Y - [1 | X] B, shape (p,), for B of shape (1 + q, p)."""
        return self.total - self.gram[0] @ coefficients


def sum_by_site(
    sites: NDArray[np.int_],
    n_sites: int,
    covariates: NDArray[np.float64],
    features: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> list[SiteSums]:
    """Return the sums of each site.

    Parameters
    ----------
    sites : ndarray of int, shape (n,)
        Site code of each case, from 0.
    n_sites : int
    covariates : ndarray, shape (n, q)
        Design columns without intercept.
    features : ndarray, shape (n, p)
    shift : ndarray, shape (p,)
        What is taken off each feature first, about its mean.
    """
    design = np.hstack([np.ones((len(sites), 1)), covariates])
    sums: list[SiteSums] = []
    for code in range(n_sites):
        rows = np.flatnonzero(sites == code)
        x, y = design[rows], features[rows] - shift
        sums.append(SiteSums(len(rows), x.T @ x, x.T @ y, np.einsum("ij,ij->j", y, y)))
    return sums
