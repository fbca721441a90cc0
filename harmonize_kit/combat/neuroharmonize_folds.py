"""neuroHarmonize's own choice of smoothing, fold by fold, for those who must reproduce it.

neuroHarmonize 2.5 (with statsmodels 0.15) scores eleven weights, 1 to 1e7, for every smooth term
by 5-fold cross-validation; the cost is the mean over folds of ||y - fitted|| / n_fold. The cases
are shuffled anew for every feature and every weight from one random stream, so the choice depends
on seed, order of features, order of cases and unit of the covariate. Prefer
:func:`harmonize_kit.combat.smoothing.choose_smoothing`, which depends on none of them.

Each fit of a fold follows from the sums over all cases less those over the fold, so no model is
fitted row by row; but folds are drawn over cases, so the rows are needed, not only their sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.spline_basis import SmoothTerm

Array = NDArray[np.float64]

WEIGHTS = np.logspace(0, 7, 11)
N_FOLDS = 5
# Of a column's sum of squares over all cases, what is rounding once a fold holds all of it.
EMPTY_SHARE = 1e-12


def choose_by_folds(
    sites: NDArray[np.int_],
    covariates: Array,
    terms: Sequence[SmoothTerm],
    values: Sequence[Array],
    features: Array,
    seed: int,
    *,
    reference: int | None = None,
) -> Array:
    """Return the smoothing parameters neuroHarmonize chooses with ``seed``, shape (t, p).

    In the unit of :meth:`SmoothTerm.penalty`, as ``penalised_coefficients`` takes them; the
    weight neuroHarmonize names is ``lambda / (upper - lower) ** 3``.

    Parameters
    ----------
    sites : ndarray of int, shape (n,)
        Site code of each case, from 0; every code occurs.
    covariates : ndarray, shape (n, l)
        Columns of the covariates that are not smooth, in their own units.
    terms : sequence of SmoothTerm
        Learned with ``distinct_knots=False``.
    values : sequence of ndarray, shape (n,)
        The covariate of each term.
    features : ndarray, shape (n, p)
        Complete, in the order in which neuroHarmonize sees them.
    seed : int
    reference : int, optional
        Site to which the others are brought.
    """
    design, penalties = _design(sites, covariates, terms, values)
    combinations = np.array(list(product(WEIGHTS, repeat=len(terms))))
    penalty = np.einsum("at,tij->aij", combinations, penalties)
    stream = np.random.default_rng(seed)
    chosen = np.empty((len(terms), features.shape[1]))
    system = _System(
        design, _upper_products(design), design.T @ design, penalty, int(sites.max()) + 1, reference
    )
    for feature in range(features.shape[1]):
        folds = _draw(stream, len(design), len(combinations))
        chosen[:, feature] = combinations[np.argmin(_costs(system, features[:, feature], folds))]
    width = np.array([term.upper - term.lower for term in terms])
    return chosen / width[:, None] ** 3


def _design(
    sites: NDArray[np.int_], covariates: Array, terms: Sequence[SmoothTerm], values: Sequence[Array]
) -> tuple[Array, Array]:
    """Site indicators, linear columns and splines as they are, and the penalties in their place.

    Nothing is centred: where a fold holds all cases of a site, its intercept is 0, and what is
    then predicted for the site depends on the origin of the other columns.
    """
    splines = [term.columns(value) + term.centre for term, value in zip(terms, values, strict=True)]
    indicators = np.eye(int(sites.max()) + 1)[sites]
    size = np.sqrt(np.mean(covariates**2, axis=0))
    linear = covariates / np.where(size > 0, size, 1.0)
    design = np.concatenate([indicators, linear, *splines], axis=1)
    penalties = np.zeros((len(terms), design.shape[1], design.shape[1]))
    start = indicators.shape[1] + linear.shape[1]
    for number, (term, spline) in enumerate(zip(terms, splines, strict=True)):
        columns = slice(start, start + spline.shape[1])
        penalties[number, columns, columns] = term.penalty() / (term.upper - term.lower) ** 3
        start = columns.stop
    return design, penalties


def _draw(stream: np.random.Generator, n_cases: int, n_draws: int) -> NDArray[np.intp]:
    """Fold of each case in each draw, shape (draws, n): the order is shuffled, then cut in five."""
    sizes = [len(part) for part in np.array_split(np.arange(n_cases), N_FOLDS)]
    label = np.repeat(np.arange(N_FOLDS), sizes)
    folds = np.empty((n_draws, n_cases), dtype=np.intp)
    for draw in range(n_draws):
        order = np.arange(n_cases)
        stream.shuffle(order)
        folds[draw, order] = label
    return folds


def _upper_products(design: Array) -> Array:
    """Products of every two columns, case by case, shape (n, c (c + 1) / 2)."""
    first, second = np.triu_indices(design.shape[1])
    return design[:, first] * design[:, second]


@dataclass(frozen=True)
class _System:
    """What all features share; of the c columns of the design, those of the sites come first."""

    design: Array  # (n, c)
    products: Array  # of every two columns, case by case
    gram: Array  # (c, c)
    penalty: Array  # of each combination of weights, (a, c, c)
    n_sites: int
    reference: int | None


def _costs(system: _System, response: Array, folds: NDArray[np.intp]) -> Array:
    """Cost of each combination of weights for one feature, shape (a,)."""
    design = system.design
    (n_draws, n_cases), n_columns = folds.shape, design.shape[1]
    within = (folds[:, None, :] == np.arange(N_FOLDS)[:, None]).astype(np.float64)
    rows = within.reshape(-1, n_cases)
    shape = (n_draws, N_FOLDS, n_columns)
    held_out = np.empty((len(rows), n_columns, n_columns))
    first, second = np.triu_indices(n_columns)
    held_out[:, first, second] = held_out[:, second, first] = rows @ system.products
    cross = design * response[:, None]
    effects = _solve(
        system,
        system.gram - held_out.reshape(*shape, n_columns),
        cross.sum(axis=0) - (rows @ cross).reshape(shape),
    )
    fitted = (effects.reshape(-1, n_columns) @ design.T).reshape(n_draws, N_FOLDS, n_cases)
    residual = np.take_along_axis(fitted, folds[:, None, :], axis=1)[:, 0] - response
    squares = np.einsum("afn,an->af", within, residual**2)
    return (np.sqrt(squares) / within.sum(axis=2)) @ np.full(N_FOLDS, 1 / N_FOLDS)


def _solve(system: _System, gram: Array, cross: Array) -> Array:
    """Least-norm solutions (a, folds, c): what is empty outside the fold gets 0, if not smooth."""
    penalty = system.penalty[:, None]
    size = np.diagonal(gram, axis1=-2, axis2=-1)
    smooth = np.diagonal(penalty, axis1=-2, axis2=-1) > 0
    empty = (size <= EMPTY_SHARE * np.diag(system.gram)) & ~smooth
    matrices = gram + penalty
    if empty.any():
        either = empty[..., :, None] | empty[..., None, :]
        matrices = np.where(either, np.eye(gram.shape[-1]) * empty[..., None], matrices)
        cross = np.where(empty, 0.0, cross)
    try:
        solved = np.linalg.solve(matrices, cross[..., None])
    except np.linalg.LinAlgError:
        solved = np.linalg.pinv(matrices, hermitian=True) @ cross[..., None]
    effects = solved[..., 0].astype(np.float64, copy=False)
    if system.reference is not None and empty.any():
        own = slice(system.n_sites)
        effects[..., own] = _about_reference(effects[..., own], empty[..., own], system.reference)
    return effects


def _about_reference(levels: Array, empty: NDArray[np.bool_], reference: int) -> Array:
    """Return the levels (a, folds, k) of the sites where the reference's indicator is always 1.

    A site without cases is then at the reference's level; and the reference, if it has none itself,
    at the one that makes its own and the others' distances from it least in square.
    """
    least = levels.sum(axis=-1) / (1 + (~empty).sum(axis=-1))
    level = np.where(empty[..., reference], least, levels[..., reference])
    return np.where(empty, level[..., None], levels)
