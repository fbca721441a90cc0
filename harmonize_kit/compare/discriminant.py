"""Linear discriminant analysis with equal priors, for many data sets of one layout at once."""

from __future__ import annotations

from typing import cast

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, indicators


def discriminants(train: Floats, codes: Ints, test: Floats, shrinkage: float) -> Floats:
    """Learn from ``train`` and return the linear discriminants of each case of ``test``.

    They are the logarithms of the posterior probabilities of the classes, but for a summand that
    all classes of a case share.

    The pooled within-class covariance comes from two products, ``X'X - sum n_k m_k m_k'``, which
    is why a permutation costs little. It is shrunk toward the identity scaled by its mean
    variance, (1 - s) W + s tr(W)/r I (Friedman 1989, JASA 84:165), so that it can be inverted
    whatever the number of columns. Priors are equal, as balanced accuracy counts sites equally.

    Parameters
    ----------
    train : ndarray, shape (b, n_train, r)
        ``b`` data sets with the same class at the same position.
    codes : ndarray of int, shape (n_train,)
        Every class occurs.
    test : ndarray, shape (b, n_test, r)
    shrinkage : float
        s above, in (0, 1].

    Returns
    -------
    ndarray, shape (b, n_test, k)
        Classes in ascending order of their codes.
    """
    classes, positions = np.unique(codes, return_inverse=True)
    member = indicators(positions.astype(np.intp), len(classes))  # (n_train, k)
    counts = member.sum(axis=0)
    centre = train.mean(axis=1, keepdims=True)
    train, test = train - centre, test - centre
    means = (member / counts).T @ train  # (b, k, r)
    return discriminants_from_sums(train.swapaxes(1, 2) @ train, means, counts, test, shrinkage)


def discriminants_from_sums(
    square: Floats, means: Floats, counts: Floats, test: Floats, shrinkage: float
) -> Floats:
    """Return :func:`discriminants` of training cases that are known by their sums.

    Parameters
    ----------
    square : ndarray, shape (b, r, r)
        Products of the training cases about their mean, summed.
    means : ndarray, shape (b, k, r)
        Of the classes, about the same mean.
    counts : ndarray, shape (k,)
        Cases of the classes.
    test : ndarray, shape (b, n_test, r)
        About the same mean.
    shrinkage : float

    Returns
    -------
    ndarray, shape (b, n_test, k)
    """
    r = square.shape[-1]
    scatter = square - (means * counts[:, None]).swapaxes(1, 2) @ means
    within = scatter / max(int(counts.sum()) - len(counts), 1)  # (b, r, r)
    variance = np.trace(within, axis1=1, axis2=2) / max(r, 1)
    variance = np.where(variance > 0, variance, 1.0)
    within *= 1 - shrinkage
    within[:, range(r), range(r)] += shrinkage * variance[:, None]
    columns = means.swapaxes(1, 2)  # (b, r, k)
    directions = cast(Floats, np.linalg.solve(within, columns))
    offsets = -0.5 * np.sum(columns * directions, axis=1)  # (b, k)
    return test @ directions + offsets[:, None, :]
