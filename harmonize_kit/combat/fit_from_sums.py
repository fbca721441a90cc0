"""A fit whose cases were never in memory together: the sums of all blocks make the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.effects import effects_from_sums
from harmonize_kit.combat.harmonizer import complete
from harmonize_kit.combat.location_scale import Sums
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.setting import Setting
from harmonize_kit.combat.shrinkage import shrink
from harmonize_kit.combat.smoothing_choice import effect_estimator
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError


def fit_from_sums(
    config: ComBatConfig,
    setting: Setting,
    cases: FeatureTable,
    names: Sequence[str],
    blocks: Iterable[tuple[NDArray[np.int_], Sums]],
) -> FittedComBat:
    """Return the model that :meth:`ComBatHarmonizer.fit` learns from the rows of these sums.

    Parameters
    ----------
    config : ComBatConfig
        Of a method that :func:`require_sums_suffice` lets pass.
    setting : Setting
        Of the n cases.
    cases : FeatureTable
        Their covariates; the features are not asked for.
    names : sequence of str
        Names of the p features.
    blocks : iterable of (ndarray of int, Sums)
        Positions of some features, and their sums at each site over all cases.

    Raises
    ------
    TableError
        If there are too few features to shrink over.
    """
    effects = effects_from_sums(
        blocks,
        setting.sizes,
        len(names),
        reference=setting.reference,
        mean_only=setting.mean_only,
        estimator=effect_estimator(config, setting, cases),
    )
    shrunken = shrink(config, effects, setting.mean_only, cases.source)
    return complete(config, setting, cases, effects, shrunken, names)


def require_sums_suffice(config: ComBatConfig) -> None:
    """Refuse what needs the cases themselves, more than their sums.

    Raises
    ------
    ConfigError
        For CovBat, longitudinal, nested and robust fits, and neuroHarmonize's choice of smoothing.
    """
    wanted: str | None = None
    if type(config) is not ComBatConfig:
        wanted = type(config).__name__.removesuffix("Config")
    elif config.robust:
        wanted = "a robust fit"
    elif config.smooth and config.smoothing == "neuroharmonize":
        wanted = "neuroHarmonize's choice of smoothing"
    if wanted is not None:
        raise ConfigError(
            f"{wanted} needs all cases in memory at once; a large table is fitted by method "
            "combat or combat-gam. Fit a table that fits into memory, without --memory"
        )
