"""How well features predict a covariate or outcome of cases they were not trained on.

The same folds and refits as for site classification, and ridge regression throughout: on the
numbers themselves (``r2``, ``mae``), or on level indicators, whose scores rank the cases (``auc``;
for several levels the mean of one against the rest).

A known leak: a harmonizer that preserves a covariate reads it of the held-out case too when it is
applied, and where levels are unequally spread over sites, that alone can raise the prediction of
it (Nieto et al. 2024, arXiv:2410.19643). Such scores are upper bounds. The judge cannot see what
a harmonizer reads, so the note stands on every predicted target of every harmonizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from harmonize_kit.compare.arrays import Flags, Floats, Ints, positions
from harmonize_kit.compare.covariates import Covariate
from harmonize_kit.compare.resampling import Estimate, null_of, percentile_interval
from harmonize_kit.compare.ridge import RidgeModel, fit_ridge
from harmonize_kit.compare.standardised import Standardised


@dataclass(frozen=True)
class Prediction:
    """Held-out predictions of one target, observed and permuted.

    Parameters
    ----------
    covariate : Covariate
    drawn : ndarray, shape (n, 1 + b)
        The target as observed, then as permuted.
    encoded : ndarray, shape (n, 1 + b, n_targets)
        The same as numbers to be predicted.
    score : ndarray, shape (n, 1 + b, n_targets)
        Predictions less the training mean.
    mean : ndarray, shape (n, 1 + b, n_targets)
        Training means.
    models : sequence of RidgeModel
        By fold, those of the observed target.
    """

    covariate: Covariate
    drawn: Floats
    encoded: Floats
    score: Floats
    mean: Floats
    models: Sequence[RidgeModel]

    @property
    def target(self) -> Floats:
        """The observed target as numbers, shape (n, n_targets)."""
        return self.encoded[:, 0]


def predict(
    tables: Sequence[Standardised],
    covariates: Sequence[Covariate],
    rows: Ints,
    permutations: Ints,
) -> list[Prediction]:
    """Return held-out predictions of all targets, and of their permutations, at once.

    Parameters
    ----------
    tables : sequence of Standardised
        The features as each fold sees them.
    covariates : sequence of Covariate
    rows : ndarray of int, shape (n,)
        Cases that are cross-validated, among those of the covariates.
    permutations : ndarray of int, shape (b, n)
        Within sites.

    Returns
    -------
    list of Prediction
        Without covariates of which only one value occurs among the cases.
    """
    varying = [c for c in covariates if not np.all(c.values[rows] == c.values[rows][0])]
    if not varying:
        return []
    orders = np.vstack([np.arange(len(rows), dtype=np.intp), permutations])
    drawn = [covariate.values[rows][orders].T for covariate in varying]  # (n, 1 + b)
    encoded = [c.encode(d) for c, d in zip(varying, drawn, strict=True)]
    flat = np.hstack([targets.reshape(len(rows), -1) for targets in encoded])
    score, mean = np.empty_like(flat), np.empty_like(flat)
    models: list[RidgeModel] = []
    for table in tables:
        fold = table.fold
        model = fit_ridge(table, flat[fold.train])
        score[fold.test] = table.test @ model.coefficients
        mean[fold.test] = flat[fold.train].mean(axis=0)
        models.append(model)
    ends = np.cumsum([0, *(targets[0].size for targets in encoded)])
    return [
        Prediction(
            covariate,
            drawn[place],
            encoded[place],
            score[:, low:high].reshape(encoded[place].shape),
            mean[:, low:high].reshape(encoded[place].shape),
            [_columns(model, low, encoded[place].shape[2]) for model in models],
        )
        for place, (covariate, (low, high)) in enumerate(zip(varying, pairwise(ends), strict=True))
    ]


def _columns(model: RidgeModel, start: int, count: int) -> RidgeModel:
    own = slice(start, start + count)
    return model._replace(
        coefficients=model.coefficients[:, own].copy(), penalty=model.penalty[own]
    )


def estimates(found: Prediction, weights: Floats) -> dict[str, Estimate]:
    """Return ``r2`` and ``mae`` of a numeric covariate, ``auc`` of one with levels.

    The null exchanges the target among the subjects of each site, so its mean is not zero skill
    but what features tell of the target by telling the site. The interval is a bootstrap of
    subjects with held-out predictions fixed.

    Parameters
    ----------
    found : Prediction
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    """
    if found.covariate.kind == "numeric":
        return _of_numbers(found.drawn, (found.score + found.mean)[..., 0], weights)
    return _of_levels(found.encoded > 0.5, found.score, weights)


def r_squared(target: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Return 1 - SS_error / SS_total for each row of weights, shape (b,); NaN if SS_total is 0.

    Parameters
    ----------
    target, predicted : ndarray, shape (n,)
    weights : ndarray, shape (b, n)
    """
    centred = target - target.mean()
    total = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(axis=1)
    error = weights @ (target - predicted) ** 2
    ratio = np.divide(error, total, out=np.full(len(weights), np.nan), where=total > 0)
    return 1 - ratio


