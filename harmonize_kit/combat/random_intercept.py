"""A random intercept per subject, by restricted maximum likelihood for all features at once.

The model of a feature is ``y = X b + u_subject + e`` with ``u ~ N(0, rho s2)`` and
``e ~ N(0, s2)``: what lme4 writes ``y ~ X + (1 | subject)``. Given the ratio rho of the two
variances, b and s2 are closed forms, so one number per feature is left to search. With
``G = X'V^-1 X``, ``V = I + rho J``, n rows and q columns, twice the negative restricted
log-likelihood is, up to a constant (lme4's profiled REML criterion, Bates et al. 2015,
J Stat Softw 67(1))::

    log|V| + log|G| + (n - q) log R,    R = y'V^-1 y - b'G b,    b = G^-1 X'V^-1 y

It is evaluated from :class:`~harmonize_kit.combat.subject_sums.SubjectSums` on a grid of ratios
for all features together, then its derivative is brought to zero in each feature's cell of the
grid. Subjects may have any number of rows each; some must have two or more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.subject_sums import SubjectSums, subject_totals, sum_by_subject
from harmonize_kit.errors import DesignError

Array = NDArray[np.float64]

# The grid is uniform in x = log(1 + ratio / FINEST): linear near 0, logarithmic beyond.
FINEST, LARGEST, STEP = 1e-4, 1e13, 0.5
PRECISION, MAX_ITERATIONS = 1e-13, 100
NEGLIGIBLE = 1e-13
RANK_TOLERANCE = 1e-10
BLOCK_NUMBERS = 2**21


@dataclass(frozen=True)
class RandomIntercept:
    """A fitted random-intercept model of each feature.

    Parameters
    ----------
    coefficients : ndarray, shape (q, p)
        Fixed effects b.
    residual_variance : ndarray, shape (p,)
        s2; 0 where nothing varies within subjects.
    ratio : ndarray, shape (p,)
        rho; 0 where subjects differ no more than their rows do.
    """

    coefficients: Array
    residual_variance: Array
    ratio: Array

    @property
    def intercept_variance(self) -> Array:
        """Variance of the subjects' intercepts, shape (p,)."""
        return self.ratio * self.residual_variance


def fit_random_intercept(
    design: Array, subjects: NDArray[np.int_], features: Array
) -> RandomIntercept:
    """Fit ``features ~ design + (1 | subject)`` by restricted maximum likelihood.

    Parameters
    ----------
    design : ndarray, shape (n, q)
        Fixed effects of full column rank, the intercept (or one column a site) among them.
    subjects : ndarray of int, shape (n,)
        Subject code of each row, from 0; every code occurs.
    features : ndarray, shape (n, p)
        Finite values.

    Raises
    ------
    DesignError
        If no subject has two rows, or the variance within or between subjects is left without a
        degree of freedom by the design.
    """
    basis, triangle = np.linalg.qr(design)
    projected = basis.T @ features
    residuals = features - basis @ projected
    sums = sum_by_subject(subjects, basis, residuals)
    _require_both_variances(sums)
    varying = _vary_within(sums, np.einsum("ij,ij->j", features, features))
    ratio, variance = np.zeros(len(varying)), np.zeros(len(varying))
    effects = np.zeros_like(projected)
    known = sums.features(varying)
    ratio[varying] = _restricted_maximum(known)
    effects[:, varying], variance[varying] = _fixed_part(known, ratio[varying])
    coefficients: Array = np.linalg.solve(triangle, projected + effects).astype(np.float64)
    return RandomIntercept(coefficients, variance, ratio)


