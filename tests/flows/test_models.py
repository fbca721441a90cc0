from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import harmonize_kit as hk
from harmonize_kit.combat import FittedComBat
from harmonize_kit.config.combat import ComBatConfig, CovBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import (
    ConfigError,
    HarmonizeWarning,
    IntegrityError,
    NotFittedError,
    TableError,
    UnseenSiteError,
)
from harmonize_kit.flows.adapt import adapt
from harmonize_kit.flows.apply import apply
from harmonize_kit.flows.fit import fit
from harmonize_kit.flows.inspect import inspect
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import write_feature_table

CONFIG = ComBatConfig(site="site", preserve="age + sex")


@pytest.fixture
def path(table: FeatureTable, tmp_path: Path) -> Path:
    return write_feature_table(table, tmp_path / "features.csv")[0]


def test_an_estimator_survives_save_and_load(table: FeatureTable, tmp_path: Path) -> None:
    combat = hk.ComBat(preserve="age + sex").fit(table.features, covariates=table.covariates)
    hk.save(combat, tmp_path / "model")
    again = hk.load(tmp_path / "model")
    assert again.get_params()["preserve"] == "age + sex"
    np.testing.assert_array_equal(
        again.transform(table.features[:1], covariates=table.covariates),
        combat.transform(table.features[:1], covariates=table.covariates),
    )
    with pytest.raises(NotFittedError):
        hk.save(hk.ComBat(), tmp_path / "other")


