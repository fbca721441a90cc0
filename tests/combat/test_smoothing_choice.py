"""smoothing="neuroharmonize" and "gcv" through harmonizer and estimator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_table

import harmonize_kit as hk
from harmonize_kit.combat import ComBatHarmonizer, from_document, to_document
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, DesignError, TableError

FIGURES = Path(__file__).parent.parent / "oracle" / "combat"


@pytest.fixture(scope="module")
def oracle() -> FeatureTable:
    features = pd.read_csv(FIGURES / "data.csv", index_col="id").iloc[:, :12]
    covariates = pd.read_csv(FIGURES / "covars.csv", index_col="id")
    return FeatureTable.join(features, covariates)


def replayed(table: FeatureTable, seed: int = 1, **choices: Any) -> FeatureTable:
    config = ComBatConfig(
        site="SITE", preserve="sex + dx", smooth=("age",), smoothing="neuroharmonize", seed=seed,
        **choices,
    )  # fmt: skip
    return ComBatHarmonizer(config).fit(table).apply(table)


def expected() -> pd.DataFrame:
    """neuroHarmonize 2.5.2 with ``smooth_terms=["age"], seed=1``; it casts no covariate here."""
    return pd.read_csv(FIGURES / "nh252_gam_age_seed1_first12.csv", index_col="id")


def test_equals_neuroharmonize(oracle: FeatureTable) -> None:
    figures = expected().loc[oracle.ids, oracle.names].to_numpy()
    assert np.abs(replayed(oracle).values - figures).max() < 1e-9
    assert np.abs(replayed(oracle, seed=2).values - figures).max() > 0.01


def test_equals_neuroharmonize_through_the_estimator(oracle: FeatureTable) -> None:
    combat = hk.ComBat(
        site="SITE", preserve=["sex", "dx"], smooth=["age"], smoothing="neuroharmonize", seed=1
    )
    got = combat.fit_transform(oracle.features, covariates=oracle.covariates)
    figures = expected().loc[oracle.ids, oracle.names].to_numpy()
    assert np.abs(got - figures).max() < 1e-9


def test_as_in_neuroharmonize_the_order_of_features_counts(oracle: FeatureTable) -> None:
    """The stream of random folds is shared: a warning to whoever must use it."""
    turned = replace(oracle, features=oracle.features[oracle.names[::-1]])
    got = replayed(turned).features[oracle.names].to_numpy()
    assert np.abs(got - replayed(oracle).values).max() > 1e-3


def test_blocks_of_features_do_not_show(
    oracle: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replayed(oracle).values
    monkeypatch.setattr("harmonize_kit.combat.effects.BLOCK", 5 * len(oracle.ids))
    np.testing.assert_allclose(replayed(oracle).values, whole, rtol=1e-12)


def test_the_order_in_which_smooths_are_asked_for_does_not_count(oracle: FeatureTable) -> None:
    """As in neuroHarmonize the order of the table's columns does."""
    covariates = oracle.covariates.assign(bmi=np.random.default_rng(0).normal(25, 4, 120))
    table = replace(oracle, features=oracle.features.iloc[:, :3], covariates=covariates)
    one, two = (
        ComBatHarmonizer(
            ComBatConfig(site="SITE", smooth=smooth, smoothing="neuroharmonize", seed=3)
        ).fit(table)
        for smooth in (("age", "bmi"), ("bmi", "age"))
    )
    np.testing.assert_array_equal(one.apply(table).values, two.apply(table).values)


def test_a_missing_cell_is_refused_by_name(oracle: FeatureTable) -> None:
    values = oracle.values.copy()
    values[3, 2] = np.nan
    with pytest.raises(TableError, match=f"id '{oracle.ids[3]}', column '{oracle.names[2]}'"):
        replayed(oracle.with_values(values))


def test_ties_at_the_ends_survive_the_model_file() -> None:
    """Tied quantiles put knots on the border, as in statsmodels; the document lets them be."""
    table = make_table(3)
    age = np.random.default_rng(1).choice([20.0, 20.0, 20.0, 35.0, 50.0, 64.0], 90)
    tied = replace(table, covariates=table.covariates.assign(age=age))
    config = ComBatConfig(smooth=("age",), smoothing="neuroharmonize")
    fitted = ComBatHarmonizer(config).fit(tied)
    assert fitted.design.smooths[0].knots.min() == 0
    got = from_document(*to_document(fitted)).apply(tied).values
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(got, fitted.apply(tied).values)


def test_gcv_is_another_choice_than_reml_and_for_one_smooth_only(table: FeatureTable) -> None:
    def fit(**choices: Any) -> np.ndarray[Any, Any]:
        return ComBatHarmonizer(ComBatConfig(**choices)).fit(table).apply(table).values

    reml, gcv = fit(smooth=("age",)), fit(smooth=("age",), smoothing="gcv")
    assert 1e-6 < np.abs(reml - gcv).max() < 0.5
    more = replace(table, covariates=table.covariates.assign(bmi=np.arange(90) % 31))
    with pytest.raises(DesignError, match="criterion 'reml', got 'gcv'"):
        ComBatHarmonizer(ComBatConfig(smooth=("age", "bmi"), smoothing="gcv")).fit(more)


@pytest.mark.parametrize(("name", "value"), [("smoothing", "aic"), ("seed", -1)])
def test_an_impossible_choice_is_told(name: str, value: Any, table: FeatureTable) -> None:
    choices: Any = {name: value}
    with pytest.raises(ConfigError, match=name):
        hk.ComBat(**choices).fit(table.features, covariates=table.covariates)
