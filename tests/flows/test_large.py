"""Tables that are read part by part: the model and the product are those of the table in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_table
from large import NAMES, read_values, single, write_as, write_group, write_parts, write_pictures

from harmonize_kit.combat import ComBatHarmonizer, FittedComBat
from harmonize_kit.config.combat import ComBatConfig, CovBatConfig
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.large import LargeConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, HarmonizeWarning, TableError, UnseenSiteError
from harmonize_kit.flows import apply_large as apply_flow
from harmonize_kit.flows import fit_large as fit_flow
from harmonize_kit.flows import large_blocks
from harmonize_kit.flows.apply_large import apply_large
from harmonize_kit.flows.fit_large import fit_large
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.tables import TableInput

CONFIG = ComBatConfig(site="site", preserve="age + sex")
KINDS = list(NAMES)
LEARNED = ("grand_mean", "pooled_sd", "coefficients", "location", "scale", "raw_location")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little room that even these tables are read in many blocks."""
    monkeypatch.setattr(large_blocks, "ENOUGH", 4000)

    def little(config: LargeConfig, kept: int) -> int:
        return 15_000

    monkeypatch.setattr(fit_flow, "room_for_blocks", little)
    monkeypatch.setattr(apply_flow, "room_for_blocks", little)


def same_model(fitted: FittedComBat, expected: FittedComBat) -> None:
    np.testing.assert_array_equal(fitted.passed_through, expected.passed_through)
    for name in LEARNED:
        np.testing.assert_allclose(
            getattr(fitted, name), getattr(expected, name), rtol=1e-10, atol=1e-10, err_msg=name
        )


def holed(table: FeatureTable) -> FeatureTable:
    values = table.values.copy()
    values[[0, 5, 80], [1, 1, 11]] = np.nan
    return table.with_values(values)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", KINDS)
def test_every_storage_gives_the_model_and_product_of_memory(kind: str, tmp_path: Path) -> None:
    table = single(make_table())
    table = table if kind == "images" else holed(table)
    source = write_as(kind, table, tmp_path)
    expected = ComBatHarmonizer(CONFIG).fit(table)
    fitted = fit_large(source, tmp_path / "model", CONFIG)
    same_model(fitted, expected)
    output = tmp_path / f"out{Path(NAMES[kind]).suffix}"
    assert apply_large(tmp_path / "model", source, output) == (90, 12)
    got = read_values(kind, output, table)
    assert got.dtype == (np.float64 if kind == "file" else np.float32)
    tolerance = 1e-10 if kind == "file" else 2e-7
    np.testing.assert_allclose(got, expected.apply(table).values, rtol=tolerance, atol=1e-10)
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "choices",
    [{"reference": "B"}, {"mean_only": True}, {"empirical_bayes": False}, {"parametric": False},
     {"smooth": ("age",), "preserve": "sex"}],
    ids=["reference", "mean only", "no eb", "nonparametric", "gam"],
)  # fmt: skip
def test_every_option_that_follows_from_sums(choices: dict[str, Any], tmp_path: Path) -> None:
    table = holed(single(make_table(5)))
    config = CONFIG.model_copy(update=choices)
    source = write_parts(table, tmp_path / "parts")
    fitted = fit_large(source, tmp_path / "model", config)
    same_model(fitted, ComBatHarmonizer(config).fit(table))


@pytest.mark.usefixtures("small_blocks")
def test_a_site_of_one_case(tmp_path: Path) -> None:
    table = single(make_table())
    covariates = table.covariates.copy()
    covariates.loc[table.ids[-1], "site"] = "D"
    table = FeatureTable(table.features, covariates)
    with pytest.warns(HarmonizeWarning, match="one case only at 'D'"):
        fitted = fit_large(write_parts(table, tmp_path / "parts"), tmp_path / "model", CONFIG)
    with pytest.warns(HarmonizeWarning):
        same_model(fitted, ComBatHarmonizer(CONFIG).fit(table))


def test_two_workers_give_what_one_gives(tmp_path: Path) -> None:
    table = holed(single(make_table()))
    source = write_parts(table, tmp_path / "parts")
    two = LargeConfig(memory="4G", execution=ExecutionConfig(workers=2))
    fitted = fit_large(source, tmp_path / "model", CONFIG, two, harmonized=tmp_path / "two")
    same_model(fitted, ComBatHarmonizer(CONFIG).fit(table))
    apply_large(tmp_path / "model", source, tmp_path / "one")
    np.testing.assert_array_equal(
        read_values("parts", tmp_path / "one", table), read_values("parts", tmp_path / "two", table)
    )