def test_fit_and_apply_agree_on_the_training_cases(path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG, harmonized=tmp_path / "in.csv")
    apply(tmp_path / "model", TableInput(path), tmp_path / "out.csv")
    assert (tmp_path / "in.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert (tmp_path / "out.parquet").exists()
    made_by = json.loads((tmp_path / "out.json").read_text())["made_by"]
    assert made_by["model"] == inspect(tmp_path / "model")["digest"]


def test_one_new_patient_in_any_column_order(path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    whole = apply(tmp_path / "model", TableInput(path), tmp_path / "out.csv")
    frame = pd.read_csv(path, dtype={"id": str}).iloc[[5], ::-1]
    frame.to_csv(tmp_path / "patient.csv", index=False)
    got = apply(tmp_path / "model", TableInput(tmp_path / "patient.csv"), tmp_path / "one.csv")
    np.testing.assert_allclose(
        got.features[whole.names].to_numpy(), whole.select(got.ids).values, rtol=1e-12
    )


def test_unknown_sites_are_refused_or_kept_and_flagged(
    table: FeatureTable, path: Path, tmp_path: Path
) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    covariates = table.covariates.copy()
    covariates.loc["sub-003", "site"] = "new"
    changed = FeatureTable(table.features, covariates)
    write_feature_table(changed, tmp_path / "new.csv")
    source = TableInput(tmp_path / "new.csv")
    with pytest.raises(UnseenSiteError, match="'new'"):
        apply(tmp_path / "model", source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    kept = apply(tmp_path / "model", source, tmp_path / "out.csv", unseen="keep")
    assert kept.ids == table.ids
    row = table.ids.index("sub-003")
    np.testing.assert_array_equal(kept.values[row], table.values[row])
    assert not np.allclose(kept.values[row + 1], table.values[row + 1])
    assert kept.covariates["harmonization"].tolist().count("kept: unknown site") == 1


def test_covariates_from_another_table(table: FeatureTable, tmp_path: Path) -> None:
    bare = FeatureTable(table.features, table.covariates[[]])
    write_feature_table(bare, tmp_path / "features.csv")
    people = table.covariates.rename_axis("participant_id").iloc[::-1]
    people.to_csv(tmp_path / "participants.tsv", sep="\t")
    source = TableInput(tmp_path / "features.csv", tmp_path / "participants.tsv")
    fitted = fit(source, tmp_path / "model", CONFIG)
    assert isinstance(fitted, FittedComBat)
    direct = hk.ComBat(preserve="age + sex").fit(table.features, covariates=table.covariates)
    np.testing.assert_allclose(fitted.location, direct.model_.location, rtol=1e-10)


def test_a_model_holds_no_subject(path: Path, tmp_path: Path, table: FeatureTable) -> None:
    """Neither an id nor any subject's age is in the files, and size does not grow with subjects."""
    fit(TableInput(path), tmp_path / "model", CONFIG)
    text = (tmp_path / "model" / "model.json").read_text()
    ages = table.number("age")
    inner = [f"{age:.3f}" for age in ages if ages.min() < age < ages.max()]
    assert not [case for case in table.ids if case in text]
    assert not [age for age in inner if age in text]
    with np.load(tmp_path / "model" / "arrays.npz") as arrays:
        assert max(array.size for array in arrays.values()) <= 3 * len(table.names)


def test_inspect_says_what_was_fitted(path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    found = inspect(tmp_path / "model")
    assert found["cases"] == 90
    assert set(found["sites"]) == {"A", "B", "C"}
    assert found["covariates"]["sex"] == {"levels": ["F", "M"]}
    json.dumps(found, allow_nan=False)


def test_a_tampered_model_is_refused(path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    document = tmp_path / "model" / "model.json"
    document.write_text(document.read_text().replace('"A"', '"Z"'))
    with pytest.raises(IntegrityError, match="changed"):
        hk.load(tmp_path / "model")


def test_apply_keeps_every_other_column_and_spares_its_input(
    table: FeatureTable, path: Path, tmp_path: Path
) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    frame = pd.read_csv(path, dtype={"id": str}).assign(weight=70.5)
    frame.to_csv(tmp_path / "new.csv", index=False)
    got = apply(tmp_path / "model", TableInput(tmp_path / "new.csv"), tmp_path / "out.csv")
    assert got.names == table.names
    assert got.covariates["weight"].tolist() == ["70.5"] * 90
    with pytest.raises(TableError, match="overwrite"):
        apply(tmp_path / "model", TableInput(path), path)


def test_models_of_other_data_have_other_digests(table: FeatureTable, tmp_path: Path) -> None:
    digests: set[str] = set()
    for factor in (1.0, 4.0):
        scaled = table.with_values(table.values * factor)
        combat = hk.ComBat().fit(scaled.features, covariates=scaled.covariates)
        hk.save(combat, tmp_path / "m")
        digests.add(inspect(tmp_path / "m")["digest"])
    assert len(digests) == 2


def test_a_model_of_a_newer_format_is_refused(path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    document = tmp_path / "model" / "model.json"
    body = json.loads(document.read_text())
    document.write_text(json.dumps({**body, "version": 2}))
    with pytest.raises(IntegrityError, match="format 2, this version reads 1; update"):
        hk.load(tmp_path / "model")


def test_extrapolation_is_noted_row_by_row(table: FeatureTable, path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CONFIG)
    covariates = table.covariates.copy()
    covariates.loc["sub-003", "age"] = "99"
    covariates.loc["sub-005", "site"] = "new"
    write_feature_table(FeatureTable(table.features, covariates), tmp_path / "new.csv")
    with pytest.warns(HarmonizeWarning, match="sub-003"):
        got = apply(
            tmp_path / "model", TableInput(tmp_path / "new.csv"), tmp_path / "out.csv",
            unseen="keep",
        )  # fmt: skip
    notes = got.covariates["harmonization"]
    assert notes["sub-003"] == "harmonized: age beyond the training range"
    assert notes["sub-005"] == "kept: unknown site"
    assert (notes == "harmonized").sum() == 88


def test_a_new_site_is_learned_against_a_saved_model(
    table: FeatureTable, path: Path, tmp_path: Path
) -> None:
    known = (table.covariates["site"] != "C").to_numpy()
    ids = np.array(table.ids)
    old, new = (table.select(ids[flags].tolist()) for flags in (known, ~known))
    write_feature_table(old, tmp_path / "old.csv")
    write_feature_table(new, tmp_path / "new.csv")
    fit(TableInput(tmp_path / "old.csv"), tmp_path / "model", CONFIG)
    before = (tmp_path / "model" / "model.json").read_bytes()
    adapt(tmp_path / "model", TableInput(tmp_path / "new.csv"), tmp_path / "model2")
    assert (tmp_path / "model" / "model.json").read_bytes() == before
    assert inspect(tmp_path / "model2")["adapted"] == ["C"]
    got = apply(tmp_path / "model2", TableInput(path), tmp_path / "out.csv")
    direct = hk.ComBat(preserve="age + sex").fit(old.features, covariates=old.covariates)
    direct = direct.adapt(new.features, covariates=new.covariates)
    np.testing.assert_allclose(
        got.values, direct.transform(table.features, covariates=table.covariates), rtol=1e-12
    )
    with pytest.raises(ConfigError, match="the model itself"):
        adapt(tmp_path / "model", TableInput(tmp_path / "new.csv"), tmp_path / "model")


def test_only_combat_is_adapted(path: Path, tmp_path: Path) -> None:
    fit(TableInput(path), tmp_path / "model", CovBatConfig(site="site"))
    with pytest.raises(ConfigError, match="combat or combat-gam"):
        adapt(tmp_path / "model", TableInput(path), tmp_path / "model2")
