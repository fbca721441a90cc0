"""The covariate effects of all features from sums within sites: least squares, or penalised."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.penalised_system import penalty_rank
from harmonize_kit.combat.smoothing import Criterion, choose_smoothing, penalised_coefficients

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EffectEstimator:
    """How covariate effects are estimated.

    Parameters
    ----------
    penalties : ndarray, shape (t, q, q)
        One for each smooth covariate; none, and the effects are those of least squares.
    criterion : {"reml", "gcv"}
        By which the smoothing parameters are chosen.
    lambdas : ndarray, shape (t, p), optional
        Smoothing parameters of p features, where they were chosen beforehand.
    """

    penalties: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    criterion: Criterion = "reml"
    lambdas: Array | None = None

    def of(self, columns: NDArray[np.int_]) -> EffectEstimator:
        """Return the same for some of the features."""
        if self.lambdas is None:
            return self
        return replace(self, lambdas=self.lambdas[:, columns])

    def effects(
        self, gram: Array, cross: Array, squares: Array, counts: Array, n_sites: int
    ) -> Array:
        """Return the effects, shape (q, p), of one design or of one for each feature.

        Parameters
        ----------
        gram : ndarray, shape (q, q) or (p, q, q)
            Products of the design columns within sites.
        cross : ndarray, shape (q, p)
        squares : ndarray, shape (p,)
        counts : ndarray, shape (1,) or (p,)
            Cases behind them.
        n_sites : int
        """
        if gram.ndim == 2:
            return self._solve(gram, cross, squares, int(counts[0]), n_sites)
        if not len(self.penalties):
            solved = np.linalg.solve(gram, cross.T[:, :, None])[:, :, 0]
            return np.ascontiguousarray(solved.T, dtype=np.float64)
        found = [
            self._solve(gram[j], cross[:, j : j + 1], squares[j : j + 1], int(counts[j]), n_sites)
            for j in range(len(gram))
        ]
        return np.hstack(found)

    def _solve(self, gram: Array, cross: Array, squares: Array, count: int, n_sites: int) -> Array:
        if not len(self.penalties):
            return np.linalg.solve(gram, cross).astype(np.float64, copy=False)
        chosen = self.lambdas
        if chosen is None:
            chosen = choose_smoothing(
                gram, cross, squares, count, n_sites, self.penalties, self.criterion
            )
        return penalised_coefficients(gram, cross, self.penalties, chosen)

    def unpenalised(self, columns: int) -> int:
        """Return how many of so many design columns no penalty acts on."""
        return columns - sum(penalty_rank(penalty) for penalty in self.penalties)

    def steadied(self, gram: Array) -> Array:
        """Return products (p, q, q) with a penalty of the size of the data where one acts."""
        for penalty in self.penalties:
            bent = np.flatnonzero(np.diag(penalty) > 0)
            size = gram[:, bent, bent].sum(axis=1) / np.trace(penalty)
            gram = gram + size[:, None, None] * penalty
        return gram
