"""What reports show beside scores, made of real models, tables, volumes and failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harmonize_kit as hk
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import GeometryError, NotFittedError
from harmonize_kit.flows.report import report_tables
from harmonize_kit.flows.report_material import failures_beside, material_of
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import write_feature_table


def fitted(table: FeatureTable, kind: Any = hk.ComBat) -> Any:
    return kind(site="site", preserve="age").fit(table.features, covariates=table.covariates)


def test_shrinkage_is_that_of_the_model(table: FeatureTable) -> None:
    combat = fitted(table)
    (found,) = material_of({"combat": combat}).shrinkage
    assert found.sites == combat.model_.sites
    assert found.counts == combat.model_.counts
    np.testing.assert_array_equal(found.raw_location, combat.model_.raw_location)
    np.testing.assert_array_equal(found.scale, combat.model_.scale)
    assert found.shrunken


def test_features_a_model_passes_through_have_no_site_effect(table: FeatureTable) -> None:
    values = table.values.copy()
    values[:, 0] = 1.0
    with pytest.warns(match="pass"):
        combat = fitted(table.with_values(values))
    (found,) = material_of({"combat": combat}).shrinkage
    assert found.location.shape == (3, len(table.names) - 1)


def test_ranges_and_unseen_sites_are_those_of_other_cases(table: FeatureTable) -> None:
    sites = table.covariates["site"]
    young = table.number("age") < 50
    known = (sites != "C") & young
    train = table.select([case for case, kept in zip(table.ids, known, strict=True) if kept])
    found = material_of({"combat": fitted(train)}, table)
    (age,) = found.ranges
    assert age.covariate == "age"
    assert age.trained[1] < 50 < age.found[1]
    assert age.cases == len(table.ids)
    outside = (table.number("age") < age.trained[0]) | (table.number("age") > age.trained[1])
    assert age.beyond == int(outside.sum()) > 0
    assert found.unseen == {"C": int((sites == "C").sum())}


def test_models_that_were_not_fitted_are_refused() -> None:
    with pytest.raises(NotFittedError, match="'combat'"):
        material_of({"combat": hk.ComBat(site="site")})


def test_images_are_measured_and_need_one_grid(volume: Volume) -> None:
    assert volume.mask is not None
    lesion = Volume(volume.array, volume.geometry, (volume.mask == 1).astype(np.uint8))
    brighter = Volume(volume.array + np.int16(50), volume.geometry)
    (found,) = material_of(images={"one": (lesion, brighter)}, labels=("raw", "new")).images
    assert found.labels == ("raw", "new")
    assert found.spacing == volume.geometry.spacing
    numbers = found.numbers["new"]
    before, after = (numbers[f"lesion contrast {when}"] for when in ("before", "after"))
    assert before == pytest.approx(after)
    assert numbers["image_self_histogram_distance"] > 0.1
    elsewhere = Volume(volume.array, Geometry(volume.geometry.size, (1.0, 1.0, 1.0)))
    with pytest.raises(GeometryError, match="one grid"):
        material_of(images={"one": (volume, elsewhere)})


def test_failures_are_counted_where_there_are_any(tmp_path: Path) -> None:
    for name, text in (("a", "id,stage,code,message\n1,read,CRC,x\n2,read,CRC,y\n"), ("b", "id\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "features.csv").write_text("id\n")
        (tmp_path / name / "failures.csv").write_text(text)
    tables = {name: tmp_path / name / "features.csv" for name in ("a", "b", "c")}
    assert failures_beside(tables) == {"a": {"CRC": 2}}


def test_a_report_of_tables_shows_the_model_that_made_one(
    table: FeatureTable, tmp_path: Path
) -> None:
    combat = fitted(table)
    hk.save(combat, tmp_path / "model")
    harmonized = combat.transform(table.features, covariates=table.covariates)
    write_feature_table(table, tmp_path / "raw.csv")
    write_feature_table(table.with_values(np.asarray(harmonized)), tmp_path / "combat.csv")
    (tmp_path / "failures.csv").write_text("id,stage,code,message\n1,read,TRUNCATED,x\n")
    tables = {name: TableInput(tmp_path / f"{name}.csv") for name in ("raw", "combat")}
    _, page = report_tables(
        tables, tmp_path / "report", site="site", biology=["age"],
        config=CompareConfig(permutations=5, bootstraps=5), models={"combat": tmp_path / "model"},
    )  # fmt: skip
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    assert content["failures"]["raw"] == {"TRUNCATED": 1}
    assert [found["model"] for found in content["shrinkage"]] == ["combat"]
    assert content["ranges"][0]["beyond"] == 0
    assert len(content["provenance"]["configuration"]["models"]["combat"]) == 16
    assert '<section id="shrinkage"' in page.read_text()
