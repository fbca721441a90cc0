"""Normal equations with a penalty, in the coordinates in which both are diagonal.

For G = X'X and a penalty S there is a basis T with T'GT = diag(g) and T'ST = diag(s) (Demmler and
Reinsch 1975; Wood 2017, section 5.4.2). Then (G + lambda S)^-1 c = T diag(1 / (g + lambda s)) T'c
for every lambda at once: one decomposition serves all features and all smoothing parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RANK_TOLERANCE = 1e-11
# Of a sum of squares, what is rounding once everything is explained.
EXPLAINED_SHARE = 1e-13
# How far the least and the most shrunk direction may be shrunk away, or left as it is.
SHRINKAGE_BOUND = 1e-8
# Features at a time: keeps what is worked on within the processor's cache.
BLOCK = 4096


@dataclass(frozen=True)
class Diagonalised:
    """The r directions that data or penalty determine.

    Parameters
    ----------
    basis : ndarray, shape (q, r)
        T.
    data, penalty : ndarray, shape (r,)
        g and s, with g + tau s = 1 for one tau. s is exactly 0 in unpenalised directions.
    """

    basis: Array
    data: Array
    penalty: Array

    @property
    def curved(self) -> NDArray[np.bool_]:
        """Directions whose shrinkage the smoothing parameter decides, shape (r,)."""
        return (self.penalty > 0) & (self.data > RANK_TOLERANCE)

    def bounds(self) -> tuple[float, float]:
        """Logarithms of the smallest and the largest smoothing parameter worth telling apart."""
        ratio = self.penalty[self.curved] / self.data[self.curved]
        if not ratio.size:
            return 0.0, 0.0
        return (
            float(np.log(SHRINKAGE_BOUND / ratio.max())),
            float(np.log(1 / (SHRINKAGE_BOUND * ratio.min()))),
        )


def penalty_rank(penalty: Array) -> int:
    """Return the rank of a penalty, shape (q, q)."""
    values = np.linalg.eigvalsh(penalty)
    return int(np.sum(values > RANK_TOLERANCE * max(values[-1], 0.0)))


def diagonalise(gram: Array, penalty: Array) -> Diagonalised:
    """Bring G and S, each (q, q) and positive semidefinite, to diagonal form together.

    G + tau S is whitened, with tau making both equally large where S acts; columns are brought to
    unit length first, so that their units play no part. Directions in which both vanish are left
    out.
    """
    bent = np.diag(penalty) > 0
    tau = np.trace(gram[np.ix_(bent, bent)]) / np.trace(penalty)
    both = gram + tau * penalty
    length = np.sqrt(np.diag(both))
    unit = np.where(length > 0, 1 / np.where(length > 0, length, 1.0), 0.0)
    values, vectors = np.linalg.eigh(both * unit[:, None] * unit)
    kept = values > RANK_TOLERANCE * values[-1]
    white = unit[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    data, turn = np.linalg.eigh(white.T @ gram @ white)
    data = np.clip(data, 0.0, 1.0)
    n_penalised = min(penalty_rank(penalty), len(data))
    # eigh sorts upward, and what is not penalised is all data: g = 1.
    penalised = np.arange(len(data)) < n_penalised
    return Diagonalised(
        white @ turn, np.where(penalised, data, 1.0), np.where(penalised, (1 - data) / tau, 0.0)
    )


def to_unit_squares(cross: Array, squares: Array) -> Array:
    """Return X'y for features of unit sum of squares, shape (q, p).

    A feature that does not vary becomes one with nothing but residual, so that every criterion
    stays finite and takes its curved part for noise.
    """
    varies = squares > 0
    return np.where(varies, cross / np.sqrt(np.where(varies, squares, 1.0)), 0.0)


def explained(system: Diagonalised, cross: Array) -> tuple[Array, Array]:
    """Return the share of squares each direction explains, (r, p), and what none explains, (p,).

    ``cross`` is that of features of unit sum of squares.
    """
    known = system.data > RANK_TOLERANCE
    shares = (system.basis.T @ cross) ** 2 / np.where(known, system.data, 1.0)[:, None]
    shares[~known] = 0.0
    return shares, np.maximum(1 - shares.sum(axis=0), EXPLAINED_SHARE)
