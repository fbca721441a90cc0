"""How smooth a smooth effect is: chosen by REML, for all features at once, from sums.

The model of each feature y is sites + X b with the penalty sum_t lambda_t b' S_t b on its
least squares. Everything follows from the within-site sums G = X'X, c = X'y and y'y (the pooled
products of :class:`~harmonize_kit.combat.sums.SiteSums`), so the fit in memory, by blocks and over
hospitals is one algorithm, and the result depends neither on chance, nor on the order of features
or cases, nor on a unit.

Criteria, with D the penalised and R the plain residual sum of squares, n cases, M unpenalised
parameters (sites included) and r_t the rank of S_t:

- REML, with the residual variance profiled out (Wood 2011, J R Stat Soc B 73:3):
  (n - M) log D + log|G + sum lambda_t S_t| - sum r_t log lambda_t
- GCV (Golub, Heath and Wahba 1979): n R / (n - edf)^2

Use::

    lambdas = choose_smoothing(gram, cross, squares, count, n_sites, penalties)     # (t, p)
    effects = penalised_coefficients(gram, cross, penalties, lambdas)                # (q, p)

``penalties`` has shape (t, q, q): each S_t at the place of its term's columns, zero elsewhere
(:func:`place_penalties`). A single term has a closed form and is done here; for several see
:mod:`harmonize_kit.combat.additive_smoothing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.additive_smoothing import additive_coefficients, choose_additive
from harmonize_kit.combat.penalised_system import (
    BLOCK,
    Diagonalised,
    diagonalise,
    explained,
    penalty_rank,
    to_unit_squares,
)
from harmonize_kit.errors import DesignError

Array = NDArray[np.float64]
Criterion = Literal["reml", "gcv"]

N_GRID = 64
MAX_ITERATIONS = 60
LAMBDA_TOLERANCE = 1e-10  # relative


def place_penalties(n_columns: int, blocks: Sequence[tuple[slice, Array]]) -> Array:
    """Return the penalties of several terms, shape (t, q, q), from their columns and S."""
    placed = np.zeros((len(blocks), n_columns, n_columns))
    for term, (columns, penalty) in enumerate(blocks):
        placed[term, columns, columns] = penalty
    return placed


def choose_smoothing(
    gram: Array,
    cross: Array,
    squares: Array,
    count: int,
    n_sites: int,
    penalties: Array,
    criterion: Criterion = "reml",
) -> Array:
    """Return the smoothing parameters of each term and feature, shape (t, p).

    A feature whose effect is a straight line gets the upper bound, at which the curved part is
    shrunk by 1e-8; one that its covariates explain wholly gets the lower bound.

    Parameters
    ----------
    gram : ndarray, shape (q, q)
        Products of the columns, centred within sites, summed over sites.
    cross : ndarray, shape (q, p)
        Products of columns and features, likewise.
    squares : ndarray, shape (p,)
        Sums of squares of the features about their site means.
    count, n_sites : int
        Cases, and sites (whose intercepts were eliminated by the centring).
    penalties : ndarray, shape (t, q, q)
    criterion : {"reml", "gcv"}
        GCV for one term only; it undersmooths more often (Reiss and Ogden 2009, J R Stat Soc B
        71:505), which is why it is not the default.

    Raises
    ------
    DesignError
        If there are not more cases than unpenalised parameters.
    """
    free = n_sites + len(gram) - sum(penalty_rank(penalty) for penalty in penalties)
    if count <= free:
        raise DesignError(
            f"expected more cases than unpenalised parameters, got {count} cases for {n_sites} "
            f"sites and {free - n_sites} covariate columns; preserve fewer covariates or pool sites"
        )
    unit = to_unit_squares(cross, squares)
    if len(penalties) > 1:
        if criterion != "reml":
            raise DesignError(
                f"several smooth covariates are fitted by criterion 'reml', got '{criterion}'"
            )
        return choose_additive(gram, unit, count - free, penalties)
    system = diagonalise(gram, penalties[0])
    chosen = [
        _choose(system, unit[:, start : start + BLOCK], count - free, criterion)
        for start in range(0, unit.shape[1], BLOCK)
    ]
    return np.concatenate([np.zeros(0), *chosen])[None, :]


def penalised_coefficients(gram: Array, cross: Array, penalties: Array, lambdas: Array) -> Array:
    """Return (G + sum_t lambda_t S_t)^-1 c of every feature, shape (q, p).

    Directions that neither data nor penalty determine get no effect.
    """
    if len(penalties) > 1:
        return additive_coefficients(gram, cross, penalties, lambdas)
    system = diagonalise(gram, penalties[0])
    weights = system.data[:, None] + system.penalty[:, None] * lambdas
    return system.basis @ (system.basis.T @ cross / weights)


@dataclass(frozen=True)
class _Scores:
    """A criterion of features in the diagonal coordinates of their system.

    With a_i = lambda s_i / (g_i + lambda s_i) the share of direction i that is shrunk away, and
    u_i the share of squares it explains, D = rest + sum u a and R = rest + sum u a^2; and up to a
    constant log|G + lambda S| - r log lambda = - sum log a.
    """

    ratio: Array  # s/g of the penalised directions, (m,)
    shares: Array  # u, (m, p)
    rest: Array  # (p,)
    degrees: int  # n - M
    criterion: Criterion

    def value(self, log_lambda: Array) -> Array:
        """Criterion of every feature at the same lambdas, shape (l, p)."""
        grown = np.exp(log_lambda)[:, None] * self.ratio
        a = grown / (1 + grown)
        if self.criterion == "reml":
            penalised = self.rest + a @ self.shares
            return self.degrees * np.log(penalised) - np.log(a).sum(axis=1)[:, None]
        residual = self.rest + a**2 @ self.shares
        return np.log(residual) - 2 * np.log(self.degrees - (1 - a).sum(axis=1))[:, None]

    def derivatives(self, log_lambda: Array) -> tuple[Array, Array]:
        """First and second derivative by log lambda, each feature at its own, shape (p,)."""
        grown = np.exp(log_lambda) * self.ratio[:, None]
        w = 1 / (1 + grown)
        a = grown * w
        aw = a * w
        if self.criterion == "reml":
            total = self.rest + np.einsum("ip,ip->p", self.shares, a)
            first = np.einsum("ip,ip->p", self.shares, aw) / total
            second = np.einsum("ip,ip,ip->p", self.shares, aw, w - a) / total
            return (
                self.degrees * first - w.sum(axis=0),
                self.degrees * (second - first**2) + aw.sum(axis=0),
            )
        total = self.rest + np.einsum("ip,ip,ip->p", self.shares, a, a)
        first = 2 * np.einsum("ip,ip,ip->p", self.shares, aw, a) / total
        second = 2 * np.einsum("ip,ip,ip->p", self.shares, aw * a, 2 * w - a) / total
        left = self.degrees - w.sum(axis=0)
        grow = aw.sum(axis=0) / left
        return (
            first - 2 * grow,
            second - first**2 - 2 * ((aw * (w - a)).sum(axis=0) / left - grow**2),
        )

    def of(self, features: NDArray[np.intp]) -> _Scores:
        """Return the same for some of the features."""
        return _Scores(
            self.ratio, self.shares[:, features], self.rest[features], self.degrees, self.criterion
        )


def _choose(system: Diagonalised, cross: Array, degrees: int, criterion: Criterion) -> Array:
    shares, rest = explained(system, cross)
    curved = system.curved
    ratio = system.penalty[curved] / system.data[curved]
    scores = _Scores(ratio, shares[curved], rest, degrees, criterion)
    grid = np.linspace(*system.bounds(), N_GRID)
    return np.exp(_minimise(scores, grid, np.argmin(scores.value(grid), axis=0)))


def _minimise(scores: _Scores, grid: Array, best: NDArray[np.intp]) -> Array:
    """Newton's method from the best point of the grid, kept between its two neighbours."""
    rho = grid[best]
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, len(grid) - 1)]
    slope, _ = scores.derivatives(rho)
    settled = ((best == 0) & (slope >= 0)) | ((best == len(grid) - 1) & (slope <= 0))
    active = np.flatnonzero(~settled)
    own = scores.of(active)
    for _ in range(MAX_ITERATIONS):
        if not active.size:
            break
        now = rho[active]
        slope, curvature = own.derivatives(now)
        low[active] = np.where(slope < 0, now, low[active])
        high[active] = np.where(slope > 0, now, high[active])
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = now - slope / curvature
        inside = (curvature > 0) & (moved >= low[active]) & (moved <= high[active])
        moved = np.where(inside, moved, (low[active] + high[active]) / 2)
        moved = np.where(slope == 0, now, moved)
        rho[active] = moved
        going = np.flatnonzero(np.abs(moved - now) > LAMBDA_TOLERANCE)
        active, own = active[going], own.of(going)
    return rho
