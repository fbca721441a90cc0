"""Scores of the site family: what is left of the site, with what a reader must know beside it."""

from __future__ import annotations

from collections.abc import Sequence

from harmonize_kit.compare import notes
from harmonize_kit.compare.arrays import Floats
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.panel import HeldOut, Panel
from harmonize_kit.compare.partial_eta_squared import SiteEffect, site_effect
from harmonize_kit.compare.resampling import Estimate
from harmonize_kit.compare.site_classification import site_classification
from harmonize_kit.core.scorecard import Score


def find_site_effect(candidate: Candidate, panel: Panel) -> SiteEffect:
    """Return what site explains of each feature of the candidate, on all cases."""
    return site_effect(
        candidate.whole,
        panel.study.site,
        panel.study.biology_columns,
        panel.permutations,
        panel.weights,
        panel.config.significance,
    )


def site_scores(
    candidate: Candidate, panel: Panel, effect: SiteEffect, refits: Sequence[Floats]
) -> list[Score]:
    """Return the scores of the site family.

    There are none where the candidate left no feature that varies: a destroyed table shows no
    site, and a number that said so would read as success.

    Parameters
    ----------
    candidate : Candidate
    panel : Panel
    effect : SiteEffect
    refits : sequence of ndarray, shape (m, p)
        The features of the cross-validated cases as each fold sees them.
    """
    if effect.median is None or effect.significant is None:
        return []
    scores: list[Score] = []
    if panel.held_out is not None:
        scores += _classification(candidate, panel, panel.held_out, refits)
    for metric, estimate in (
        ("site_partial_eta_squared_median", effect.median),
        ("site_significant_fraction", effect.significant),
    ):
        scores.append(_score(candidate, panel, metric, estimate, notes.maker(candidate)))
    return scores


def _classification(
    candidate: Candidate, panel: Panel, held_out: HeldOut, refits: Sequence[Floats]
) -> list[Score]:
    found = site_classification(
        refits,
        held_out.site,
        panel.study.biology_columns[held_out.split.rows],
        held_out.split.folds,
        held_out.across_sites,
        held_out.weights,
        panel.config,
    )
    remark = notes.join(notes.chance(panel.study, held_out.split), notes.refit(candidate))
    return [
        _score(candidate, panel, "site_balanced_accuracy_linear", found.linear, remark),
        _score(candidate, panel, "site_balanced_accuracy_nonlinear", found.nonlinear, remark),
    ]


def _score(
    candidate: Candidate, panel: Panel, metric: str, estimate: Estimate, remark: str
) -> Score:
    refitted = candidate.harmonizer is not None and metric.startswith("site_balanced_accuracy")
    below = notes.below_null(estimate, refitted=refitted)
    return Score(
        candidate.name,
        "site",
        metric,
        panel.study.site_name,
        estimate.value,
        higher_is_better=False,
        interval=estimate.interval,
        null=estimate.null,
        note=notes.join(below, remark, notes.constant_features(candidate)),
    )
