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
    site_bias,
    site_bias_size,
    within_subject_share,
)
from harmonize_kit.core.scorecard import Score

Measure = Callable[[Floats, Crossing], Floats]
AGREEMENT: dict[str, Measure] = {"icc": intraclass, "ccc": concordance}
BIAS: dict[str, Measure] = {"site_bias": site_bias, "site_bias_size": site_bias_size}
BOUNDS = {"site_bias": (-np.inf, np.inf), "site_bias_size": (0.0, np.inf)}


def subject_scores(candidate: Candidate, panel: Panel, target: BiologyTarget) -> list[Score]:
    """Return agreement and bias of travelling subjects, and variation within all who repeat.

    There are none without repeated subjects. All are of the features as published: a harmonizer's
    fit to the whole table.
    """
    study = panel.study
    if not study.repeated or study.subject_name is None:
        return []
    scores = [] if target.crossing is None else _travellers(candidate, panel, target.crossing)
    shares = within_subject_share(candidate.whole, study.subject, panel.weights)
    observed = within_subject_share(candidate.whole, study.subject)
    draws = np.median(np.vstack([observed, shares]), axis=1)
    scores.append(_score(candidate, study.subject_name, "within_subject_share", draws, ""))
    return scores


def _travellers(candidate: Candidate, panel: Panel, crossing: Crossing) -> list[Score]:
    """Return what is told by subjects who were seen at all of some sites.

    A bias has a sign between two sites alone.
    """
    study = panel.study
    names = [study.sites[int(code)] for code in crossing.sites]
    measures = AGREEMENT | BIAS
    told = f"{len(crossing.rows)} subjects seen at each of {len(names)} sites: {', '.join(names)}"
    if len(names) > 2:
        del measures["site_bias"]
    scores: list[Score] = []
    for metric, measure in measures.items():
        draws = _subject_draws(candidate.whole, crossing, measure, panel.weights)
        if draws.size:
            scores.append(_score(candidate, study.subject_name or "", metric, draws, told))
    return scores


def _subject_draws(values: Floats, crossing: Crossing, measure: Measure, weights: Floats) -> Floats:
    """Return the median over features, of the subjects and of every bootstrap sample of them.

    A sample that holds one subject alone tells nothing of agreement and is left out, as is one of
    which nothing is known of any feature; nothing at all is returned where that is so of the whole.
    """
    draws = [_median(measure(values, crossing))]
    if np.isnan(draws[0]):
        return np.empty(0)
    for counts in weights[:, crossing.rows[:, 0]].astype(np.intp):
        if np.count_nonzero(counts) > 1:
            drawn = replace(crossing, rows=np.repeat(crossing.rows, counts, axis=0))
            draws.append(_median(measure(values, drawn)))
    found = np.asarray(draws, dtype=np.float64)
    return found[np.isfinite(found)]


def _median(found: Floats) -> float:
    known = found[np.isfinite(found)]
    return float(np.median(known)) if known.size else float("nan")


def _score(candidate: Candidate, target: str, metric: str, draws: Floats, remark: str) -> Score:
    value, higher = float(draws[0]), metric in AGREEMENT
    bounds = BOUNDS.get(metric, (-1.0, 1.0) if higher else (0.0, 1.0))
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
