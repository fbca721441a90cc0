"""Everything that is found of the site in one candidate, on cases as the candidate gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harmonize_kit.compare import notes
from harmonize_kit.compare.arrays import Floats, Ints, column_scale
from harmonize_kit.compare.between_sites import BetweenSites, between_sites
from harmonize_kit.compare.brown_forsythe import (
    log_variance_ratio,
    median_log_variance_ratio,
    significant_scale,
)
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.cohens_d import cohens_d, median_cohens_d, site_pairs
from harmonize_kit.compare.kruskal_wallis import significant_ranks
from harmonize_kit.compare.mixing import mixing
from harmonize_kit.compare.moments import (
    Moments,
    observed_moments,
)
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.partial_eta_squared import SiteEffect, site_effect
from harmonize_kit.compare.permanova import permanova_r2
from harmonize_kit.compare.resampling import (
    Estimate,
    centred_interval,
    null_of,
)
from harmonize_kit.compare.residuals import residuals
from harmonize_kit.compare.samples import Sample
from harmonize_kit.compare.site_draws import SiteDraws, draw_site, owned_columns
from harmonize_kit.compare.variance_partition import (
    RESIDUAL,
    SHARED,
    SUBJECT,
    mean_variance_shares,
    subject_share,
)
from harmonize_kit.compare.wasserstein import median_wasserstein

UNBOUNDED = (0.0, np.inf)


@dataclass(frozen=True)
class SiteFindings:
    """What is left of the site in a candidate.

    Parameters
    ----------
    effect : SiteEffect
    estimates : mapping of str to Estimate
        By metric.
    remarks : mapping of str to str
        By metric: what a reader must know of the cases it was taken on.
    features : mapping of str to ndarray, shape (p,)
        Further statistics of each feature; NaN where it is constant.
    pairs : sequence of mapping
        For each pair of large sites, how far they lie apart.
    partition : mapping of str to Estimate
        Mean share of the variance of a feature, by what it goes with.
    """

    effect: SiteEffect
    estimates: Mapping[str, Estimate] = field(default_factory=dict[str, Estimate])
    remarks: Mapping[str, str] = field(default_factory=dict[str, str])
    features: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    pairs: Sequence[Mapping[str, object]] = ()
    partition: Mapping[str, Estimate] = field(default_factory=dict[str, Estimate])


def find_site(candidate: Candidate, panel: Panel) -> SiteFindings:
    """Return all that is found of the site in the candidate's table.

    There is nothing to find where no feature varies, and nothing is returned then: a destroyed
    table shows no site, and a number that said so would read as success.
    """
    study, config = panel.study, panel.config
    site, covariates = study.site, study.biology_columns
    varying = candidate.whole[:, ~candidate.constant]
    if not varying.shape[1]:
        nothing = site_effect(candidate.whole, site, covariates, panel.permutations, panel.weights)
        return SiteFindings(nothing)
    residual = residuals(varying, site, covariates)
    mean, scale = column_scale(varying)
    standard = (varying - mean) / scale
    large = _large_codes(panel)
    draws = draw_site(standard, residual.reduced, residual.covariates, panel, large)
    effect = site_effect(
        candidate.whole, site, covariates, panel.permutations, panel.weights, config.significance,
        draws.eta, draws.permuted_eta,
    )  # fmt: skip
    rest = residual.adjusted()
    by_rank, ranks = significant_ranks(
        rest, site, residual.covariates, panel.permutations, config.significance
    )
    estimates = {
        "site_rank_significant_fraction": by_rank,
        "site_permanova_r2": permanova_r2(varying, site, covariates, draws.permuted_r2, draws.r2),
    }
    moments = observed_moments(standard, site, residual.covariates)
    partition = _partition(moments, draws, panel, rest)
    remarks: dict[str, str] = dict.fromkeys(
        ("site_partial_eta_squared_median", "site_permanova_r2"),
        notes.interval_of(varying.shape[1]),
    )
    between = None
    features = {"kruskal_wallis_q": _spread(ranks.q, candidate)}
    if panel.large is not None:
        chosen = moments.of(large)
        found, between, scale_q = _of_large_sites(candidate, panel.large, chosen, draws, panel)
        features |= _features(candidate, chosen) | {"brown_forsythe_q": scale_q}
        estimates |= found
        remarks |= dict.fromkeys(found, notes.without_small(panel.large))
        remarks["site_log_variance_ratio_median"] = notes.join(
            notes.without_small(panel.large), notes.THIN, notes.interval_of(varying.shape[1])
        )
        remarks["site_cohens_d_median"] = notes.join(
            notes.without_small(panel.large), notes.interval_of(varying.shape[1])
        )
    if panel.near is not None and (near := panel.near.residuals(candidate.whole)) is not None:
        drawn = panel.near.permutations, panel.near.weights
        found = mixing(near, panel.near.site, *drawn)
        found["site_wasserstein_median"] = median_wasserstein(near, panel.near.site, *drawn)
        estimates |= found
        remarks |= dict.fromkeys(found, notes.sampled(panel.near, panel.large))
        remarks["site_wasserstein_median"] = notes.join(
            remarks["site_wasserstein_median"],
            notes.wasserstein(near.reduced.shape[1], len(panel.near.weights)),
        )
    pairs = _pairs(panel.large, moments.of(large), between) if panel.large and between else []
    return SiteFindings(effect, estimates, remarks, features, pairs, partition)


def _large_codes(panel: Panel) -> Ints:
    names = () if panel.large is None else panel.large.sites
    place = {name: code for code, name in enumerate(panel.study.sites)}
    return np.asarray([place[name] for name in names], dtype=np.intp)


def _of_large_sites(
    candidate: Candidate, large: Sample, moments: Moments, draws: SiteDraws, panel: Panel
) -> tuple[dict[str, Estimate], BetweenSites | None, Floats]:
    """Return estimates, distances of pairs, and q of a difference in spread, shape (p,)."""
    spread = float(median_log_variance_ratio(moments)[0])
    distance = float(median_cohens_d(moments)[0])
    found = {
        "site_log_variance_ratio_median": Estimate(
            spread,
            centred_interval(spread, draws.spread[np.isfinite(draws.spread)], UNBOUNDED),
            null_of(spread, draws.permuted_spread),
        ),
        "site_cohens_d_median": Estimate(
            distance,
            centred_interval(distance, draws.distance, UNBOUNDED),
            null_of(distance, draws.permuted_distance),
        ),
    }
    q = np.full(candidate.whole.shape[1], np.nan)
    residual = large.residuals(candidate.whole)
    if residual is None:
        return found, None, q
    level, components = panel.config.significance, panel.config.between_components
    found["site_scale_significant_fraction"], told = significant_scale(
        residual.adjusted(), large.site, large.permutations, level
    )
    q[large.varying(candidate.whole)] = told
    between = between_sites(residual, large.site, large.permutations, large.weights, components)
    found["site_mahalanobis_mean"] = between.mahalanobis
    found["site_covariance_distance_mean"] = between.covariance
    return found, between, q


def _partition(
    moments: Moments, draws: SiteDraws, panel: Panel, rest: Floats
) -> dict[str, Estimate]:
    """Return the mean shares of the variance, those of subjects too where they repeat."""
    study = panel.study
    names = [study.site_name, *(covariate.name for covariate in study.biology), SHARED, RESIDUAL]
    values = mean_variance_shares([moments], owned_columns(panel))[0]
    found: dict[str, Estimate] = {}
    for place, name in enumerate(names):
        value = float(values[place])
        drawn = draws.partition[:, place] if len(draws.partition) else np.empty(0)
        bounds = (-1.0, 1.0) if name == SHARED else (0.0, 1.0)
        found[name] = Estimate(value, centred_interval(value, drawn, bounds))
    if study.repeated and len(np.unique(study.subject)) > 1:
        means = moments.mean[0][study.site]
        share = float(np.mean(subject_share(rest - means, study.subject))) * found[RESIDUAL].value
        found[SUBJECT] = Estimate(share)
        found[RESIDUAL] = Estimate(found[RESIDUAL].value - share)
    return found


def _features(candidate: Candidate, moments: Moments) -> dict[str, Floats]:
    """Return statistics of the features that vary, at sites large enough to speak of variance."""
    found = {
        "log_variance_ratio": log_variance_ratio(moments)[0],
        "largest_cohens_d": np.max(np.abs(cohens_d(moments)[0]), axis=0),
    }
    return {name: _spread(column, candidate) for name, column in found.items()}


def _spread(column: Floats, candidate: Candidate) -> Floats:
    """Return the statistics of varying features in their places among all, NaN elsewhere."""
    every = np.full(len(candidate.constant), np.nan)
    every[~candidate.constant] = column
    return every


def _pairs(large: Sample, moments: Moments, between: BetweenSites) -> list[dict[str, object]]:
    first, second = site_pairs(len(large.sites))
    distance = np.median(np.abs(cohens_d(moments)[0]), axis=1)
    return [
        {
            "sites": [large.sites[a], large.sites[b]],
            "cohens_d": float(distance[row]),
            "mahalanobis": float(between.pairs.mahalanobis[row]),
            "covariance": float(between.pairs.covariance[row]),
        }
        for row, (a, b) in enumerate(zip(first, second, strict=True))
    ]
