"""Whether a harmonizer writes what it is told of a held-out case into its features.

A method that preserves a covariate adds back what the covariate explains, and reads it of the
very case a predictor is to be judged on (Nieto et al. 2024, arXiv:2410.19643). Here the held-out
cases are harmonized with the biology of another held-out case of their site, and the predictor is
asked for what the harmonizer was told. Features cannot know it: what is predicted beyond what the
site tells was put there by the harmonizer.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.candidates import Candidate, Refit
from harmonize_kit.compare.panel import HeldOut, Panel
from harmonize_kit.compare.prediction import Prediction, auc_columns, estimates, r_squared
from harmonize_kit.compare.resampling import Estimate
from harmonize_kit.compare.study import rows_by_id
from harmonize_kit.core.scorecard import Score
from harmonize_kit.errors import HarmonizeWarning

LEAST_LEAK = 0.05


def exchange(site: Ints, folds: Sequence[Ints], seed: int) -> Ints:
    """Return for each case another of its site that is held out with it, where there is one.

    Parameters
    ----------
    site : ndarray of int, shape (n,)
    folds : sequence of ndarray of int
        Held-out cases of each fold.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)
    """
    rng = np.random.default_rng([seed, 6])
    order = np.arange(len(site), dtype=np.intp)
    for test in folds:
        for code in np.unique(site[test]):
            own = rng.permutation(test[site[test] == code])
            order[own] = np.roll(own, 1)
    return order


def exchanged_values(
    candidate: Candidate,
    panel: Panel,
    held_out: HeldOut,
    refits: Sequence[Refit],
    names: Sequence[str],
    order: Ints,
) -> list[Floats]:
    """Return the held-out cases of each fold, harmonized with the biology of another case.

    Parameters
    ----------
    candidate : Candidate
        A harmonizer.
    panel : Panel
    held_out : HeldOut
    refits : sequence of Refit
        By fold.
    names : sequence of str
        Features judged.
    order : ndarray of int, shape (m,)
        Whose biology each case is given.
    """
    study, split = panel.study, held_out.split
    table = rows_by_id(candidate.table, [study.ids[int(row)] for row in split.rows])
    told = [c.name for c in (*study.biology, study.outcome) if c is not None]
    covariates = table.covariates.copy()
    for name in dict.fromkeys(told):
        covariates[name] = covariates[name].to_numpy(dtype=object)[order]
    exchanged, ids = replace(table, covariates=covariates), table.ids
    found: list[Floats] = []
    for fold, refit in zip(split.folds, refits, strict=True):
        assert refit.fitted is not None
        test = rows_by_id(exchanged, [ids[int(row)] for row in fold.test])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HarmonizeWarning)
            applied = refit.fitted.apply(test)
        found.append(rows_by_id(applied, test.ids).features[list(names)].to_numpy(np.float64))
    return found


def leaks(
    predictions: Sequence[Prediction], held_out: HeldOut, values: Sequence[Floats], order: Ints
) -> list[tuple[str, str, Estimate]]:
    """Return target, metric and how well what the harmonizer was told is predicted.

    ``control_leak_r2`` of a number, ``control_leak_auc`` of levels. Its null is that of the
    candidate's own prediction: the target exchanged within sites, which features know only by way
    of the site.

    Parameters
    ----------
    predictions : sequence of Prediction
        Of the candidate, with the models that are asked.
    held_out : HeldOut
    values : sequence of ndarray, shape (n_test, p)
        By fold, as :func:`exchanged_values` returns them.
    order : ndarray of int, shape (m,)
    """
    found: list[tuple[str, str, Estimate]] = []
    for prediction in predictions:
        target = prediction.target[order]
        score = np.empty_like(target)
        for fold, model, test in zip(held_out.split.folds, prediction.models, values, strict=True):
            score[fold.test] = model.predict(test)
        numeric = prediction.covariate.kind == "numeric"
        known = estimates(prediction, held_out.weights[:0])["r2" if numeric else "auc"]
        if numeric:
            told = target[:, 0], (score + prediction.mean[:, 0])[:, 0]
            value = float(r_squared(*told, np.ones((1, len(target))))[0])
        else:
            seen = (target > 0.5).any(axis=0) & ~(target > 0.5).all(axis=0)
            value = float(auc_columns(target[:, seen] > 0.5, score[:, seen]).mean())
        metric = "control_leak_r2" if numeric else "control_leak_auc"
        found.append((prediction.covariate.name, metric, Estimate(value, None, known.null)))
    return found


def leak_warnings(scores: Sequence[Score]) -> list[str]:
    """Return a sentence for each candidate and target whose leak is beyond what site tells."""
    return [
        f"candidate '{score.candidate}': writes '{score.target}' into the features of cases it is "
        f"told of ({score.metric.rsplit('_', 1)[-1]} {score.value:.2f} for the value of another "
        f"case, where the site alone gives {score.null.mean:.2f}): its prediction is no evidence; "
        "judge it without preserving it"
        for score in scores
        if score.metric.startswith("control_leak") and score.null is not None
        if score.value > max(score.null.high, score.null.mean + LEAST_LEAK)
    ]
