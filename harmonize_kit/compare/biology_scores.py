"""Scores of the biology family: what is kept, with what a reader must know beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harmonize_kit.compare import notes
from harmonize_kit.compare.arrays import MOST_DRAWN, Floats, evenly
from harmonize_kit.compare.association import Association, associations
from harmonize_kit.compare.biology_target import BiologyTarget, KeptBiology
from harmonize_kit.compare.candidates import Candidate, Refit
from harmonize_kit.compare.feature_agreement import (
    BOUNDS,
    median_agreement,
    resampled_agreement,
)
from harmonize_kit.compare.leak import exchange, exchanged_values, leaks
from harmonize_kit.compare.new_site import new_site_scores, predict_new_sites
from harmonize_kit.compare.panel import HeldOut, Panel
from harmonize_kit.compare.prediction import Prediction, estimates, predict
from harmonize_kit.compare.resampling import Estimate, centred_interval
from harmonize_kit.compare.standardised import Standardised
from harmonize_kit.compare.subject_scores import subject_scores
from harmonize_kit.core.scorecard import Score

LOWER_IS_BETTER = frozenset(
    {
        "mae",
        "new_site_mae",
        "curve_distance",
        "planted_curve_distance",
        "planted_feature_bias",  # in fact nearest 0 is best
        "planted_feature_bias_size",
        "control_leak_r2",
        "control_leak_auc",
    }
)
LEAK = (
    "held-out cases harmonized with the biology of another case, which a predictor then finds: "
    "what lies above the null was written there by the harmonizer"
)


def find_associations(candidate: Candidate, panel: Panel) -> list[Association]:
    """Return the association of the candidate's features with each covariate, on all cases."""
    return associations(
        candidate.whole,
        panel.study.site,
        panel.study.biology,
        panel.weights,
        panel.config.significance,
    )


def biology_scores(
    candidate: Candidate,
    panel: Panel,
    found: Sequence[Association],
    refits: Sequence[Refit],
    target: BiologyTarget,
    kept: KeptBiology,
    names: Sequence[str],
) -> list[Score]:
    """Return associations, agreement with the target, predictions, and repeated subjects.

    Parameters
    ----------
    candidate : Candidate
    panel : Panel
    found : sequence of Association
    refits : sequence of Refit
        The cross-validated cases as each fold sees them.
    target : BiologyTarget
    kept : KeptBiology
        The candidate's biology, held against the target.
    names : sequence of str
        Features judged.
    """
    some = notes.interval_of(len(names))
    scores: list[Score] = []
    for association in found:
        told = notes.effect(association.covariate)
        remark = notes.join(told, notes.maker(candidate))
        name = association.covariate.name
        scores += [
            _score(
                candidate, "association_median", name, association.median, notes.join(remark, some)
            ),
            _score(
                candidate, "association_significant_fraction", name, association.significant, remark
            ),
        ]
    for name, agreed in kept.agreement.items():
        scores += [
            _score(candidate, metric, name, estimate, notes.join(notes.maker(candidate), some))
            for metric, estimate in agreed.items()
        ]
    scores.append(_ranks(candidate, panel, kept))
    if target.truth is not None:
        scores += _agreement(candidate, panel, target.truth)
    if panel.held_out is not None:
        scores += _predictions(candidate, panel, panel.held_out, refits, names)
    return scores + subject_scores(candidate, panel, target)


def _ranks(candidate: Candidate, panel: Panel, kept: KeptBiology) -> Score:
    known = kept.ranks[np.isfinite(kept.ranks)]
    median = Estimate(float(np.median(known)) if known.size else 0.0)
    return _score(
        candidate, "rank_preservation", panel.study.site_name, median, notes.maker(candidate)
    )


def _agreement(candidate: Candidate, panel: Panel, truth: Floats) -> list[Score]:
    """Return how far each case's features are those of the true table."""
    pair = evenly(candidate.whole, MOST_DRAWN), evenly(truth, MOST_DRAWN)
    draws = resampled_agreement(*pair, panel.weights)
    remark = notes.join(notes.maker(candidate), notes.interval_of(truth.shape[1]))
    scores: list[Score] = []
    for name, value in median_agreement(candidate.whole, truth).items():
        found = Estimate(value, centred_interval(value, draws[name], BOUNDS[name]))
        metric = f"planted_feature_{name}"
        scores.append(_score(candidate, metric, panel.study.site_name, found, remark))
    return scores


def _predictions(
    candidate: Candidate,
    panel: Panel,
    held_out: HeldOut,
    refits: Sequence[Refit],
    names: Sequence[str],
) -> list[Score]:
    """Return predictions in folds, what of them is a leak, and those at sites not seen."""
    targets = {c.name: c for c in (*panel.study.biology, panel.study.outcome) if c is not None}
    rows, folds = held_out.split.rows, held_out.split.folds
    seen = [refit.table for refit in refits]
    predictions = predict(seen, list(targets.values()), rows, held_out.within_sites)
    scores: list[Score] = []
    for found in predictions:
        remark = notes.join(
            notes.prediction(found.covariate, panel.study, held_out.split),
            notes.leak(candidate, found.covariate),
            notes.refit(candidate),
        )
        scores += [
            _score(candidate, metric, found.covariate.name, estimate, remark)
            for metric, estimate in estimates(found, held_out.weights).items()
        ]
    if candidate.harmonizer is not None and predictions and not candidate.constant.all():
        order = exchange(held_out.site, [fold.test for fold in folds], panel.config.seed)
        values = exchanged_values(candidate, panel, held_out, refits, names, order)
        scores += [
            _score(candidate, metric, name, estimate, LEAK)
            for name, metric, estimate in leaks(predictions, held_out, values, order)
        ]
    return scores + _new_sites(candidate, held_out, predictions, seen)


def _new_sites(
    candidate: Candidate,
    held_out: HeldOut,
    predictions: Sequence[Prediction],
    seen: Sequence[Standardised],
) -> list[Score]:
    if not predictions:
        return []
    targets = np.hstack([found.target for found in predictions])
    by_fold = zip(*(found.models for found in predictions), strict=True)
    penalties = [np.concatenate([model.penalty for model in models]) for models in by_fold]
    site = held_out.site
    predicted = predict_new_sites(seen, targets, penalties, site)
    scores: list[Score] = []
    start = 0
    for found in predictions:
        own = slice(start, start + found.target.shape[1])
        start = own.stop
        remark = notes.join(
            notes.NEW_SITE, notes.leak(candidate, found.covariate),
            notes.refit(candidate),
        )  # fmt: skip
        made = new_site_scores(
            found.covariate, targets[:, own], predicted[:, own], site, held_out.weights
        )
        scores += [
            _score(candidate, metric, found.covariate.name, estimate, remark)
            for metric, estimate in made.items()
        ]
    return scores


def _score(
    candidate: Candidate, metric: str, target: str, estimate: Estimate, remark: str
) -> Score:
    return Score(
        candidate.name,
        "biology",
        metric,
        target,
        estimate.value,
        higher_is_better=metric not in LOWER_IS_BETTER,
        interval=estimate.interval,
        null=estimate.null,
        note=notes.join(remark, notes.constant_features(candidate)),
    )
