"""Scores of subjects who were measured several times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harmonize_kit.compare import notes
from harmonize_kit.compare.arrays import Floats
from harmonize_kit.compare.biology_target import BiologyTarget
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.resampling import centred_interval
from harmonize_kit.compare.subject_agreement import (
    Crossing,
    concordance,
    intraclass,
    within_subject_share,
)
from harmonize_kit.core.scorecard import Score

Measure = Callable[[Floats, Crossing], Floats]


def subject_scores(candidate: Candidate, panel: Panel, target: BiologyTarget) -> list[Score]:
    """Return agreement of travelling subjects, and variation within all who repeat.

    There are none without repeated subjects. All are of the features as published: a harmonizer's
    fit to the whole table.
    """
    study = panel.study
    if not study.repeated or study.subject_name is None:
        return []
    scores: list[Score] = []
    if target.crossing is not None:
        crossing = target.crossing
        told = (
            f"{crossing.rows.shape[0]} subjects seen at each of {crossing.rows.shape[1]} sites: "
            f"{', '.join(study.sites[int(code)] for code in crossing.sites)}"
        )
        for metric, measure in (("icc", intraclass), ("ccc", concordance)):
            draws = _subject_draws(candidate.whole, crossing, measure, panel.weights)
            scores.append(_score(candidate, study.subject_name, metric, draws, True, told))
    shares = within_subject_share(candidate.whole, study.subject, panel.weights)
    observed = within_subject_share(candidate.whole, study.subject)
    draws = np.median(np.vstack([observed, shares]), axis=1)
    metric = "within_subject_share"
    scores.append(_score(candidate, study.subject_name, metric, draws, False, ""))
    return scores


def _subject_draws(values: Floats, crossing: Crossing, measure: Measure, weights: Floats) -> Floats:
    """Return the median over features, of the subjects and of every bootstrap sample of them.

    A sample that holds one subject alone tells nothing of agreement and is left out.
    """
    draws = [float(np.median(measure(values, crossing)))]
    for counts in weights[:, crossing.rows[:, 0]].astype(np.intp):
        if np.count_nonzero(counts) > 1:
            drawn = replace(crossing, rows=np.repeat(crossing.rows, counts, axis=0))
            draws.append(float(np.median(measure(values, drawn))))
    return np.asarray(draws, dtype=np.float64)


def _score(
    candidate: Candidate, target: str, metric: str, draws: Floats, higher: bool, remark: str
) -> Score:
    value = float(draws[0])
    bounds = (-1.0, 1.0) if higher else (0.0, 1.0)
    return Score(
        candidate.name,
        "biology",
        metric,
        target,
        value,
        higher_is_better=higher,
        interval=centred_interval(value, draws[1:], bounds),
        note=notes.join(remark, notes.maker(candidate), notes.constant_features(candidate)),
    )
