"""Ridge regression of many targets at once, each with its own penalty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harmonize_kit.compare.arrays import Floats
from harmonize_kit.compare.standardised import Standardised

PENALTIES = np.logspace(-3, 3, 13)
# Singular values below this share of the largest are rounding: their squares come from a product.
RANK = 1e-7


class RidgeModel(NamedTuple):
    """Ridge regressions of m targets.

    Parameters
    ----------
    mean, scale : ndarray, shape (p,)
        Of the features in training.
    coefficients : ndarray, shape (p, m)
    penalty : ndarray, shape (m,)
        Out of :data:`PENALTIES`.
    """

    mean: Floats
    scale: Floats
    coefficients: Floats
    penalty: Floats

    def predict(self, values: Floats) -> Floats:
        """Return predictions less the training mean of the target, shape (n, m).

        For ranking, the mean of a target is best left out: it moves against the held-out fold's
        own mean and so would bias pooled ranks downward.
        """
        return ((values - self.mean) / self.scale) @ self.coefficients


def fit_ridge(table: Standardised, targets: Floats) -> RidgeModel:
    """Learn each target from the training cases, with a penalty of its own.

    The penalty of each target is the one of
    ``n * PENALTIES`` with the least generalised cross-validation error (Golub, Heath and Wahba
    1979, Technometrics 21:215), found on the training cases alone. One spectral decomposition, of
    the smaller of X'X and XX', serves all targets, so a permuted target costs two small products.

    Parameters
    ----------
    table : Standardised
    targets : ndarray, shape (n_train, m)
        Of the training cases.
    """
    centred = targets - targets.mean(axis=0)
    size, along, back = _spectrum(table, centred)
    penalties = len(targets) * PENALTIES
    shrink = size**2 / (size**2 + penalties[:, None])  # (n_penalties, rank)
    # Residual sum of squares without the residuals: ||y||^2 - sum (2 d - d^2) (u'y)^2.
    error = np.sum(centred**2, axis=0) - (2 * shrink - shrink**2) @ along**2
    freedom = len(targets) - 1 - shrink.sum(axis=1)
    best = np.argmin(error / np.maximum(freedom, 1e-9)[:, None] ** 2, axis=0)
    coefficients = back @ (shrink[best].T / size[:, None] * along)
    return RidgeModel(table.mean, table.scale, coefficients, PENALTIES[best])


def _spectrum(table: Standardised, targets: Floats) -> tuple[Floats, Floats, Floats]:
    """Return singular values (rank,), targets along the left vectors (rank, m), right vectors."""
    x = table.train
    square, vectors = _leading(table.product)
    if table.wide:
        return np.sqrt(square), vectors.T @ targets, x.T @ (vectors / np.sqrt(square))
    return np.sqrt(square), vectors.T @ (x.T @ targets) / np.sqrt(square)[:, None], vectors


def _leading(product: Floats) -> tuple[Floats, Floats]:
    eigenvalues, vectors = np.linalg.eigh(product)
    kept = eigenvalues > RANK**2 * max(float(eigenvalues[-1]), 1e-300)
    return eigenvalues[kept], vectors[:, kept]