def auc_columns(positive: Flags, score: Floats) -> Floats:
    """Return the area under the ROC curve along the first axis, ties counting half.

    Mann and Whitney's statistic from mid-ranks. Shapes (n, ...) give (...).
    """
    ranks = stats.rankdata(score, axis=0)
    n_positive = positive.sum(axis=0)
    n_negative = len(positive) - n_positive
    wins = np.sum(ranks * positive, axis=0) - n_positive * (n_positive + 1) / 2
    return np.asarray(wins / (n_positive * n_negative), dtype=np.float64)


def weighted_auc(positive: Flags, score: Floats, weights: Floats) -> Floats:
    """Return the area under the ROC curve for each row of weights, shape (b,); NaN if one-sided.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    score : ndarray, shape (n,)
    weights : ndarray, shape (b, n)
    """
    order = np.argsort(score, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(score[order])) + 1])
    sorted_weights, sorted_positive = weights[:, order], positive[order]
    wins = np.add.reduceat(sorted_weights * sorted_positive, starts, axis=1)  # (b, distinct)
    losses = np.add.reduceat(sorted_weights * ~sorted_positive, starts, axis=1)
    below = np.cumsum(losses, axis=1) - losses / 2  # losers under, and half of those tied
    pairs = wins.sum(axis=1) * losses.sum(axis=1)
    area = np.sum(wins * below, axis=1)
    return np.divide(area, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _of_numbers(drawn: Floats, predicted: Floats, weights: Floats) -> dict[str, Estimate]:
    """Shapes (n, 1 + b), the observed target first."""
    error = np.abs(drawn - predicted)  # (n, 1 + b)
    total = np.sum((drawn - drawn.mean(axis=0)) ** 2, axis=0)
    observed = weights @ error[:, 0] / weights.sum(axis=1)
    return {
        "r2": _estimate(
            1 - np.sum(error**2, axis=0) / total,
            r_squared(drawn[:, 0], predicted[:, 0], weights),
        ),
        "mae": _estimate(error.mean(axis=0), observed),
    }


def _of_levels(positive: Flags, score: Floats, weights: Floats) -> dict[str, Estimate]:
    """Shapes (n, 1 + b, n_targets); a level nobody or everybody has cannot be ranked."""
    seen: Flags = np.asarray(positive[:, 0].any(axis=0) & ~positive[:, 0].all(axis=0))
    auc = auc_columns(positive[..., seen], score[..., seen]).mean(axis=-1)
    # A bootstrap sample that lacks a level gives NaN and is left out of the interval.
    draws = np.mean(
        [
            weighted_auc(positive[:, 0, level], score[:, 0, level], weights)
            for level in positions(seen)
        ],
        axis=0,
    )
    return {"auc": _estimate(auc, draws)}


def _estimate(values: Floats, draws: Floats) -> Estimate:
    """Read an estimate off the observed and permuted values and the bootstrap draws."""
    finite = draws[np.isfinite(draws)]
    return Estimate(
        float(values[0]), percentile_interval(finite), null_of(float(values[0]), values[1:])
    )
