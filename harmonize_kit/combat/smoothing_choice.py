"""How covariate effects are estimated, as a configuration asks for it."""

from __future__ import annotations

from harmonize_kit.combat.covariate_effects import EffectEstimator
from harmonize_kit.combat.neuroharmonize_folds import choose_by_folds
from harmonize_kit.combat.setting import Setting
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable


def effect_estimator(
    config: ComBatConfig, setting: Setting, table: FeatureTable
) -> EffectEstimator:
    """Return the estimator of the covariate effects of a table.

    REML and GCV choose from sums, feature by feature. neuroHarmonize's folds are drawn over cases,
    anew for every feature, so the smoothing is chosen here, from the rows, in the table's order.

    Parameters
    ----------
    config : ComBatConfig
    setting : Setting
        Of the n cases of ``table``.
    table : FeatureTable
        Without missing cells, where the folds are replayed.
    """
    penalties = setting.design.penalties()
    if not setting.design.smooths:
        return EffectEstimator()
    if config.smoothing != "neuroharmonize":
        return EffectEstimator(penalties, config.smoothing)
    design = setting.design
    known = design.read(table.covariates, table.source)
    # The folds see linear covariates in their own units and about their own origin.
    linear = setting.covariates[:, : len(design.centre)] * design.scale + design.centre
    lambdas = choose_by_folds(
        setting.codes,
        linear,
        design.smooths,
        [known.numbers[term.name] for term in design.smooths],
        table.values,
        config.seed,
        reference=setting.reference,
    )
    return EffectEstimator(penalties, lambdas=lambdas)
