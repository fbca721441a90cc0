"""What biology of every candidate is held against: the state before, seen within sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harmonize_kit.compare.arrays import MOST_DRAWN, Floats, evenly
from harmonize_kit.compare.biology_model import (
    BiologyDesign,
    BiologyDraws,
    biology_design,
    draw_biology,
)
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.covariate_curves import curve_distance, summarise_curves
from harmonize_kit.compare.effect_agreement import agreement
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.rank_preservation import rank_preservation
from harmonize_kit.compare.resampling import Estimate, centred_interval
from harmonize_kit.compare.study import rows_by_id
from harmonize_kit.compare.subject_agreement import Crossing, find_crossing
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import TableError

BOUNDS = {
    "effect_concordance": (-1.0, 1.0),
    "effect_correlation": (-1.0, 1.0),
    "curve_distance": (0.0, np.inf),
}


@dataclass(frozen=True)
class BiologyTarget:
    """The first candidate as the others must leave it, and who was seen where.

    Parameters
    ----------
    before : ndarray, shape (n, p)
    design : BiologyDesign, optional
        None without covariates.
    within, drawn : BiologyDraws, optional
        Effects and curves within sites: of all features as they are, and of some of them in every
        bootstrap sample.
    planted : tuple of BiologyDraws, optional
        Effects in the true table, observed and drawn, where the truth is known.
    truth : ndarray, shape (n, p), optional
        The true table.
    crossing : Crossing, optional
        Travelling subjects, where there are three or more.
    """

    before: Floats
    design: BiologyDesign | None = None
    within: BiologyDraws | None = None
    drawn: BiologyDraws | None = None
    planted: tuple[BiologyDraws, BiologyDraws] | None = None
    truth: Floats | None = None
    crossing: Crossing | None = None


def biology_target(first: Candidate, panel: Panel, truth: Floats | None = None) -> BiologyTarget:
    """Read off the first candidate what the others are held against.

    Parameters
    ----------
    first : Candidate
    panel : Panel
    truth : ndarray, shape (n, p), optional
        The same cases and features as they truly are: simulated, or all on one scanner.
    """
    study = panel.study
    crossing = find_crossing(study.site, study.subject) if study.repeated else None
    if not study.biology:
        return BiologyTarget(first.whole, truth=truth, crossing=crossing)
    design = biology_design(study.biology)
    within, drawn = _observed_and_drawn(first.whole, panel, design, within=True)
    planted = None if truth is None else _observed_and_drawn(truth, panel, design, within=False)
    return BiologyTarget(first.whole, design, within, drawn, planted, truth, crossing)


def true_values(truth: FeatureTable, ids: Sequence[str], names: Sequence[str]) -> Floats:
    """Return the true features of the cases that are judged, shape (n, p).

    Raises
    ------
    TableError
        If a case or feature is absent, or a cell is missing.
    """
    absent = sorted(set(ids) - set(truth.ids)) or sorted(set(names) - set(truth.names))
    if absent:
        raise TableError(
            f"truth: expected every case and feature that is judged, got none called '{absent[0]}' "
            f"({len(absent)} are absent); give the truth of the same cases and features"
        )
    values = rows_by_id(truth, ids).features[list(names)].to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        raise TableError("truth: expected complete features, got a missing cell; fill it in")
    return values


@dataclass(frozen=True)
class KeptBiology:
    """How a candidate's biology compares with the target.

    Parameters
    ----------
    agreement : mapping of str to mapping of str to Estimate
        By covariate, then by metric.
    curves : mapping of str to mapping
        By covariate: median and quartiles over features, for the picture.
    ranks : ndarray, shape (p,)
        Rank preservation of each feature.
    """

    agreement: Mapping[str, Mapping[str, Estimate]]
    curves: Mapping[str, Mapping[str, Any]]
    ranks: Floats


def kept_biology(candidate: Candidate, target: BiologyTarget, panel: Panel) -> KeptBiology:
    """Hold a candidate's effects, curves and ranks against the target."""
    ranks = rank_preservation(target.before, candidate.whole, panel.study.site)
    if target.design is None or target.within is None or target.drawn is None:
        return KeptBiology({}, {}, ranks)
    design = target.design
    whole, drawn = _observed_and_drawn(candidate.whole, panel, design, within=False)
    observed = _compare(whole, target.within, design)
    draws = _compare(drawn, target.drawn, design)
    agreed = {
        name: {
            metric: _estimate(metric, float(value[0]), draws[name][metric])
            for metric, value in metrics.items()
        }
        for name, metrics in observed.items()
    }
    if target.planted is not None:
        true, samples = (
            _compare(own, aim, design)
            for own, aim in zip((whole, drawn), target.planted, strict=True)
        )
        for name, metrics in agreed.items():
            metrics |= {
                f"planted_{metric}": _estimate(metric, float(value[0]), samples[name][metric])
                for metric, value in true[name].items()
            }
    pictures = {
        name: summarise_curves(basis, whole.curves[name][0], target.within.curves[name][0])
        for name, basis in design.bases.items()
    }
    return KeptBiology(agreed, pictures, ranks)


def describe_curves(
    target: BiologyTarget, candidates: Mapping[str, KeptBiology]
) -> dict[str, dict[str, Any]]:
    """Return the curves as plain lists: by covariate, points, the target and each candidate."""
    if target.design is None or target.within is None:
        return {}
    described: dict[str, dict[str, Any]] = {}
    for name, basis in target.design.bases.items():
        aim = target.within.curves[name][0]
        described[name] = {
            "at": basis.points.tolist(),
            "within_sites": summarise_curves(basis, aim, aim),
            "candidates": {key: dict(kept.curves[name]) for key, kept in candidates.items()},
        }
    return described


def _observed_and_drawn(
    values: Floats, panel: Panel, design: BiologyDesign, *, within: bool
) -> tuple[BiologyDraws, BiologyDraws]:
    """Return all features as they are, and some of them in every bootstrap sample."""
    site, ones = panel.study.site, np.ones((1, len(values)))
    some = evenly(values, MOST_DRAWN)
    return (
        draw_biology(values, site, design, ones, within=within),
        draw_biology(some, site, design, panel.weights, within=within),
    )


def _compare(
    own: BiologyDraws, aim: BiologyDraws, design: BiologyDesign
) -> dict[str, dict[str, Floats]]:
    """Return the metrics of each covariate, shape (b,)."""
    found: dict[str, dict[str, Floats]] = {}
    for name, columns in design.own.items():
        agreed = agreement(own.effects[:, columns], aim.effects[:, columns])
        found[name] = {
            "effect_concordance": agreed.concordance,
            "effect_slope": agreed.slope,
            "effect_correlation": agreed.correlation,
        }
        if name in design.bases:
            distance = curve_distance(design.bases[name], own.curves[name], aim.curves[name])
            found[name]["curve_distance"] = distance
    return found


def _estimate(metric: str, value: float, draws: Floats) -> Estimate:
    """Centre the interval: agreement of noisy effects is biased in samples that repeat subjects."""
    return Estimate(value, centred_interval(value, draws, BOUNDS.get(metric, (-np.inf, np.inf))))
