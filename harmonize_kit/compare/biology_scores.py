"""Scores of the biology family: what is kept, with what a reader must know beside it."""

from __future__ import annotations

from collections.abc import Sequence

from harmonize_kit.compare import notes
from harmonize_kit.compare.arrays import Floats
from harmonize_kit.compare.association import Association, associations
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.covariates import Covariate
from harmonize_kit.compare.panel import HeldOut, Panel
from harmonize_kit.compare.prediction import prediction
from harmonize_kit.compare.resampling import Estimate
from harmonize_kit.core.scorecard import Score


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
    candidate: Candidate, panel: Panel, found: Sequence[Association], refits: Sequence[Floats]
) -> list[Score]:
    """Return associations with every covariate, then predictions of covariates and outcome.

    Parameters
    ----------
    candidate : Candidate
    panel : Panel
    found : sequence of Association
    refits : sequence of ndarray, shape (m, p)
        The features of the cross-validated cases as each fold sees them.
    """
    scores: list[Score] = []
    for association in found:
        remark = notes.join(notes.effect(association.covariate), notes.maker(candidate))
        name = association.covariate.name
        scores += [
            _score(candidate, "association_median", name, association.median, remark),
            _score(
                candidate, "association_significant_fraction", name, association.significant, remark
            ),
        ]
    if panel.held_out is not None:
        targets = {c.name: c for c in (*panel.study.biology, panel.study.outcome) if c is not None}
        for covariate in targets.values():
            scores += _prediction(candidate, panel, panel.held_out, covariate, refits)
    return scores


def _prediction(
    candidate: Candidate,
    panel: Panel,
    held_out: HeldOut,
    covariate: Covariate,
    refits: Sequence[Floats],
) -> list[Score]:
    found = prediction(
        refits,
        covariate,
        held_out.split.rows,
        held_out.split.folds,
        held_out.within_sites,
        held_out.weights,
    )
    remark = notes.join(
        notes.prediction(covariate, panel.study, held_out.split),
        notes.leak(candidate, covariate),
        notes.refit(candidate),
    )
    return [
        _score(candidate, metric, covariate.name, estimate, remark)
        for metric, estimate in found.items()
    ]


def _score(
    candidate: Candidate, metric: str, target: str, estimate: Estimate, remark: str
) -> Score:
    return Score(
        candidate.name,
        "biology",
        metric,
        target,
        estimate.value,
        higher_is_better=metric != "mae",
        interval=estimate.interval,
        null=estimate.null,
        note=notes.join(remark, notes.constant_features(candidate)),
    )
