"""Every harmonization method from the command line, and teaching a model a new site."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry


@pytest.fixture
def features(table: FeatureTable, tmp_path: Path) -> Path:
    number = np.arange(len(table.ids))
    columns = {"person": number // 3, "kernel": np.where(number % 5 < 2, "soft", "sharp")}
    full = replace(table, covariates=table.covariates.assign(**columns))
    return write_feature_table(full, tmp_path / "features.csv")[0]


def run(*arguments: object) -> int:
    return entry._run([str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("method", "options", "kind", "said"),
    [
        ("combat", ["--site", "site", "--preserve", "age + sex", "--robust"], "combat", "age"),
        ("combat-gam", ["--site", "site", "--smooth", "age", "--preserve", "sex"], "combat",
         ", smooth"),
        ("covbat", ["--site", "site", "--preserve", "age"], "covbat", "components"),
        ("longitudinal", ["--site", "site", "--subject", "person"], "longitudinal", "site"),
        ("nested", ["--batch", "site", "--batch", "kernel"], "nested", "soft"),
    ],
)  # fmt: skip
def test_every_method_is_fitted_applied_and_inspected(
    features: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    method: str, options: list[str], kind: str, said: str,
) -> None:  # fmt: skip
    model, inside = tmp_path / "model", tmp_path / "in.csv"
    fit = ["fit", features, "-o", model, "--method", method, *options, "--harmonized", inside]
    assert run(*fit, "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["method"], document["cases"], document["features"]) == (method, 90, 12)
    assert run("apply", model, features, "-o", tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_bytes() == inside.read_bytes()
    capfd.readouterr()
    assert run("inspect", model) == 0
    assert said in capfd.readouterr().out
    assert run("inspect", model, "--json") == 0
    assert json.loads(capfd.readouterr().out)["kind"] == kind


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--preserve", "age"], "--site"),
        (["--site", "site", "--method", "combat-gam"], "needs --smooth"),
        (["--site", "site", "--smooth", "age"], "--smooth belongs to --method combat-gam"),
        (["--site", "site", "--method", "longitudinal"], "needs --subject"),
        (["--site", "site", "--subject", "person"], "--subject belongs to"),
        (["--site", "site", "--method", "nested", "--batch", "kernel"], "not --site"),
        (["--method", "nested"], "needs --batch"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(
    features: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    options: list[str], sentence: str,
) -> None:  # fmt: skip
    assert run("fit", features, "-o", tmp_path / "m", *options) == 2
    assert sentence in capfd.readouterr().err
    assert not (tmp_path / "m").exists()


def test_a_new_site_is_refused_then_learned(
    features: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(features, dtype=str)
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    frame[frame["site"] != "C"].to_csv(old, index=False)
    frame[frame["site"] == "C"].to_csv(new, index=False)
    chosen = ["--features", "f*"]
    fit = ["fit", old, "-o", tmp_path / "m", "--site", "site", "--preserve", "age", *chosen]
    assert run(*fit) == 0
    assert run("apply", tmp_path / "m", new, "-o", tmp_path / "h.csv") == 4
    assert "adapt" in capfd.readouterr().err
    assert run("adapt", tmp_path / "m", new, "-o", tmp_path / "m2") == 0
    assert "Learned C (30 cases) beside 2 sites" in capfd.readouterr().out
    assert run("apply", tmp_path / "m2", new, "-o", tmp_path / "h.csv") == 0
    assert run("inspect", tmp_path / "m2") == 0
    assert "adapted to    C" in capfd.readouterr().out
    assert run("adapt", tmp_path / "m2", new, "-o", tmp_path / "m3") == 4


def test_a_model_of_a_newer_format_ends_with_7(
    features: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", features, "-o", tmp_path / "m", "--site", "site", "--smooth", "age",
               "--method", "combat-gam") == 0  # fmt: skip
    document = tmp_path / "m" / "model.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "version": 99}))
    assert run("apply", tmp_path / "m", features, "-o", tmp_path / "h.csv") == 7
    assert "update harmonize_kit" in capfd.readouterr().err
