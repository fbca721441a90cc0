"""ComBat over sites that keep their cases: from sums of each site to the model of all.

1. Each site *summarizes* its cases (:mod:`harmonize_kit.combat.site_summary`).
2. The sums are *combined*: covariate effects, grand means and pooled variances follow from them,
   as they do from the cases (Chen et al. 2022, NeuroImage 248:118822). One round suffices, for the
   pooled variance needs no residual: with S = sum of y'y, C = X'y and G = X'X about the means of
   each site, the residual sum of squares is S - 2 b'C + b'G b.
3. A site *finishes*: its own location and scale follow from its own sums and what was combined, and
   its priors from its own features. Every site can finish for itself, or one for all.

The sums are made of plain columns; their mean and standard deviation over all cases follow from
them too, so that the design is centred and scaled as in a fit of all cases in one place. That fit,
with the same agreement on ranges, levels and knots, is :func:`pooled_harmonizer`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.agreed_design import AgreedCovariates, standardised_design
from harmonize_kit.combat.covariate_effects import EffectEstimator
from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.effects import SiteEffects
from harmonize_kit.combat.federation_checks import (
    covariate_moments,
    overlap_warnings,
    require_estimable_sums,
    require_one_plan,
    require_reference,
    require_same_sums,
)
from harmonize_kit.combat.harmonizer import ComBatHarmonizer
from harmonize_kit.combat.location_scale import (
    Standardisation,
    constant_features,
    site_location_scale,
    standardise,
)
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.setting import tell_small_sites
from harmonize_kit.combat.shrinkage import shrink
from harmonize_kit.combat.site_summary import Summary, digest_sums
from harmonize_kit.combat.sums import SiteSums
from harmonize_kit.config.combat import combat_part
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.errors import HarmonizeWarning

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Combination:
    """What follows from the sums of all sites; nothing of one site but its name and size.

    Grand means and pooled variances are those of the reference site where there is one.

    Parameters
    ----------
    plan : FederationPlan
    design : CovariateDesign
        Centred and scaled by the cases of all sites.
    features : tuple of str
    counts : mapping of str to int
        Cases of each site.
    digests : mapping of str to str
        Of the sums of each site.
    standard : Standardisation
    passed_through : ndarray of bool, shape (p,)
    """

    plan: FederationPlan
    design: CovariateDesign
    features: tuple[str, ...]
    counts: Mapping[str, int]
    digests: Mapping[str, str]
    standard: Standardisation
    passed_through: NDArray[np.bool_]


def pooled_harmonizer(plan: FederationPlan) -> ComBatHarmonizer:
    """Return what fits all cases in one place, with the ranges, levels and knots of a plan."""
    return ComBatHarmonizer(combat_part(plan), AgreedCovariates.of(plan))


def combine(summaries: Sequence[Summary], source: str = "combination") -> Combination:
    """Return what follows from the sums of all sites.

    Raises
    ------
    ConfigError
        If the plans, the columns or the features differ, or a site comes twice.
    DesignError
        If there is one site only, the reference is none of them, or a covariate cannot be told
        from the site.
    """
    sums = require_one_plan(summaries, source)
    first = summaries[0]
    plan, agreed = first.plan, AgreedCovariates.of(first.plan)
    require_reference(plan, tuple(sums), source)
    parsed, terms = agreed.formula(plan), agreed.smooth_terms(plan.smooth)
    moments = covariate_moments(list(sums.values()))
    design = standardised_design(parsed, agreed, terms, first.columns, moments, source)
    sizes = np.array([own.count for own in sums.values()], dtype=np.int_)
    scaled = [_standardised(own, design) for own in sums.values()]
    require_estimable_sums(scaled, design, plan.site)
    for told in overlap_warnings(sums, first.columns, source):
        warnings.warn(told, HarmonizeWarning, stacklevel=2)
    tell_small_sites(plan, tuple(sums), sizes, source)
    criterion = "gcv" if plan.smoothing == "gcv" else "reml"
    reference = None if plan.reference is None else tuple(sums).index(plan.reference)
    standard = standardise(
        scaled, sizes, reference, estimator=EffectEstimator(design.penalties(), criterion)
    )
    passed = constant_features(scaled) | (standard.pooled_sd == 0)
    if passed.any():
        warnings.warn(
            f"{source}: {int(passed.sum())} features do not vary in some site, or in too few of "
            "its cases for sums of them to be sent, and are passed through unchanged",
            HarmonizeWarning,
            stacklevel=2,
        )
    return Combination(
        plan,
        design,
        first.features,
        {site: own.count for site, own in sums.items()},
        {site: digest_sums(own) for one in summaries for site, own in one.sums.items()},
        replace(standard, pooled_sd=np.where(passed, 1.0, standard.pooled_sd)),
        passed,
    )


def finish(
    combination: Combination, summaries: Sequence[Summary], source: str = "combination"
) -> FittedComBat:
    """Return the model of the sites that ``summaries`` are of, and of the reference site.

    Raises
    ------
    IntegrityError
        If sums are not those that were combined.
    ConfigError
        If plans, columns or features differ, or a site comes twice.
    TableError
        If there are too few features to shrink over.
    """
    sums = require_one_plan(summaries, source, combination.features)
    require_same_sums(summaries, combination.plan, combination.digests, source)
    plan, passed = combination.plan, combination.passed_through
    own = [_standardised(one, combination.design) for one in sums.values()]
    mean_only = np.full(len(own), plan.mean_only)
    location, scale, squares = site_location_scale(own, combination.standard, mean_only=mean_only)
    location[:, passed], scale[:, passed] = 0.0, 1.0
    counts = np.array([[one.count] for one in own], dtype=np.float64)
    effects = SiteEffects(
        combination.standard, location, scale, squares, counts, passed, np.zeros_like(passed)
    )
    shrunken = shrink(plan, effects, mean_only, source)
    rows = {
        site: (shrunken[0][at], shrunken[1][at], location[at], scale[at])
        for at, site in enumerate(sums)
    }
    if plan.reference is not None:
        rows[plan.reference] = _reference_rows(combination, plan.reference)
    sites = tuple(sorted(rows))
    shrunken_location, shrunken_scale, raw_location, raw_scale = (
        np.stack([rows[site][part] for site in sites]) for part in range(4)
    )
    return FittedComBat(
        combat_part(plan),
        combination.design,
        combination.features,
        sites,
        tuple(combination.counts[site] for site in sites),
        passed,
        combination.standard.grand_mean,
        combination.standard.pooled_sd,
        combination.standard.coefficients,
        shrunken_location,
        shrunken_scale,
        raw_location,
        raw_scale,
    )


def _reference_rows(combination: Combination, site: str) -> tuple[Array, Array, Array, Array]:
    """Return location and scale of the reference, shrunken and not: it is its own measure."""
    zero, one = np.zeros(len(combination.features)), np.ones(len(combination.features))
    count = combination.counts[site]
    spread = 1.0 if combination.plan.mean_only else count / (count - 1)
    return zero, one, zero, np.where(combination.passed_through, 1.0, spread)


def _standardised(one: SiteSums, design: CovariateDesign) -> SiteSums:
    """Return the sums of columns that are centred and scaled as in a design."""
    centre = np.concatenate([design.centre, *(term.centre for term in design.smooths)])
    scale = np.concatenate([design.scale, np.ones(len(centre) - len(design.scale))])
    return replace(
        one,
        covariate_mean=(one.covariate_mean - centre) / scale,
        gram=one.gram / np.outer(scale, scale),
        cross=one.cross / scale[:, None],
    )
