"""Ridge regression of many targets at once, each with its own penalty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harmonize_kit.compare.arrays import Floats, column_scale

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


def fit_ridge(train: Floats, targets: Floats) -> RidgeModel:
    """Learn each target from the training cases, with a penalty of its own.

    Features are standardised on the training cases. The penalty of each target is the one of
    ``n * PENALTIES`` with the least generalised cross-validation error (Golub, Heath and Wahba
    1979, Technometrics 21:215), found on the training cases alone. One spectral decomposition, of
    the smaller of X'X and XX', serves all targets, so a permuted target costs two small products.

    Parameters
    ----------
    train : ndarray, shape (n, p)
    targets : ndarray, shape (n, m)
    """
    mean, scale = column_scale(train)
    x = (train - mean) / scale
    centred = targets - targets.mean(axis=0)
    size, along, back = _spectrum(x, centred)
    penalties = len(train) * PENALTIES
    shrink = size**2 / (size**2 + penalties[:, None])  # (n_penalties, rank)
    # Residual sum of squares without the residuals: ||y||^2 - sum (2 d - d^2) (u'y)^2.
    error = np.sum(centred**2, axis=0) - (2 * shrink - shrink**2) @ along**2
    freedom = len(train) - 1 - shrink.sum(axis=1)
    best = np.argmin(error / np.maximum(freedom, 1e-9)[:, None] ** 2, axis=0)
    coefficients = back @ (shrink[best].T / size[:, None] * along)
    return RidgeModel(mean, scale, coefficients, PENALTIES[best])


def _spectrum(x: Floats, targets: Floats) -> tuple[Floats, Floats, Floats]:
    """Return singular values (rank,), targets along the left vectors (rank, m), right vectors."""
    if x.shape[0] < x.shape[1]:
        square, left = _leading(x @ x.T)
        return np.sqrt(square), left.T @ targets, x.T @ (left / np.sqrt(square))
    square, right = _leading(x.T @ x)
    return np.sqrt(square), right.T @ (x.T @ targets) / np.sqrt(square)[:, None], right


def _leading(product: Floats) -> tuple[Floats, Floats]:
    eigenvalues, vectors = np.linalg.eigh(product)
    kept = eigenvalues > RANK**2 * max(float(eigenvalues[-1]), 1e-300)
    return eigenvalues[kept], vectors[:, kept]
