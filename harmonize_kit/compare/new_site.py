"""How well a model made at some sites predicts biology at a site it has not seen.

The question a user of a pooled cohort asks next. In each fold, for each site: the predictor
learns from the training cases of all other sites and is judged on the held-out cases of this one.
A harmonizer has met this site, in the training cases of the fold, but not the cases that are
judged; the predictor has met neither. A known leak is that of every prediction: a harmonizer that
preserves the target reads it of the held-out case (see :mod:`harmonize_kit.compare.prediction`).

Chance needs no permutations here. The area counts pairs of cases of one site, which the predictor
has not seen: 1/2 is what it finds in features that know nothing, whatever the sites. R2 and the
error are of guesses made elsewhere: 0 is the mean of the target over the held-out cases, and below
0 is worse than that. A null by exchanging the target under fixed predictions would moreover be too
narrow, as two sites that teach each other's predictors are not two pieces of evidence; one that
teaches all predictors anew would cost more than all else. The interval says how far subjects alone
carry the value from chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg

from harmonize_kit.compare.arrays import Flags, Floats, Ints, column_scale
from harmonize_kit.compare.covariates import Covariate
from harmonize_kit.compare.leave_site_out import leave_site_out
from harmonize_kit.compare.prediction import r_squared, weighted_auc
from harmonize_kit.compare.resampling import Estimate, percentile_interval
from harmonize_kit.compare.standardised import Standardised


def predict_new_sites(
    tables: Sequence[Standardised],
    targets: Floats,
    penalties: Sequence[Floats],
    site: Ints,
) -> Floats:
    """Return the prediction of each case by a model that never saw its site, shape (n, m).

    Ridge regression on features standardised in training, with the penalty that generalised
    cross-validation chose in the whole training set of the fold.

    Parameters
    ----------
    tables : sequence of Standardised
        The features as each fold sees them.
    targets : ndarray, shape (n, m)
    penalties : sequence of ndarray, shape (m,)
        By fold, over the number of cases.
    site : ndarray of int, shape (n,)
        Two sites or more in every training set.
    """
    found = np.empty(targets.shape)
    for table, penalty in zip(tables, penalties, strict=True):
        fold, x = table.fold, table.values
        train = fold.train[np.argsort(site[fold.train], kind="stable")]
        known = site[train]
        ridges = None
        if not table.wide:
            ridges = leave_site_out(x[train], targets[train], known, penalty, table.product)
        for code in np.unique(site[fold.test]):
            test = fold.test[site[fold.test] == code]
            if ridges is not None:
                found[test] = ridges.predict(x[test], int(code))
            else:
                others = train[known != code]
                found[test] = _predict_by_cases(x[others], targets[others], x[test], penalty)
    return found


def new_site_scores(
    covariate: Covariate,
    target: Floats,
    predicted: Floats,
    site: Ints,
    weights: Floats,
) -> dict[str, Estimate]:
    """Return ``new_site_r2`` and ``new_site_mae``, or ``new_site_auc``.

    A site's level of the score is no part of the question for the area under the curve: cases are
    ranked within their site, and sites are averaged by their pairs. It is that of one level
    against the rest, averaged over levels.

    Parameters
    ----------
    covariate : Covariate
        Says what the target is.
    target, predicted : ndarray, shape (n, m)
        Numbers, or one column a level.
    site : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n)
        Bootstrap counts; predictions stay as they are.
    """
    rows = np.vstack([np.ones((1, len(target))), weights])
    if covariate.kind == "numeric":
        error = np.abs(target[:, 0] - predicted[:, 0])
        return {
            "new_site_r2": _estimate(r_squared(target[:, 0], predicted[:, 0], rows)),
            "new_site_mae": _estimate(rows @ error / rows.sum(axis=1)),
        }
    areas = [
        within_site_auc(target[:, level] > 0.5, predicted[:, level], site, rows)
        for level in range(target.shape[1])
    ]
    known = [area for area in areas if np.isfinite(area[0])]
    return {"new_site_auc": _estimate(np.mean(known, axis=0))} if known else {}


def within_site_auc(positive: Flags, score: Floats, site: Ints, weights: Floats) -> Floats:
    """Return the area under the ROC curve of pairs of one site, shape (b,); NaN without pairs.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    score : ndarray, shape (n,)
    site : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n)
    """
    wins, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for code in np.unique(site):
        own = site == code
        counted = weights[:, own]
        both = (counted @ positive[own]) * (counted @ ~positive[own])
        area = weighted_auc(positive[own], score[own], counted)
        wins += np.where(both > 0, area, 0.0) * both
        pairs += both
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _estimate(draws: Floats) -> Estimate:
    """Read an estimate off draws, the observed one first."""
    rest = draws[1:][np.isfinite(draws[1:])]
    return Estimate(float(draws[0]), percentile_interval(rest))


def _predict_by_cases(train: Floats, targets: Floats, test: Floats, penalty: Floats) -> Floats:
    """Return the same where features outnumber cases: one equation a case."""
    mean, scale = column_scale(train)
    x, level = (train - mean) / scale, targets.mean(axis=0)
    dual = _solve(x @ x.T, targets - level, len(train) * penalty)
    return ((test - mean) / scale) @ (x.T @ dual) + level


def _solve(matrix: Floats, right: Floats, penalty: Floats) -> Floats:
    """Solve with each column's own penalty on the diagonal, shape of ``right``."""
    found = np.empty_like(right)
    for size in np.unique(penalty):
        columns = penalty == size
        steadied = matrix.copy()
        steadied[np.diag_indices_from(steadied)] += size
        factor = linalg.cho_factor(steadied, overwrite_a=True, check_finite=False)
        found[:, columns] = linalg.cho_solve(factor, right[:, columns], check_finite=False)
    return found
