"""Fitting ComBat: design, standardise, estimate site effects, shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.agreed_design import AgreedCovariates
from harmonize_kit.combat.effects import SiteEffects, estimate_effects
from harmonize_kit.combat.empirical_bayes import estimate_priors
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.robust_location_scale import estimate_robust_effects, shrink_robust
from harmonize_kit.combat.setting import Setting, read_setting, tell_passed_through
from harmonize_kit.combat.shrinkage import require_two_varying, shrink, without_single_cases
from harmonize_kit.combat.smoothing_choice import effect_estimator
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, TableError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ComBatHarmonizer:
    """ComBat with covariates (Johnson et al. 2007; Fortin et al. 2018), as a configuration.

    Site effects are estimated after the covariates, over all features and sites at once, and the
    numbers are those of R's ``sva::ComBat`` to rounding, missing cells included. The method is
    valid where sites differ in location and scale and covariates vary inside sites: then what is
    removed is what the sites do not share, and what the covariates explain is put back.

    Parameters
    ----------
    config : ComBatConfig
    agreed : AgreedCovariates, optional
        Ranges, levels and knots of the covariates, where they are not to be learned from the cases.
    """

    config: ComBatConfig = field(default_factory=ComBatConfig)
    agreed: AgreedCovariates | None = None

    def fit(self, table: FeatureTable) -> FittedComBat:
        """Learn the site effects of ``table``.

        A missing cell is left out, of its feature alone. A site of one case has its mean corrected
        and its variance left, and is said.

        Raises
        ------
        DesignError
            If there is one site only, the reference is no site, or a covariate cannot be told from
            the site.
        CovariateError
            If site or covariates are absent or missing for some case.
        TableError
            If there are too few features to shrink over.
        """
        setting = read_setting(self.config, table, self.agreed)
        if self.config.robust:
            return fit_robust(self.config, setting, table)
        if self.config.smooth and self.config.smoothing == "neuroharmonize":
            require_complete(table, "neuroHarmonize's choice of smoothing")
        effects = estimate_effects(
            table.values,
            setting.rows,
            setting.covariates,
            reference=setting.reference,
            mean_only=setting.mean_only,
            estimator=effect_estimator(self.config, setting, table),
        )
        shrunken = shrink(self.config, effects, setting.mean_only, table.source)
        return complete(self.config, setting, table, effects, shrunken)


def fit_robust(config: ComBatConfig, setting: Setting, table: FeatureTable) -> FittedComBat:
    """Learn site effects by median and biweight midvariance (ComBatFamily's ``robust.LS``)."""
    require_complete(table, "a robust fit")
    if config.smooth:
        raise ConfigError("a robust fit has no smooth covariates; leave out one of the two options")
    if not config.parametric:
        raise ConfigError("a robust fit shrinks parametrically; leave out one of the two options")
    effects, standardised = estimate_robust_effects(
        table.values,
        setting.rows,
        setting.covariates,
        reference=setting.reference,
        mean_only=setting.mean_only,
    )
    if not config.empirical_bayes or config.mean_only:
        shrunken = shrink(config, effects, setting.mean_only, table.source)
    else:
        varying = require_two_varying(effects, table.source)
        g, d = effects.location[:, varying], effects.scale[:, varying]
        found = shrink_robust(standardised[:, varying], setting.rows, g, d, estimate_priors(g, d))
        shrunken = effects.location.copy(), effects.scale.copy()
        shrunken[0][:, varying], shrunken[1][:, varying] = found
    return complete(config, setting, table, effects, shrunken)


def complete(
    config: ComBatConfig,
    setting: Setting,
    table: FeatureTable,
    effects: SiteEffects,
    shrunken: tuple[Array, Array],
    names: Sequence[str] | None = None,
) -> FittedComBat:
    """Return the fitted model of these effects, and say which features are passed through.

    ``names`` are those of the features, where ``table`` holds the cases alone.
    """
    location, scale = shrunken
    if setting.reference is not None:
        location[setting.reference], scale[setting.reference] = 0.0, 1.0
    raw_location, raw_scale = without_single_cases(effects, location, scale)
    names = tuple(table.names if names is None else names)
    tell_passed_through(table.source, names, effects.constant, effects.sparse)
    return FittedComBat(
        config,
        setting.design,
        names,
        setting.sites,
        tuple(int(n) for n in setting.sizes),
        effects.constant | effects.sparse,
        effects.standard.grand_mean,
        effects.standard.pooled_sd,
        effects.standard.coefficients,
        location,
        scale,
        raw_location,
        raw_scale,
    )


def require_complete(table: FeatureTable, what: str) -> None:
    """Refuse missing cells where ``what`` cannot do without them, naming the first."""
    missing = np.argwhere(np.isnan(table.values))
    if missing.size:
        row, column = missing[0]
        raise TableError(
            f"{table.source}: {what} needs every feature of every case, got {len(missing)} missing "
            f"cells (NaN), the first at id '{table.ids[row]}', column '{table.names[column]}'; "
            "fill them in, leave these cases or features out, or use ComBat or ComBat-GAM"
        )
