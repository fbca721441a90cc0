"""Longitudinal ComBat on feature tables: a subject's visits share a level of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.harmonizer import complete, require_complete
from harmonize_kit.combat.location_scale import Standardisation
from harmonize_kit.combat.longitudinal import SubjectModel, estimate_longitudinal_effects
from harmonize_kit.combat.model import FittedComBat, with_harmonized
from harmonize_kit.combat.setting import read_setting
from harmonize_kit.combat.shrinkage import shrink
from harmonize_kit.config.combat import LongitudinalComBatConfig, combat_part
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError


@dataclass(frozen=True)
class FittedLongitudinalComBat:
    """What :meth:`LongitudinalComBatHarmonizer.fit` learned; no subject is in it.

    Parameters
    ----------
    config : LongitudinalComBatConfig
    combat : FittedComBat
        Site effects beside the subjects' levels.
    subjects : SubjectModel
        How much subjects differ, by which the level of any subject is predicted.
    """

    config: LongitudinalComBatConfig
    combat: FittedComBat
    subjects: SubjectModel

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return the table with the site effect taken out.

        The level of a subject is predicted from its rows in ``table``, so the visits of one
        subject belong together; a visit alone is drawn more toward the mean.

        Raises
        ------
        UnseenSiteError, TableError, CovariateError
            See :meth:`FittedComBat.apply`.
        """
        combat, source = self.combat, table.source
        frame = combat.own_features(table)
        values = frame.to_numpy(dtype=np.float64)
        codes = combat.site_codes(table.covariates, source)
        covariates = combat.design.matrix(table.covariates, source)
        combat.tell_extrapolation(table)
        standard = Standardisation(combat.grand_mean, combat.coefficients, combat.pooled_sd)
        people = subject_codes(self.config, table)
        own = self.subjects.predict(values, standard, codes, covariates, people)
        if self.config.reference is not None:
            own[codes == combat.sites.index(self.config.reference)] = 0.0
        return with_harmonized(
            table, frame, combat.transform(values - own, codes, covariates) + own
        )


@dataclass(frozen=True)
class LongitudinalComBatHarmonizer:
    """Longitudinal ComBat as a configuration (Beer et al. 2020, NeuroImage 220:117129).

    Valid where subjects were scanned several times and their levels are spread like a normal
    distribution; a subject seen at two sites tells the difference of these sites.
    """

    config: LongitudinalComBatConfig = field(default_factory=LongitudinalComBatConfig)

    def fit(self, table: FeatureTable) -> FittedLongitudinalComBat:
        """Learn the site effects of ``table``, a row of which is a visit.

        Raises
        ------
        TableError
            If a cell is missing, or there are too few features to shrink over.
        DesignError, CovariateError
            See :meth:`ComBatHarmonizer.fit`, and if no subject has two rows.
        """
        config = self.config
        if config.smooth or config.robust:
            raise ConfigError(
                "longitudinal ComBat fits lines and levels by least squares; leave out smooth and "
                "robust"
            )
        require_complete(table, "longitudinal ComBat")
        setting = read_setting(config, table)
        effects, subjects = estimate_longitudinal_effects(
            table.values,
            setting.codes,
            setting.covariates,
            subject_codes(config, table),
            reference=setting.reference,
            mean_only=setting.mean_only,
        )
        shrunken = shrink(config, effects, setting.mean_only, table.source)
        combat = complete(combat_part(config), setting, table, effects, shrunken)
        return FittedLongitudinalComBat(config, combat, subjects)


def subject_codes(config: LongitudinalComBatConfig, table: FeatureTable) -> NDArray[np.int_]:
    """Return the subject of each row as a number, shape (n,)."""
    named = table.text(config.subject).to_numpy(dtype=str)
    return np.unique(named, return_inverse=True)[1].astype(np.int_)
