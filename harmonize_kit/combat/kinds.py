"""The kinds of fitted models, and what they have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.covbat_model import CovBatHarmonizer, FittedCovBat
from harmonize_kit.combat.harmonizer import ComBatHarmonizer
from harmonize_kit.combat.longitudinal_model import (
    FittedLongitudinalComBat,
    LongitudinalComBatHarmonizer,
)
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.nested import FittedNestedComBat, NestedComBatHarmonizer
from harmonize_kit.combat.neuroharmonize_fit import NeuroHarmonizeHarmonizer
from harmonize_kit.config.combat import (
    ComBatConfig,
    CovBatConfig,
    LongitudinalComBatConfig,
    NestedComBatConfig,
    NeuroHarmonizeConfig,
    combat_part,
)
from harmonize_kit.core.table import FeatureTable

Fitted = FittedComBat | FittedCovBat | FittedLongitudinalComBat | FittedNestedComBat
AnyHarmonizer = (
    ComBatHarmonizer
    | CovBatHarmonizer
    | LongitudinalComBatHarmonizer
    | NestedComBatHarmonizer
    | NeuroHarmonizeHarmonizer
)


def harmonizer_of(config: ComBatConfig) -> AnyHarmonizer:
    """Return the harmonizer that fits what ``config`` asks for."""
    if isinstance(config, CovBatConfig):
        return CovBatHarmonizer(config)
    if isinstance(config, LongitudinalComBatConfig):
        return LongitudinalComBatHarmonizer(config)
    if isinstance(config, NestedComBatConfig):
        return NestedComBatHarmonizer(config.batches, combat_part(config), config.best_order)
    if isinstance(config, NeuroHarmonizeConfig):
        return NeuroHarmonizeHarmonizer(config)
    return ComBatHarmonizer(config)


def parts_of(fitted: Fitted) -> tuple[FittedComBat, ...]:
    """Return the ComBats of a model: one, or one for each batch variable."""
    if isinstance(fitted, FittedComBat):
        return (fitted,)
    return fitted.stages if isinstance(fitted, FittedNestedComBat) else (fitted.combat,)


def known_cases(fitted: Fitted, table: FeatureTable) -> NDArray[np.bool_]:
    """Tell which cases come from sites of the model, shape (n,)."""
    return np.all([part.is_known(table) for part in parts_of(fitted)], axis=0)


def extrapolated_cases(fitted: Fitted, table: FeatureTable) -> dict[str, NDArray[np.bool_]]:
    """Tell which cases lie outside the training range of each covariate, shape (n,)."""
    return parts_of(fitted)[0].beyond(table)


def named_columns(config: ComBatConfig) -> tuple[str, ...]:
    """Return the columns that name sites, batches and subjects."""
    if isinstance(config, NestedComBatConfig):
        return config.batches
    subject = (config.subject,) if isinstance(config, LongitudinalComBatConfig) else ()
    return (config.site, *subject)
