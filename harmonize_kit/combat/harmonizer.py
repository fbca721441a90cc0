"""Fitting ComBat: design, standardise, estimate site effects, shrink."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.design import learn_design, require_estimable
from harmonize_kit.combat.empirical_bayes import (
    estimate_priors,
    shrink_location,
    shrink_nonparametric,
    shrink_parametric,
)
from harmonize_kit.combat.location_scale import (
    constant_features,
    site_location_scale,
    standardise,
)
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.sums import sum_by_site
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import DesignError, HarmonizeWarning, TableError, did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ComBatHarmonizer:
    """ComBat with covariates (Johnson et al. 2007; Fortin et al. 2018), as a configuration.

    Site effects are estimated after the covariates, over all features and sites at once, and the
    numbers are those of R's ``sva::ComBat`` to rounding. The method is valid where sites differ in
    location and scale and covariates vary inside sites: then what is removed is what the sites
    do not share, and what the covariates explain is put back.
    """

    config: ComBatConfig = field(default_factory=ComBatConfig)

    def fit(self, table: FeatureTable) -> FittedComBat:
        """Learn the site effects of ``table``.

        Raises
        ------
        DesignError
            If there is one site only, a site has one case (and the variance is corrected), the
            reference is no site, or a covariate cannot be told from the site.
        CovariateError
            If site or covariates are absent or missing for some case.
        TableError
            If a feature has a missing cell, or there are too few features to shrink over.
        """
        config, source = self.config, table.source
        named = text_column(table.covariates, config.site, source)
        sites = sorted(set(named))
        codes = np.searchsorted(np.array(sites), named.to_numpy(dtype=str))
        counts = np.bincount(codes, minlength=len(sites))
        _require_sites(config, sites, counts, source)
        _require_complete(table)
        design = learn_design(table.covariates, config.preserve, config.categorical, source)
        covariates = design.matrix(table.covariates, source)
        require_estimable(codes, design.names, covariates, config.site)

        sums = sum_by_site(codes, len(sites), covariates, table.values)
        reference = None if config.reference is None else sites.index(config.reference)
        standard = standardise(sums, reference)
        passed = constant_features(sums) | (standard.pooled_sd == 0)
        standard = replace(standard, pooled_sd=np.where(passed, 1.0, standard.pooled_sd))
        raw = site_location_scale(sums, standard, mean_only=config.mean_only)
        # A feature that is passed through has neither shift nor scale, shrunken or raw.
        raw[0][:, passed], raw[1][:, passed] = 0.0, 1.0
        location, scale = self._shrink(*raw, counts.astype(np.float64), ~passed, table)
        if reference is not None:
            location[reference], scale[reference] = 0.0, 1.0
        # What a site of one case was before shrinkage would be that subject.
        alone = counts == 1
        raw[0][alone] = location[alone]
        _tell_passed_through(table, passed)
        return FittedComBat(
            config,
            design,
            tuple(table.names),
            tuple(sites),
            tuple(int(n) for n in counts),
            passed,
            standard.grand_mean,
            standard.pooled_sd,
            standard.coefficients,
            location,
            scale,
            raw[0],
            raw[1],
        )

    def _shrink(
        self,
        location: Array,
        scale: Array,
        squares: Array,
        counts: Array,
        varying: NDArray[np.bool_],
        table: FeatureTable,
    ) -> tuple[Array, Array]:
        config = self.config
        new_location, new_scale = location.copy(), scale.copy()
        if not config.empirical_bayes:
            return new_location, new_scale
        if varying.sum() < 2:
            raise TableError(
                f"{table.source}: empirical Bayes needs at least two features that vary in every "
                f"site, got {int(varying.sum())}; fit without it (--no-eb, empirical_bayes=False)"
            )
        g, d, s = location[:, varying], scale[:, varying], squares[:, varying]
        priors = estimate_priors(g, d)
        if config.mean_only and config.parametric:
            new_location[:, varying] = shrink_location(
                g, 1.0, 1.0, priors.location_mean, priors.location_variance
            )
        elif config.parametric:
            shrunken = shrink_parametric(g, d, s, counts, priors)
            new_location[:, varying], new_scale[:, varying] = shrunken
        else:
            shrunken = shrink_nonparametric(g, d, s, counts)
            new_location[:, varying] = shrunken[0]
            if not config.mean_only:
                new_scale[:, varying] = shrunken[1]
        return new_location, new_scale


def _require_sites(
    config: ComBatConfig, sites: Sequence[str], counts: NDArray[np.int_], source: str
) -> None:
    if len(sites) < 2:
        raise DesignError(
            f"{source}: expected at least two sites in column '{config.site}', got only "
            f"'{sites[0]}'; there is no site effect to remove"
        )
    if config.reference is not None and config.reference not in sites:
        raise DesignError(
            f"{source}: reference '{config.reference}' is not a site in column '{config.site}'. "
            f"{did_you_mean(config.reference, sites)}"
        )
    single = [name for name, count in zip(sites, counts, strict=True) if count == 1]
    if single and not config.mean_only:
        raise DesignError(
            f"{source}: expected at least two cases a site to estimate its variance, got one at "
            f"{', '.join(repr(name) for name in single)}; leave it out, pool it with a like "
            "scanner, or correct means only (--mean-only, mean_only=True)"
        )


def _require_complete(table: FeatureTable) -> None:
    missing = np.argwhere(np.isnan(table.values))
    if missing.size:
        row, column = missing[0]
        raise TableError(
            f"{table.source}: a fit needs every feature of every case, got {len(missing)} missing "
            f"cells, the first at id '{table.ids[row]}', column '{table.names[column]}'; "
            "fill them in, or leave these cases or features out"
        )


def _tell_passed_through(table: FeatureTable, passed: NDArray[np.bool_]) -> None:
    names = [name for name, flag in zip(table.names, passed, strict=True) if flag]
    if names:
        warnings.warn(
            f"{table.source}: {len(names)} features do not vary in some site and are passed "
            f"through unchanged: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}",
            HarmonizeWarning,
            stacklevel=3,
        )
