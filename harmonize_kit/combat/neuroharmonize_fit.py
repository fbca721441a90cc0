"""Fitting with neuroHarmonize itself, for those who must show that its own code was used."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.harmonizer import require_complete
from harmonize_kit.combat.materialize import materialize
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.neuroharmonize_dictionary import ModelDictionary
from harmonize_kit.combat.neuroharmonize_model import read_estimates, to_fitted
from harmonize_kit.combat.setting import Setting, read_setting
from harmonize_kit.config.combat import NeuroHarmonizeConfig, combat_part
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, DependencyError, DesignError

SITE = "SITE"


@dataclass(frozen=True)
class NeuroHarmonizeHarmonizer:
    """neuroHarmonize's ``harmonizationLearn`` (Pomponio et al. 2020), as a configuration.

    The design is judged before, as for every ComBat: neuroHarmonize itself gives numbers without
    meaning, or none, where a covariate is determined by the site or a cell is missing. What it
    then estimates is taken over, so its model is applied, saved and inspected as ours are.
    """

    config: NeuroHarmonizeConfig = field(default_factory=NeuroHarmonizeConfig)

    def fit(self, table: FeatureTable) -> FittedComBat:
        """Learn the site effects of ``table`` by neuroHarmonize.

        Raises
        ------
        DependencyError
            If neuroHarmonize is not installed.
        ConfigError
            If it has no such choice.
        DesignError, CovariateError, TableError
            See :meth:`ComBatHarmonizer.fit`; and if a site has one case, or what neuroHarmonize
            returns is not finite.
        """
        config, source = self.config, table.source
        if config.mean_only or config.robust or not config.parametric:
            raise ConfigError(
                "neuroHarmonize has neither mean_only, robust nor non-parametric fits"
            )
        learn = _harmonization_learn()
        require_complete(table, "neuroHarmonize")
        setting = read_setting(config, table)
        single = [name for name, n in zip(setting.sites, setting.sizes, strict=True) if n == 1]
        if single:
            raise DesignError(
                f"{source}: neuroHarmonize has no answer for a site of one case, got "
                f"'{single[0]}'; leave it out, or choose --method combat"
            )
        names = tuple(table.names)
        model = _learn(learn, config, setting, table)
        found = read_estimates(ModelDictionary(model, "neuroHarmonize's model"))
        if not found.is_finite:
            raise DesignError(
                f"{source}: neuroHarmonize's estimates are not finite, as where a feature does not "
                "vary in some site; leave such features out, or choose --method combat"
            )
        return to_fitted(combat_part(config), setting.design, names, found)


def _harmonization_learn() -> Any:
    try:
        return importlib.import_module("neuroHarmonize").harmonizationLearn
    except (ImportError, AttributeError) as error:
        raise DependencyError(
            f"method neuroharmonize fits with neuroHarmonize 2.5.2, which cannot be imported "
            f"({error}); install it (pip install 'harmonize-kit[neuroharmonize]'; it needs numpy "
            "below 2), or choose --method combat-gam --smoothing neuroharmonize, which gives its "
            "numbers without it"
        ) from error


def _learn(
    learn: Any, config: NeuroHarmonizeConfig, setting: Setting, table: FeatureTable
) -> dict[str, Any]:
    """Return neuroHarmonize's model dictionary; what it prints and warns of is not passed on."""
    design = setting.design
    known = design.read(table.covariates, table.source)
    straight: NDArray[np.float64] = materialize(design.formula, known)[0]
    columns: dict[str, Any] = {SITE: np.array(setting.sites, dtype=object)[setting.codes]}
    columns |= {f"column{j}": straight[:, j] for j in range(straight.shape[1])}
    smooth = {f"smooth{j}": known.numbers[term.name] for j, term in enumerate(design.smooths)}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        model, _ = learn(
            table.values,
            pd.DataFrame({**columns, **smooth}),
            eb=config.empirical_bayes,
            smooth_terms=list(smooth),
            ref_batch=config.reference,
            seed=config.seed,
        )
    return model
