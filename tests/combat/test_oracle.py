"""Equal to R: sva 3.46 and ComBatFamily 0.2.1 on one data set (figures in tests/oracle/combat)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.combat import ComBatHarmonizer
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable

FIGURES = Path(__file__).parent.parent / "oracle" / "combat"
COVARIATES = "age + sex + dx"


@pytest.fixture(scope="module")
def oracle() -> FeatureTable:
    features = pd.read_csv(FIGURES / "data.csv", index_col="id")
    covariates = pd.read_csv(FIGURES / "covars.csv", index_col="id")
    return FeatureTable.join(features, covariates)


@pytest.mark.parametrize(
    ("figure", "choices"),
    [
        ("sva_eb_nomod", {}),
        ("sva_eb_mod", {"preserve": COVARIATES}),
        ("sva_refA_nomod", {"reference": "A"}),
        ("sva_refA_mod", {"preserve": COVARIATES, "reference": "A"}),
        ("comfam_lm", {"preserve": COVARIATES}),
        ("comfam_lm_noeb", {"preserve": COVARIATES, "empirical_bayes": False}),
        ("comfam_lm_inter", {"preserve": "age * sex + dx"}),
        ("sva_meanonly_mod", {"preserve": COVARIATES, "mean_only": True}),
        ("sva_meanonly_nomod", {"mean_only": True}),
        ("sva_nonpar_mod", {"preserve": COVARIATES, "parametric": False}),
        ("sva_nonpar_nomod", {"parametric": False}),
        ("comfam_lm_refA", {"preserve": COVARIATES, "reference": "A"}),
    ],
)
def test_equals_r(oracle: FeatureTable, figure: str, choices: dict[str, Any]) -> None:
    expected = pd.read_csv(FIGURES / f"{figure}.csv", index_col="id").loc[oracle.ids, oracle.names]
    config = ComBatConfig(site="SITE", **choices)
    got = ComBatHarmonizer(config).fit(oracle).apply(oracle)
    assert np.abs(got.values - expected.to_numpy()).max() < 1e-10


def test_a_wrong_choice_is_not_equal_to_r(oracle: FeatureTable) -> None:
    """The bar above can fail: without covariates the same figures are missed by far."""
    expected = pd.read_csv(FIGURES / "sva_eb_mod.csv", index_col="id").loc[oracle.ids]
    got = ComBatHarmonizer(ComBatConfig(site="SITE")).fit(oracle).apply(oracle)
    assert np.abs(got.values - expected.to_numpy()).max() > 0.1


@pytest.mark.parametrize(
    ("figure", "choices"), [("sva_nan_nomod", {}), ("sva_nan_mod", {"preserve": COVARIATES})]
)
def test_missing_cells_as_in_sva(
    oracle: FeatureTable, figure: str, choices: dict[str, Any]
) -> None:
    holed = pd.read_csv(FIGURES / "data_nan.csv", index_col="id")
    table = FeatureTable.join(holed, oracle.covariates)
    assert np.isnan(table.values).sum() == 327
    expected = pd.read_csv(FIGURES / f"{figure}.csv", index_col="id").loc[table.ids, table.names]
    got = ComBatHarmonizer(ComBatConfig(site="SITE", **choices)).fit(table).apply(table)
    np.testing.assert_array_equal(np.isnan(got.values), np.isnan(table.values))
    np.testing.assert_allclose(got.values, expected.to_numpy(), rtol=0, atol=1e-10)


def test_a_site_of_one_case_as_in_sva(oracle: FeatureTable) -> None:
    """sva corrects means only, at every site, once one site has a single case."""
    covariates = pd.read_csv(FIGURES / "covars_singleton.csv", index_col="id")
    table = FeatureTable.join(oracle.features, covariates)
    expected = pd.read_csv(FIGURES / "sva_singleton_mod.csv", index_col="id").loc[table.ids]
    config = ComBatConfig(site="SITE", preserve=COVARIATES, mean_only=True)
    got = ComBatHarmonizer(config).fit(table).apply(table)
    np.testing.assert_allclose(got.values, expected[table.names].to_numpy(), rtol=0, atol=1e-10)


def test_a_new_site_as_in_comfam(oracle: FeatureTable) -> None:
    """Fitted on A, B and C; D is learned against the frozen model (``predict.comfam``)."""
    is_new = (oracle.covariates["SITE"] == "D").to_numpy()
    ids = np.array(oracle.ids)
    old, new = oracle.select(ids[~is_new].tolist()), oracle.select(ids[is_new].tolist())
    fitted = ComBatHarmonizer(ComBatConfig(site="SITE", preserve=COVARIATES)).fit(old)
    adapted = fitted.adapt(new)
    for table, figure in ((old, "comfam_lm_fitABC"), (new, "comfam_lm_newsiteD")):
        expected = pd.read_csv(FIGURES / f"{figure}.csv", index_col="id").loc[table.ids]
        got = adapted.apply(table).values
        np.testing.assert_allclose(got, expected[table.names].to_numpy(), rtol=0, atol=1e-10)
