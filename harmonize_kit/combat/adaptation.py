"""A new site learned against a frozen model, as ``predict`` of R's ComBatFamily does.

ComBatFamily 0.2.1, ``predict.comfam``: location and scale of the new
site come from its standardised residuals under the old fit, its priors from its own features. It
is valid where the covariate effects of the model hold at the new site, and its cases lie within
the training ranges.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.effects import SiteEffects
from harmonize_kit.combat.location_scale import (
    Standardisation,
    constant_features,
    site_counts,
    site_location_scale,
)
from harmonize_kit.combat.missing import sum_present
from harmonize_kit.combat.setting import tell_passed_through, tell_small_sites
from harmonize_kit.combat.shrinkage import shrink, without_single_cases
from harmonize_kit.combat.sums import sum_rows
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import DesignError, HarmonizeWarning

if TYPE_CHECKING:
    from harmonize_kit.combat.model import FittedComBat

Array = NDArray[np.float64]


def learn_sites(model: FittedComBat, table: FeatureTable) -> FittedComBat:
    """Return ``model`` with the sites of ``table`` that it does not know.

    Raises
    ------
    DesignError
        If there is no new site, or one of a single case would not be shrunken.
    TableError, CovariateError
        See :meth:`FittedComBat.apply`.
    """
    config, source = model.config, table.source
    named = text_column(table.covariates, config.site, source)
    new = sorted(set(named) - set(model.sites))
    if not new:
        raise DesignError(
            f"{source}: expected a site that the model does not know, got only "
            f"{', '.join(sorted(set(named)))}; apply the model, or fit anew to learn these again"
        )
    known = named.isin(model.sites).to_numpy()
    if known.any():
        warnings.warn(
            f"{source}: {int(known.sum())} cases of sites the model knows take no part",
            HarmonizeWarning,
            stacklevel=4,
        )
    cases = table.select([case for case, old in zip(table.ids, known, strict=True) if not old])
    model.tell_extrapolation(cases)
    values = model.own_features(cases).to_numpy(dtype=np.float64)
    covariates = model.design.matrix(cases.covariates, source)
    at = text_column(cases.covariates, config.site, source).to_numpy()
    sizes = np.array([int((at == site).sum()) for site in new])
    tell_small_sites(config, new, sizes, source)
    learned = [_learn(model, values[at == site], covariates[at == site], source) for site in new]
    location, scale, raw_location, raw_scale = (
        np.vstack([old, *(site[part] for site in learned)])
        for part, old in enumerate(
            (model.location, model.scale, model.raw_location, model.raw_scale)
        )
    )
    return replace(
        model,
        sites=(*model.sites, *new),
        counts=(*model.counts, *(int(count) for count in sizes)),
        location=location,
        scale=scale,
        raw_location=raw_location,
        raw_scale=raw_scale,
        adapted=(*model.adapted, *new),
    )


def _learn(
    model: FittedComBat, values: Array, covariates: Array, source: str
) -> tuple[Array, Array, Array, Array]:
    """Return shrunken and raw location and scale of one new site, each (p,)."""
    config = model.config
    mean_only = np.array([len(values) == 1 or config.mean_only])
    if np.isnan(values).any():
        sums = [sum_present(covariates, values)]
        sparse = (sums[0].count < min(2, len(values))) & ~model.passed_through
    else:
        sums, sparse = [sum_rows(covariates, values)], np.zeros_like(model.passed_through)
    standard = Standardisation(model.grand_mean, model.coefficients, model.pooled_sd)
    location, scale, squares = site_location_scale(sums, standard, mean_only=mean_only)
    constant = constant_features(sums) & ~model.passed_through & ~sparse
    tell_passed_through(source, model.features, constant, sparse)
    passed = constant | sparse | model.passed_through
    location[:, passed], scale[:, passed] = 0.0, 1.0
    counts = site_counts(sums)
    effects = SiteEffects(standard, location, scale, squares, counts, passed, sparse)
    new_location, new_scale = shrink(config, effects, mean_only, source)
    kept = without_single_cases(effects, new_location, new_scale)
    return new_location[0], new_scale[0], kept[0][0], kept[1][0]
