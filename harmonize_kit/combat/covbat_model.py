"""CovBat on feature tables: ComBat, then the sites' effects in principal components."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.covbat import ScoreCorrection, fit_scores
from harmonize_kit.combat.harmonizer import ComBatHarmonizer, require_complete
from harmonize_kit.combat.model import FittedComBat, with_harmonized
from harmonize_kit.config.combat import CovBatConfig, combat_part
from harmonize_kit.core.table import FeatureTable


@dataclass(frozen=True)
class FittedCovBat:
    """What :meth:`CovBatHarmonizer.fit` learned.

    Parameters
    ----------
    config : CovBatConfig
    combat : FittedComBat
        What is applied first.
    scores : ScoreCorrection
        What is then taken out of the principal components.
    """

    config: CovBatConfig
    combat: FittedComBat
    scores: ScoreCorrection

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return the table with site effects taken out of features and of how they covary.

        A missing cell stays missing, and adds nothing to its row's components.

        Raises
        ------
        UnseenSiteError, TableError, CovariateError
            See :meth:`FittedComBat.apply`.
        """
        frame = self.combat.own_features(table)
        harmonized = self.combat.apply(table).features[list(self.combat.features)]
        values = harmonized.to_numpy(dtype=np.float64)
        residuals, codes = _residuals(self.combat, values, table)
        return with_harmonized(table, frame, values + self.scores.change(residuals, codes))


@dataclass(frozen=True)
class CovBatHarmonizer:
    """CovBat as a configuration (Chen et al. 2022, Hum Brain Mapp 43:1179).

    Valid where ComBat is, and sites differ besides in how features covary. It needs more cases
    than ComBat: the components are estimated from all of them, their site effects from each site.
    """

    config: CovBatConfig = field(default_factory=CovBatConfig)

    def fit(self, table: FeatureTable) -> FittedCovBat:
        """Learn the site effects of ``table``.

        Raises
        ------
        TableError
            If a cell is missing, or as :meth:`ComBatHarmonizer.fit` has it.
        DesignError, CovariateError, ConfigError
            See :meth:`ComBatHarmonizer.fit`, and :func:`fit_scores`.
        """
        config = self.config
        require_complete(table, "CovBat")
        combat = ComBatHarmonizer(combat_part(config)).fit(table)
        residuals, codes = _residuals(combat, combat.apply(table).values, table)
        reference = None if config.reference is None else combat.sites.index(config.reference)
        scores = fit_scores(
            residuals,
            codes,
            len(combat.sites),
            share=config.share,
            components=config.components,
            reference=reference,
            mean_only=config.mean_only,
        )
        return FittedCovBat(config, combat, scores)


def _residuals(
    combat: FittedComBat, values: NDArray[np.float64], table: FeatureTable
) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """Return residuals about the explained mean, 0 for what is passed through, and site codes."""
    covariates = combat.design.matrix(table.covariates, table.source)
    residuals = values - combat.grand_mean - covariates @ combat.coefficients
    residuals[:, combat.passed_through] = 0.0
    return residuals, combat.site_codes(table.covariates, table.source)