def predict_intercepts(residuals: Array, subjects: NDArray[np.int_], ratio: Array) -> Array:
    """Return each row's predicted intercept, shape (n, p): the mean of u given the rows.

    The best linear unbiased predictor is the mean of the subject's residuals times
    ``rho m / (1 + rho m)`` for m rows (Robinson 1991, Stat Sci 6:15). It needs the variance
    ratio alone, so a subject the model never met is served as those it was fitted on; more rows
    of a subject make it surer.

    Parameters
    ----------
    residuals : ndarray, shape (n, p)
        Values less the whole fixed part, site effects included. A missing cell (NaN) counts for
        nothing.
    subjects : ndarray of int, shape (n,)
        Subject code of each row, from 0; every code occurs.
    ratio : ndarray, shape (p,)
    """
    known = ~np.isnan(residuals)
    total = subject_totals(subjects, np.where(known, residuals, 0.0))
    rows = subject_totals(subjects, known.astype(np.float64))
    return (ratio * total / (1 + ratio * rows))[subjects]


def _require_both_variances(sums: SubjectSums) -> None:
    n_subjects = int(sums.subjects.sum())
    if n_subjects == sums.n_rows:
        raise DesignError(
            f"expected subjects with two or more rows, got {n_subjects} subjects of one row each; "
            "name the column that repeats over a subject's visits, or fit without a random "
            "intercept (--method combat)"
        )
    rank = int((np.linalg.eigvalsh(sums.within_gram) > RANK_TOLERANCE).sum())
    if sums.n_rows - n_subjects <= rank:
        raise DesignError(
            f"{sums.n_rows} rows of {n_subjects} subjects leave nothing to estimate the variance "
            "within subjects from; preserve fewer covariates that change between visits"
        )
    explained = np.einsum("g,gii->", sums.rows.astype(np.float64), sums.between_gram)
    if sums.n_rows - explained <= RANK_TOLERANCE * sums.n_rows:
        raise DesignError(
            f"sites and covariates determine each of the {n_subjects} subjects, so the variance "
            "between subjects cannot be estimated; preserve fewer covariates"
        )


def _vary_within(sums: SubjectSums, size: Array) -> NDArray[np.bool_]:
    """Tell which features vary within subjects beyond the design and beyond rounding, shape (p,).

    For the others the likelihood rises without end with the ratio.
    """
    values, vectors = np.linalg.eigh(sums.within_gram)
    turned = vectors[:, values > RANK_TOLERANCE].T @ sums.within_cross
    explained = (turned**2 / values[values > RANK_TOLERANCE, None]).sum(axis=0)
    total = sums.within_squares + sums.between_squares.sum(axis=0)
    return sums.within_squares - explained > NEGLIGIBLE * total + NEGLIGIBLE**2 * size


