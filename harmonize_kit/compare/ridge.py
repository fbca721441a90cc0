"""Ridge regression of many targets at once, each with its own penalty."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, column_scale

PENALTIES = np.logspace(-3, 3, 13)


def predict_ridge(train: Floats, targets: Floats, test: Floats) -> Floats:
    """Learn each target from the training cases and return its deviation for the held-out ones.

    Features are standardised on the training cases. The penalty of each target is the one of
    ``n * PENALTIES`` with the least generalised cross-validation error (Golub, Heath and Wahba
    1979, Technometrics 21:215), found on the training cases alone. One singular value
    decomposition serves all targets, so a permuted target costs two small products.

    Parameters
    ----------
    train : ndarray, shape (n, p)
    targets : ndarray, shape (n, m)
    test : ndarray, shape (n_test, p)

    Returns
    -------
    ndarray, shape (n_test, m)
        Predictions less the training mean of the target. For ranking, the mean is best left out:
        it moves against the held-out fold's own mean and so would bias pooled ranks downward.
    """
    mean, scale = column_scale(train)
    left, singular, right = np.linalg.svd((train - mean) / scale, full_matrices=False)
    kept = singular > 1e-9 * max(float(singular[0]), 1e-300)
    left, singular, right = left[:, kept], singular[kept], right[kept]
    centred = targets - targets.mean(axis=0)
    along = left.T @ centred  # (rank, m)
    penalties = len(train) * PENALTIES
    shrink = singular**2 / (singular**2 + penalties[:, None])  # (n_penalties, rank)
    # Residual sum of squares without the residuals: ||y||^2 - sum (2 d - d^2) (u'y)^2.
    error = np.sum(centred**2, axis=0) - (2 * shrink - shrink**2) @ along**2
    freedom = len(train) - 1 - shrink.sum(axis=1)
    criterion = error / np.maximum(freedom, 1e-9)[:, None] ** 2
    chosen = shrink[np.argmin(criterion, axis=0)].T / singular[:, None]  # (rank, m)
    return ((test - mean) / scale) @ right.T @ (chosen * along)
