"""One pass through bootstrap samples and permutations, for all metrics that rest on site sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harmonize_kit.compare.arrays import MOST_DRAWN, Flags, Floats, Ints, evenly, indicators
from harmonize_kit.compare.brown_forsythe import median_log_variance_ratio
from harmonize_kit.compare.cohens_d import median_cohens_d
from harmonize_kit.compare.moments import Moments, permuted_moments, resampled_moments
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.partial_eta_squared import median_share, shares
from harmonize_kit.compare.permanova import share_of_moments
from harmonize_kit.compare.variance_partition import mean_variance_shares

LEAST_DIFFERENT = 3


@dataclass(frozen=True)
class SiteDraws:
    """Summaries of every draw; empty where nothing was drawn.

    Parameters
    ----------
    eta, r2 : ndarray, shape (b,)
        Median partial eta squared and PERMANOVA's share in bootstrap samples.
    partition : ndarray, shape (b, 3 + n_covariates)
        Mean shares of variance in bootstrap samples.
    spread, distance : ndarray, shape (b,)
        Median log variance ratio and Cohen's d between large sites in bootstrap samples.
    permuted_eta : ndarray, shape (n_permutations, p)
        Partial eta squared of every feature under permutations.
    permuted_r2, permuted_spread, permuted_distance : ndarray, shape (n_permutations,)
        Under permutations.
    """

    eta: Floats
    r2: Floats
    partition: Floats
    spread: Floats
    distance: Floats
    permuted_eta: Floats
    permuted_r2: Floats
    permuted_spread: Floats
    permuted_distance: Floats


def draw_site(
    standard: Floats, reduced: Floats, covariates: Floats, panel: Panel, large: Ints
) -> SiteDraws:
    """Go through bootstrap samples and permutations once, and keep what all metrics need.

    Parameters
    ----------
    standard : ndarray, shape (n, p)
        Standardised features; bootstrap samples are drawn of some hundred of them, evenly spread.
    reduced : ndarray, shape (n, p)
        Residuals of the covariates, which are permuted.
    covariates : ndarray, shape (n, d)
    panel : Panel
    large : ndarray of int
        Codes of the sites whose variance may be spoken of.
    """
    site, owned = panel.study.site, owned_columns(panel)
    resampled: list[tuple[Floats, ...]] = []
    some = evenly(standard, MOST_DRAWN)
    known = _telling(site, panel.weights)[:, large]
    start = 0
    for moments in resampled_moments(some, site, covariates, panel.weights):
        here = slice(start, start := start + len(moments.count))
        resampled.append(
            (
                median_share(moments),
                share_of_moments(moments),
                mean_variance_shares([moments], owned),
                *_of_pairs(moments, large, known[here]),
            )
        )
    permuted: list[tuple[Floats, ...]] = []
    for moments in permuted_moments(reduced, site, covariates, panel.permutations):
        permuted.append((shares(moments), share_of_moments(moments), *_of_pairs(moments, large)))
    if not permuted:
        permuted = [(np.empty((0, reduced.shape[1])), *[np.empty(0)] * 3)]
    return SiteDraws(*_stacked(resampled, 5), *_stacked(permuted, 4))


def _of_pairs(moments: Moments, large: Ints, known: Flags | None = None) -> tuple[Floats, Floats]:
    if len(large) < 2:
        return np.empty(0), np.empty(0)
    chosen = moments.of(large)
    return median_log_variance_ratio(chosen, known), median_cohens_d(chosen)


def _telling(site: Ints, weights: Floats) -> Flags:
    """Tell which sites hold enough different cases in a bootstrap sample to vary, shape (b, k).

    A case that is drawn again does not vary: a sample of five may hold one case five times over,
    and the logarithm of its variance would be that of rounding.
    """
    member = indicators(site, int(site.max()) + 1)
    return np.asarray((weights > 0) @ member >= LEAST_DIFFERENT)


def _stacked(parts: Sequence[tuple[Floats, ...]], count: int) -> list[Floats]:
    if not parts:
        return [np.empty(0)] * count
    return [np.concatenate(found) for found in zip(*parts, strict=True)]


def owned_columns(panel: Panel) -> list[slice]:
    """Return which columns of the biology each covariate owns."""
    widths = [covariate.columns.shape[1] for covariate in panel.study.biology]
    ends = np.cumsum([0, *widths])
    return [slice(int(low), int(high)) for low, high in pairwise(ends)]