def _restricted_maximum(sums: SubjectSums) -> Array:
    """Return the ratio of highest restricted likelihood of each feature, shape (p,)."""
    grid = np.arange(0.0, np.log1p(LARGEST / FINEST) + STEP, STEP)
    best = np.argmin([_criterion(sums, point) for point in _ratio(grid)], axis=0)
    found = np.empty(len(best))
    width = max(1, BLOCK_NUMBERS // sums.within_gram.size)
    for start in range(0, len(best), width):
        block = slice(start, start + width)
        found[block] = _refine(sums.features(block), grid, best[block])
    return _ratio(found)


def _refine(sums: SubjectSums, grid: Array, best: NDArray[np.intp]) -> Array:
    """Bring the slope to zero between the best grid point and the neighbour it falls to."""
    middle = grid[best]
    at_middle = _slope(sums, _ratio(middle))
    beside = grid[np.clip(best + np.where(at_middle < 0, 1, -1), 0, len(grid) - 1)]
    at_beside = _slope(sums, _ratio(beside))
    # Without a change of sign the better end is the minimum: a ratio of 0, most often.
    crossing = np.sign(at_beside) * np.sign(at_middle) < 0
    if crossing.any():
        own = sums.features(crossing)
        middle[crossing] = _root(
            lambda x: _slope(own, _ratio(x)),
            (middle[crossing], at_middle[crossing]),
            (beside[crossing], at_beside[crossing]),
        )
    return middle


def _root(
    function: Callable[[Array], Array], first: tuple[Array, Array], second: tuple[Array, Array]
) -> Array:
    """Return a root between points of opposite sign by the Illinois method, for all at once."""
    (a, at_a), (b, at_b) = first, second
    for _ in range(MAX_ITERATIONS):
        point = b - at_b * (b - a) / np.where(at_b == at_a, 1.0, at_b - at_a)
        value = function(point)
        turned = np.sign(value) * np.sign(at_b) <= 0
        a, at_a = np.where(turned, b, a), np.where(turned, at_b, at_a / 2)
        moved = np.abs(point - b)
        b, at_b = point, value
        if (moved <= PRECISION * (1 + b)).all():
            break
    return b


def _ratio(x: Array) -> Array:
    return FINEST * np.expm1(x)


def _criterion(sums: SubjectSums, ratio: float) -> Array:
    """Return twice the negative restricted log-likelihood at one ratio, shape (p,)."""
    share = 1 / (1 + ratio * sums.rows)
    gram = sums.within_gram + np.tensordot(share, sums.between_gram, 1)
    cross = sums.within_cross + np.tensordot(share, sums.between_cross, 1)
    squares = sums.within_squares + share @ sums.between_squares
    rest = squares - np.einsum("ij,ij->j", cross, np.linalg.solve(gram, cross))
    logarithms = -sums.subjects @ np.log(share) + np.linalg.slogdet(gram)[1]
    freedom = sums.n_rows - len(gram)
    return logarithms + freedom * np.log(np.maximum(rest, np.finfo(np.float64).tiny))


def _weighted(sums: SubjectSums, ratio: Array) -> tuple[Array, Array, Array, Array]:
    """Return G, G^-1 X'V^-1 y, R and the shares 1 / (1 + rho m) of each feature's own ratio."""
    share = 1 / (1 + ratio[:, None] * sums.rows)
    gram = sums.within_gram + np.tensordot(share, sums.between_gram, 1)
    cross = sums.within_cross.T + np.einsum("pg,gqp->pq", share, sums.between_cross)
    squares = sums.within_squares + np.einsum("pg,gp->p", share, sums.between_squares)
    effects = cast(Array, np.linalg.solve(gram, cross[:, :, None])[:, :, 0])
    rest = np.maximum(squares - np.einsum("pq,pq->p", cross, effects), 0.0)
    return gram, effects, rest, share


def _fixed_part(sums: SubjectSums, ratio: Array) -> tuple[Array, Array]:
    """Return the coefficients (q, p) and the residual variance (p,) at each feature's ratio."""
    effects, variance = np.empty_like(sums.within_cross), np.empty(len(ratio))
    width = max(1, BLOCK_NUMBERS // sums.within_gram.size)
    for start in range(0, len(ratio), width):
        block = slice(start, start + width)
        _, own, rest, _ = _weighted(sums.features(block), ratio[block])
        effects[:, block] = own.T
        variance[block] = rest / (sums.n_rows - len(sums.within_gram))
    return effects, variance


def _slope(sums: SubjectSums, ratio: Array) -> Array:
    """Return the derivative of the criterion by the ratio, each feature at its own, shape (p,).

    With ``v = 1 / (1 + rho m)`` the derivative of a term weighted by v is that term times
    ``-m v^2``; b is a minimum of R, so its own change adds nothing.
    """
    gram, effects, rest, share = _weighted(sums, ratio)
    weight = sums.rows * share**2
    change = np.tensordot(weight, sums.between_gram, 1)
    fitted = np.einsum("pqr,pr->pq", change, effects)
    crossed = np.einsum("pg,gqp->pq", weight, sums.between_cross)
    squares = np.einsum("pg,gp->p", weight, sums.between_squares)
    shared = squares + np.einsum("pq,pq->p", effects, fitted - 2 * crossed)
    trace = np.trace(np.linalg.solve(gram, change), axis1=1, axis2=2)
    freedom = sums.n_rows - len(sums.within_gram)
    return share @ (sums.rows * sums.subjects) - trace - freedom * shared / rest
