"""REML for several smooth terms: a Newton iteration over all features side by side.

With A = G + sum_t lambda_t S_t, b = A^-1 c and rho_t = log lambda_t, the criterion
nu log D + log|A| - sum r_t rho_t, D = y'y - c'b, has the derivatives of Wood 2011 (J R Stat Soc B
73:3), in closed form for a Gaussian response:

- dD/drho_t = lambda_t b' S_t b, and d log|A| / drho_t = lambda_t tr(A^-1 S_t)
- the second derivatives subtract 2 lambda_t lambda_u b' S_t A^-1 S_u b, and
  lambda_t lambda_u tr(A^-1 S_t A^-1 S_u), from the first on the diagonal.

Each term is brought to the coordinates in which its own penalty and data are diagonal. A is then
graded along its diagonal only and, with that taken out, as well conditioned as the data, even
where one lambda is 1e16 times another. The start is the best point of a grid whose factorisations
serve all features, so the result depends on neither chance nor order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.penalised_system import EXPLAINED_SHARE, RANK_TOLERANCE, diagonalise

Array = NDArray[np.float64]

GRID_POINTS = 256  # over all terms together
MAX_ITERATIONS = 100
MAX_STEP = 4.0  # in log lambda
SLOPE_TOLERANCE = 1e-9
BLOCK = 1024


def choose_additive(gram: Array, cross: Array, degrees: int, penalties: Array) -> Array:
    """Return the REML smoothing parameters, shape (t, p), for t terms.

    Parameters
    ----------
    gram : ndarray, shape (q, q)
    cross : ndarray, shape (q, p)
        Of features of unit sum of squares.
    degrees : int
        Cases less unpenalised parameters.
    penalties : ndarray, shape (t, q, q)
        Each term has columns of its own.
    """
    system = _grade(gram, penalties)
    turned = system.basis.T @ cross
    chosen = np.empty((len(penalties), cross.shape[1]))
    for start in range(0, cross.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        reml = _Reml(system, turned[:, part], degrees)
        chosen[:, part] = _descend(reml, _best_of_grid(reml))
    return np.exp(chosen)


def additive_coefficients(gram: Array, cross: Array, penalties: Array, lambdas: Array) -> Array:
    """Return (G + sum_t lambda_t S_t)^-1 c of every feature, shape (q, p)."""
    system = _grade(gram, penalties)
    turned = system.basis.T @ cross
    effects = np.empty_like(turned)
    for start in range(0, cross.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        inverse, _ = system.solve(lambdas[:, part])
        effects[:, part] = np.einsum("pij,jp->ip", inverse, turned[:, part])
    return system.basis @ effects


@dataclass(frozen=True)
class _Graded:
    """G and the penalties in coordinates that make each penalty a diagonal.

    ``basis`` (q, r), ``gram`` (r, r), ``penalties`` (t, r) the diagonals, and ``bounds`` (t, 2) of
    log lambda.
    """

    basis: Array
    gram: Array
    penalties: Array
    bounds: Array

    def solve(self, lambdas: Array) -> tuple[Array, Array]:
        """Return A^-1, shape (k, r, r), and log|A|, shape (k,), for ``lambdas`` (t, k)."""
        grown = lambdas.T @ self.penalties
        size = 1 / np.sqrt(np.diag(self.gram) + grown)
        scaled = self.gram * size[:, :, None] * size[:, None, :]
        index = np.arange(len(self.gram))
        scaled[:, index, index] = 1.0
        root = np.linalg.cholesky(scaled)
        logarithm = 2 * (np.log(root[:, index, index]) - np.log(size)).sum(axis=1)
        return np.linalg.inv(scaled) * size[:, :, None] * size[:, None, :], logarithm


def _grade(gram: Array, penalties: Array) -> _Graded:
    n_columns = len(gram)
    bent = np.array([np.diag(penalty) > 0 for penalty in penalties])
    straight = np.flatnonzero(~bent.any(axis=0) & (np.diag(gram) > 0))
    parts = [np.eye(n_columns)[:, straight] / np.sqrt(np.diag(gram)[straight])]
    diagonals = [np.zeros((len(penalties), len(straight)))]
    bounds: list[tuple[float, float]] = []
    for term, columns in enumerate(bent):
        own = np.ix_(columns, columns)
        system = diagonalise(gram[own], penalties[term][own])
        placed = np.zeros((n_columns, len(system.data)))
        placed[columns] = system.basis
        diagonal = np.zeros((len(penalties), len(system.data)))
        diagonal[term] = system.penalty
        parts.append(placed)
        diagonals.append(diagonal)
        bounds.append(system.bounds())
    basis, diagonal = np.concatenate(parts, axis=1), np.concatenate(diagonals, axis=1)
    turned = basis.T @ gram @ basis
    kept = _determined(turned, diagonal.sum(axis=0) > 0)
    return _Graded(basis[:, kept], turned[np.ix_(kept, kept)], diagonal[:, kept], np.array(bounds))


def _determined(gram: Array, penalised: NDArray[np.bool_]) -> list[int]:
    """Coordinates but for the unpenalised ones that are combinations of earlier such ones."""
    free: list[int] = []
    for column in np.flatnonzero(~penalised).tolist():
        beside = gram[free, column]
        left = gram[column, column] - beside @ np.linalg.solve(gram[np.ix_(free, free)], beside)
        if left > RANK_TOLERANCE * gram[column, column]:
            free.append(column)
    return sorted([*free, *np.flatnonzero(penalised).tolist()])


@dataclass(frozen=True)
class _Reml:
    """The criterion of p features of unit sum of squares."""

    system: _Graded
    cross: Array  # (r, p)
    degrees: int

    def of(self, features: NDArray[np.intp]) -> _Reml:
        return _Reml(self.system, self.cross[:, features], self.degrees)

    @property
    def ranks(self) -> Array:
        return (self.system.penalties > 0).sum(axis=1).astype(np.float64)

    def everywhere(self, rho: Array) -> Array:
        """Criterion of every feature at the same log lambdas (t,), shape (p,)."""
        inverse, logarithm = self.system.solve(np.exp(rho)[:, None])
        total = self._penalised_squares(inverse[0] @ self.cross)
        return self.degrees * np.log(total) + logarithm[0] - self.ranks @ rho

    def derivatives(self, rho: Array) -> tuple[Array, Array, Array]:
        """Criterion (p,), gradient (p, t) and Hessian (p, t, t), each feature at its own rho."""
        inverse, logarithm = self.system.solve(np.exp(rho))
        effects = np.einsum("pij,jp->pi", inverse, self.cross)
        total = self._penalised_squares(effects.T)
        penalties = np.exp(rho.T)[:, :, None] * self.system.penalties
        bent = penalties * effects[:, None, :]
        rough = np.einsum("pti,pi->pt", bent, effects) / total[:, None]
        trace = np.einsum("pti,pii->pt", penalties, inverse)
        diagonal = self.degrees * rough + trace
        pull = bent @ inverse @ bent.swapaxes(1, 2) / total[:, None, None]
        hessian = -self.degrees * (2 * pull + rough[:, :, None] * rough[:, None, :])
        hessian -= penalties @ inverse**2 @ penalties.swapaxes(1, 2)
        index = np.arange(len(rho))
        hessian[:, index, index] += diagonal
        score = self.degrees * np.log(total) + logarithm - self.ranks @ rho
        return score, diagonal - self.ranks, hessian

    def _penalised_squares(self, effects: Array) -> Array:
        """D, shape (p,); never below what is rounding."""
        return np.maximum(1 - np.einsum("ip,ip->p", self.cross, effects), EXPLAINED_SHARE)


def _best_of_grid(reml: _Reml) -> Array:
    """Log lambdas of the best grid point of each feature, shape (t, p)."""
    low, high = reml.system.bounds.T
    n_points = max(3, int(GRID_POINTS ** (1 / len(low))))
    best = np.full(reml.cross.shape[1], np.inf)
    start = np.zeros((len(low), len(best)))
    for point in product(range(n_points), repeat=len(low)):
        rho = low + (high - low) * np.array(point) / (n_points - 1)
        score = reml.everywhere(rho)
        better = score < best
        best[better] = score[better]
        start[:, better] = rho[:, None]
    return start


def _descend(reml: _Reml, rho: Array) -> Array:
    """Projected Newton descent from ``rho`` (t, p): a step that does not descend is halved."""
    rho = rho.copy()
    low, high = reml.system.bounds[:, :1], reml.system.bounds[:, 1:]
    own = reml
    score, slope, hessian = own.derivatives(rho)
    active = np.arange(len(score))
    reach = np.full(len(active), MAX_STEP)
    for _ in range(MAX_ITERATIONS):
        now = rho[:, active]
        held = ((now <= low) & (slope.T >= 0)) | ((now >= high) & (slope.T <= 0))
        going = np.flatnonzero(
            (np.abs(np.where(held, 0.0, slope.T)).max(axis=0) > SLOPE_TOLERANCE) & (reach > 1e-8)
        )
        if not going.size:
            break
        active, own, now, held = active[going], own.of(going), now[:, going], held[:, going]
        score, slope, hessian, reach = score[going], slope[going], hessian[going], reach[going]
        step = _descent(slope, hessian, held.T)
        longest = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, reach / np.maximum(longest, 1e-300))[:, None]
        tried = np.clip(now + step.T, low, high)
        new = own.derivatives(tried)
        better = new[0] <= score + 1e-13 * np.abs(score)
        rho[:, active] = np.where(better, tried, now)
        score = np.where(better, new[0], score)
        slope = np.where(better[:, None], new[1], slope)
        hessian = np.where(better[:, None, None], new[2], hessian)
        reach = np.where(better, MAX_STEP, np.minimum(reach, longest) / 4)
    return rho


def _descent(slope: Array, hessian: Array, held: NDArray[np.bool_]) -> Array:
    """Newton steps (p, t) with the Hessian made positive, zero in the held directions."""
    index = np.arange(len(held[0]))
    fixed = held[:, :, None] | held[:, None, :]
    hessian = np.where(fixed, 0.0, hessian)
    hessian[:, index, index] += held
    slope = np.where(held, 0.0, slope)
    values, vectors = np.linalg.eigh(hessian)
    size = np.abs(values)
    size = np.maximum(size, 1e-10 * size[:, -1:].clip(1e-300))
    along = np.einsum("pij,pi->pj", vectors, slope)
    return -np.einsum("pij,pj->pi", vectors, along / size)
