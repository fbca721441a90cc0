"""Sentences that stand beside a score so that it is read rightly; empty where none is needed."""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import MOST_DRAWN, positions
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.covariates import Covariate, share_between_sites
from harmonize_kit.compare.folds import CrossValidation
from harmonize_kit.compare.resampling import Estimate
from harmonize_kit.compare.samples import FEWEST, Sample
from harmonize_kit.compare.study import Study
from harmonize_kit.compare.wasserstein import MOST_BOOTSTRAPS, MOST_FEATURES

CONTROLS = {
    "control_false_alarms": (
        "share of exchanged data sets in which any feature shows a site effect after adjustment; "
        "the level of q is nominal; interval: what so many exchanged sets can tell"
    ),
    "control_planted_found": (
        "shifts of half a standard deviation planted in half of the features, sites exchanged; "
        "interval: over exchanged sets"
    ),
    "control_false_discoveries": (
        "mean share of features found that nothing was planted in; the level of q is nominal; "
        "interval: over exchanged sets"
    ),
    "control_unneeded_change": (
        "1 - squared correlation of features before and after a fit to exchanged sites; about "
        "(sites - 1) / cases cannot be avoided"
    ),
    "control_planted_removed": (
        "share of site shifts of half a standard deviation, planted before a fit to the whole "
        "table, that is gone after it"
    ),
    "control_marker_kept": (
        "correlation with a planted marker that the harmonizer is not told of, over the one before"
    ),
}

THIN = "interval: sites are left out of bootstrap samples that hold fewer than three of their cases"
NEW_SITE = (
    "the predictor learned from the other sites; no null, as every permuted target would have to "
    "be learned anew without each site"
)


def join(*sentences: str) -> str:
    """Return the sentences that are not empty as one note."""
    return "; ".join(sentence for sentence in sentences if sentence)


def left_out_sites(study: Study, split: CrossValidation | None) -> list[str]:
    """Return the sites that take no part in cross-validation."""
    if split is None:
        return list(study.sites)
    taking_part = np.isin(np.arange(len(study.sites)), study.site[split.rows])
    return [study.sites[code] for code in positions(~taking_part)]


def chance(study: Study, split: CrossValidation) -> str:
    """Say what guessing gives, and which sites were too small to be guessed."""
    k = len(np.unique(study.site[split.rows]))
    return join(f"chance is 1/{k} = {1 / k:.3g}", _without(study, split))


def without_small(sample: Sample) -> str:
    """Say how many cases were left out because their site has too few to speak of variance."""
    left = sample.total - len(sample.rows)
    return f"without {left} cases of sites with fewer than {FEWEST}" if left else ""


def sampled(sample: Sample, large: Sample | None) -> str:
    """Say on how many of the cases of large sites distances were taken."""
    if large is None or len(sample.rows) == len(large.rows):
        return without_small(sample)
    return f"on {len(sample.rows)} of {sample.total} cases, subjects drawn within sites"


def wasserstein(n_features: int, n_bootstraps: int) -> str:
    """Say that some features and bootstrap samples stand for many, since sorting is what costs."""
    features = (
        f"on {MOST_FEATURES} of {n_features} features, evenly spread"
        if n_features > MOST_FEATURES
        else ""
    )
    draws = (
        f"interval from {MOST_BOOTSTRAPS} of {n_bootstraps} bootstrap samples"
        if n_bootstraps > MOST_BOOTSTRAPS
        else ""
    )
    return join(features, draws)


def interval_of(n_features: int) -> str:
    """Say that the interval of a summary over many features comes from some of them."""
    if n_features <= MOST_DRAWN:
        return ""
    return f"interval from {MOST_DRAWN} of {n_features} features, evenly spread"


def above_null(estimate: Estimate) -> str:
    """Say that sites mixing better than exchanged ones is no merit."""
    if estimate.null is None or estimate.value <= estimate.null.high:
        return ""
    return (
        "above the permutation null, which is not better than chance: a correction fitted to the "
        "judged cases themselves does this"
    )


def below_null(estimate: Estimate, *, refitted: bool) -> str:
    """Say that a site score under its null is no better than one inside it.

    A correction fitted to the very cases that are judged forces their site means together. A
    training set's mean then lies on the other side of its site's held-out cases, and a classifier
    places them anywhere but there. Data without a site effect lie inside the null.
    """
    if estimate.null is None or estimate.value >= estimate.null.low:
        return ""
    reason = "" if refitted else ": a correction fitted to the judged cases themselves does this"
    return f"below the permutation null, which is not better than chance{reason}"


def maker(candidate: Candidate) -> str:
    """Say that a harmonizer was fitted to all cases for this score."""
    return "" if candidate.harmonizer is None else "from the harmonizer's fit to the whole table"


def refit(candidate: Candidate) -> str:
    """Say that a harmonizer was refitted in each fold for this score."""
    if candidate.harmonizer is None:
        return ""
    return "harmonizer refitted on the training cases of each fold"


def effect(covariate: Covariate) -> str:
    """Say what the effect of a covariate is, and which way it points."""
    if covariate.kind == "numeric":
        return "absolute partial correlation within sites"
    if covariate.kind == "binary":
        high, low = covariate.levels[1], covariate.levels[0]
        return f"absolute partial correlation within sites, '{high}' against '{low}'"
    return "partial eta squared within sites"


def prediction(covariate: Covariate, study: Study, split: CrossValidation) -> str:
    """Say what the null of a prediction means, and how far site alone goes."""
    share = share_between_sites(covariate, study.site)
    confounded = f"site explains {share:.0%} of it" if share >= 0.1 else ""
    return join(
        "null: target exchanged within sites, so its mean is what telling the site alone gives",
        confounded,
        _without(study, split),
    )


def leak(candidate: Candidate, covariate: Covariate) -> str:
    """Say that a harmonizer which preserves the target reads it of held-out cases too."""
    if candidate.harmonizer is None:
        return ""
    return (
        f"an upper bound if the harmonizer preserves '{covariate.name}', since it then reads it "
        "of held-out cases too (Nieto et al. 2024)"
    )


def constant_features(candidate: Candidate) -> str:
    """Say how many features the candidate left without variation."""
    count, total = int(candidate.constant.sum()), len(candidate.constant)
    if not count:
        return ""
    if count == total:
        return "every feature is constant, so there is nothing left to find"
    return (
        f"{count} of {total} features are constant here: they carry no biology and are left out "
        "of site scores"
    )


def _without(study: Study, split: CrossValidation) -> str:
    absent = left_out_sites(study, split)
    if not absent:
        return ""
    counts = dict(zip(study.sites, study.subjects_per_site.tolist(), strict=True))
    listed = ", ".join(f"{name} ({counts[name]})" for name in absent[:5])
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return f"without sites of too few subjects for {len(split.folds)} folds: {listed}{more}"
