"""import-model and neuroHarmonize's method from the command line."""

from __future__ import annotations

import builtins
import importlib.util
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from neuroharmonize_models import harmonization_apply, linear_model

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry

ABSENT = importlib.util.find_spec("neuroHarmonize") is None


def run(*arguments: object) -> int:
    return entry._run([str(argument) for argument in arguments])


@pytest.fixture
def features(table: FeatureTable, tmp_path: Path) -> Path:
    return write_feature_table(table, tmp_path / "features.csv")[0]


def test_a_model_is_imported_and_applied(
    table: FeatureTable, features: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = linear_model(table)
    (tmp_path / "nh.pkl").write_bytes(pickle.dumps(model))
    imported = ("import-model", tmp_path / "nh.pkl", "-o", tmp_path / "m", "--site", "site")
    assert run(*imported, "--table", features, "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["features"], document["sites"]["A"]) == (table.names, 30)
    assert run("apply", tmp_path / "m", features, "-o", tmp_path / "out.csv") == 0
    got = pd.read_csv(tmp_path / "out.csv", index_col="id")[table.names].to_numpy()
    np.testing.assert_allclose(got, harmonization_apply(model, table), rtol=0, atol=2e-6)
    assert run(*imported) == 0
    said = capfd.readouterr()
    assert "Imported 12 features and 3 sites (A, B, C)" in said.out
    assert "called f1 to f12" in said.err
    assert run(*imported, "--features", "a,b") == 4
    assert run(*imported, "--features", "f0*", "--table", features) == 4
    assert run(*imported, "--features", "f*", "--table", features) == 0


class Harm:
    def __reduce__(self) -> Any:
        return builtins.eval, ("1/0",)


def test_a_foreign_pickle_ends_with_7_and_names_what_it_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nh.pkl").write_bytes(pickle.dumps({"B_hat": Harm()}))
    assert run("import-model", tmp_path / "nh.pkl", "-o", tmp_path / "m") == 7
    said = capfd.readouterr().err
    assert "a foreign pickle: it asks for 'builtins.eval'" in said
    assert not (tmp_path / "m").exists()
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"B_hat": np.ones(9)})[:-20])
    assert run("import-model", tmp_path / "cut.pkl", "-o", tmp_path / "m") == 7
    assert run("import-model", tmp_path / "none.pkl", "-o", tmp_path / "m") == 4


@pytest.mark.skipif(not ABSENT, reason="neuroHarmonize is installed; tests/parity runs it")
def test_without_neuroharmonize_its_method_ends_with_6(
    features: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", features, "-o", tmp_path / "m", "--site", "site", "--method", "neuroharmonize"]
    assert run(*fit, "--preserve", "age") == 6
    said = capfd.readouterr().err
    assert "harmonize-kit[neuroharmonize]" in said
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--smoothing", "gcv"], "--smoothing goes with --smooth"),
        (["--method", "neuroharmonize", "--smooth", "age", "--smoothing", "reml"], "has its own"),
        (["--seed", "1"], "--seed goes with"),
        (["--method", "combat-gam", "--smooth", "age", "--seed", "1"], "--seed goes with"),
        (["--method", "neuroharmonize", "--mean-only"], "neuroHarmonize has no --mean-only"),
        (["--method", "neuroharmonize", "--nonparametric"], "neuroHarmonize has no --mean-only"),
        (["--method", "neuroharmonize", "--robust"], "neuroHarmonize has no --mean-only"),
    ],
)
def test_choices_that_do_not_go_together_are_usage_errors(
    options: list[str], sentence: str, features: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run("fit", features, "-o", tmp_path / "m", "--site", "site", *options) == 2
    assert sentence in capfd.readouterr().err


@pytest.mark.parametrize("smoothing", ["reml", "gcv", "neuroharmonize"])
def test_every_choice_of_smoothing_is_fitted_and_applied(
    smoothing: str, features: Path, tmp_path: Path
) -> None:
    fit = ["fit", features, "-o", tmp_path / "m", "--site", "site", "--method", "combat-gam"]
    fit += ["--smooth", "age", "--smoothing", smoothing, "--harmonized", tmp_path / "in.csv"]
    assert run(*fit) == 0
    assert run("apply", tmp_path / "m", features, "-o", tmp_path / "out.csv") == 0
    assert (tmp_path / "in.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    assert document["model"]["config"]["smoothing"] == smoothing