def test_cases_of_unknown_sites_are_refused_or_kept(tmp_path: Path) -> None:
    table = single(make_table())
    fit_large(write_parts(table, tmp_path / "parts"), tmp_path / "model", CONFIG)
    covariates = table.covariates.copy()
    covariates.loc[table.ids[:3], "site"] = "new"
    other = FeatureTable(table.features, covariates)
    source = write_parts(other, tmp_path / "other")
    with pytest.raises(UnseenSiteError, match="'new'"):
        apply_large(tmp_path / "model", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    apply_large(tmp_path / "model", source, tmp_path / "out", unseen="keep")
    got = read_values("parts", tmp_path / "out", other)
    np.testing.assert_array_equal(got[:3], table.values[:3].astype(np.float32))
    assert not np.allclose(got[3:], table.values[3:])
    first = pd.read_parquet(tmp_path / "out" / "part-0.parquet")
    assert list(first["harmonization"][:4]) == ["kept: unknown site"] * 3 + ["harmonized"]


def test_features_are_found_by_name_and_others_left_out(tmp_path: Path) -> None:
    table = single(make_table())
    fitted = fit_large(write_group(table, tmp_path / "a.zarr"), tmp_path / "model", CONFIG)
    names = table.names[::-1]
    turned = FeatureTable(table.features[names].assign(more=1.0), table.covariates)
    source = write_group(turned, tmp_path / "b.zarr")
    with pytest.warns(HarmonizeWarning, match="'more'"):
        apply_large(tmp_path / "model", source, tmp_path / "out.zarr")
    kept = FeatureTable(table.features[names], table.covariates)
    got = read_values("zarr", tmp_path / "out.zarr", kept)
    np.testing.assert_allclose(got, fitted.apply(kept).values, rtol=2e-7)
    fewer = FeatureTable(table.features[names[:5]], table.covariates)
    source = write_group(fewer, tmp_path / "c.zarr")
    with pytest.raises(TableError, match="7 of them are absent"):
        apply_large(tmp_path / "model", source, tmp_path / "none.zarr")


def test_an_interruption_leaves_no_half_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = single(make_table())
    source = write_parts(table, tmp_path / "parts")
    fit_large(source, tmp_path / "model", CONFIG)
    before = {path.name for path in tmp_path.iterdir()}
    done: list[Any] = []

    def interrupted(work: Any) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(work)
        harmonize_part(work)

    harmonize_part = apply_flow.harmonize_part
    monkeypatch.setattr(apply_flow, "harmonize_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply_large(tmp_path / "model", source, tmp_path / "out")
    assert done
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_model_that_cannot_be_made_from_sums_is_refused_before_any_work(tmp_path: Path) -> None:
    source = write_parts(single(make_table()), tmp_path / "parts")
    with pytest.raises(ConfigError, match="CovBat needs all cases"):
        fit_large(source, tmp_path / "model", CovBatConfig(site="site"))
    assert not (tmp_path / "model").exists()


def test_an_output_that_is_there_is_spared(tmp_path: Path) -> None:
    table = single(make_table())
    source = write_parts(table, tmp_path / "parts")
    fit_large(source, tmp_path / "model", CONFIG)
    with pytest.raises(TableError, match="is there already"):
        apply_large(tmp_path / "model", source, tmp_path / "parts")
    (tmp_path / "out.json").write_text("{}")
    with pytest.raises(TableError, match=r"out\.json stands where"):
        apply_large(tmp_path / "model", source, tmp_path / "out")
    group = write_group(table, tmp_path / "a.zarr")
    with pytest.raises(TableError, match=r"called \.zarr"):
        apply_large(tmp_path / "model", group, tmp_path / "out")


def test_the_model_says_what_it_was_made_of_and_holds_no_subject(tmp_path: Path) -> None:
    table = single(make_table())
    source = write_pictures(table, tmp_path / "images")
    fit_large(source, tmp_path / "model", CONFIG)
    fitted, made_by = load_fitted(tmp_path / "model")
    assert made_by["cases"] == 90
    assert isinstance(fitted, FittedComBat)
    assert fitted.features[0] == "voxel_3_0_0"
    text = (tmp_path / "model" / "model.json").read_text()
    assert not [case for case in table.ids if case in text]
    assert source.mask is not None
    other = tmp_path / "images" / "mask2.nii.gz"
    other.write_bytes(source.mask.read_bytes() + b"\0")
    with pytest.warns(HarmonizeWarning, match="mask2"):
        apply_large(tmp_path / "model", TableInput(source.path, mask=other), tmp_path / "out")
