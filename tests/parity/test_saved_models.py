"""Models that neuroHarmonize saved, read without running them, and its method from end to end."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.flows.import_model import import_model
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry

Quietly = Callable[..., Any]
COVARIATES = ["SITE", "age", "sex", "dx"]
FITS: dict[str, dict[str, Any]] = {
    "empirical Bayes": {},
    "no empirical Bayes": {"eb": False},
    "reference": {"ref_batch": "B"},
    "reference, no empirical Bayes": {"ref_batch": "B", "eb": False},
    "smooth": {"smooth_terms": ["age"], "seed": 1},
    "smooth, bounds": {"smooth_terms": ["age"], "seed": 1, "smooth_term_bounds": (0, 100)},
}


@pytest.mark.parametrize("kind", list(FITS))
def test_an_imported_model_applies_as_neuroharmonize_does(
    kind: str, quietly: Quietly, oracle: FeatureTable, tmp_path: Path
) -> None:
    count = 3 if "smooth" in kind else 60
    names, frame = oracle.names[:count], oracle.covariates[COVARIATES]
    values = oracle.values[:, :count]
    model, _ = quietly("harmonizationLearn", values, frame, **FITS[kind])
    quietly("saveHarmonizationModel", model, str(tmp_path / "nh.pkl"))
    imported = import_model(tmp_path / "nh.pkl", tmp_path / "m", features=names)
    part = np.arange(0, 120, 2)
    expected = quietly("harmonizationApply", values[part], frame.iloc[part], model)
    table = FeatureTable(oracle.features[names], frame).select([oracle.ids[row] for row in part])
    got = load_fitted(tmp_path / "m")[0].apply(table).values
    bar = 1e-9 if "smooth" in kind else 5e-7 if kind == "empirical Bayes" else 1e-6
    assert np.abs(got - expected).max() < bar
    assert imported.config.empirical_bayes == ("no" not in kind.split(", ")[-1].split(" "))
    held = (tmp_path / "m" / "model.json").read_text()
    assert not [age for age in np.sort(frame["age"])[2:-2] if repr(float(age)) in held]


def test_two_smooths_are_imported(quietly: Quietly, oracle: FeatureTable, tmp_path: Path) -> None:
    frame = oracle.covariates[COVARIATES].assign(iq=oracle.features["f059"])
    values = oracle.values[:, :1]
    model, _ = quietly(
        "harmonizationLearn", values, frame, eb=False, smooth_terms=["iq", "age"], seed=1
    )
    quietly("saveHarmonizationModel", model, str(tmp_path / "nh.pkl"))
    fitted = import_model(tmp_path / "nh.pkl", tmp_path / "m", features=["f000"])
    assert fitted.config.smooth == ("age", "iq")
    table = FeatureTable(oracle.features.iloc[:, :1].set_axis(["f000"], axis=1), frame)
    expected = quietly("harmonizationApply", values, frame, model)
    assert np.abs(fitted.apply(table).values - expected).max() < 1e-9


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("site", ["text", "number"])
def test_models_of_any_protocol_and_labels(
    protocol: int, site: str, quietly: Quietly, oracle: FeatureTable, tmp_path: Path
) -> None:
    frame = oracle.covariates[COVARIATES]
    if site == "number":
        frame = frame.assign(SITE=frame["SITE"].map({"A": 10, "B": 2, "C": 3, "D": 4}))
    model, _ = quietly("harmonizationLearn", oracle.values, frame)
    (tmp_path / "nh.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
    fitted = import_model(tmp_path / "nh.pkl", tmp_path / "m", features=oracle.names)
    table = FeatureTable(oracle.features, frame)
    expected = quietly("harmonizationApply", oracle.values, frame, model)
    assert np.abs(fitted.apply(table).values - expected).max() < 5e-7
    assert fitted.sites == (("A", "B", "C", "D") if site == "text" else ("2", "3", "4", "10"))


def test_a_model_spoilt_by_a_site_of_one_case_is_refused(
    quietly: Quietly, oracle: FeatureTable, tmp_path: Path
) -> None:
    frame = oracle.covariates[COVARIATES].copy()
    frame.iloc[0, 0] = "Z"
    model, _ = quietly("harmonizationLearn", oracle.values, frame)
    (tmp_path / "nh.pkl").write_bytes(pickle.dumps(model))
    code = entry._run(["import-model", str(tmp_path / "nh.pkl"), "-o", str(tmp_path / "m")])
    assert code == 7


def test_the_method_from_the_command_line(
    quietly: Quietly, oracle: FeatureTable, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = oracle.covariates[COVARIATES]
    names = oracle.names[:4]
    path = write_feature_table(FeatureTable(oracle.features[names], frame), tmp_path / "t.csv")[0]
    arguments = ["fit", path, "-o", tmp_path / "m", "--site", "SITE", "--preserve", "sex + dx"]
    arguments += ["--method", "neuroharmonize", "--smooth", "age", "--seed", 4, "--json"]
    assert entry._run([str(argument) for argument in arguments]) == 0
    assert json.loads(capfd.readouterr().out)["method"] == "neuroharmonize"
    out = tmp_path / "out.csv"
    assert entry._run(["apply", str(tmp_path / "m"), str(path), "-o", str(out)]) == 0
    values = oracle.values[:, :4]
    _, expected = quietly("harmonizationLearn", values, frame, smooth_terms=["age"], seed=4)
    got = pd.read_csv(out, index_col="id")[names].to_numpy()
    assert np.abs(got - expected).max() < 1e-9
