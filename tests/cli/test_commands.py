"""Commands in process: what they write, say and exit with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = entry._run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def features(table: FeatureTable, tmp_path: Path) -> Path:
    return write_feature_table(table, tmp_path / "features.csv")[0]


def test_the_whole_way_from_images_to_a_model(run: Run, cohort_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, progress = run("extract", cohort_path, "-o", out, "--workers", 1)
    assert code == 0
    assert "4 rows of 107 features" in said
    assert "4/4 cases, 0 failed" in progress
    code, said, _ = run("fit", out / "features.csv", "-o", tmp_path / "m", "--site", "site")
    assert (code, "4 cases of 2 sites, 107 features" in said) == (0, True)
    code, _, _ = run("apply", tmp_path / "m", out / "features.csv", "-o", tmp_path / "h.csv")
    assert code == 0
    assert pd.read_csv(tmp_path / "h.csv").shape == (4, 110)
    code, said, _ = run("inspect", tmp_path / "m")
    assert (code, "variance ratio" in said) == (0, True)


def test_json_is_one_object_on_stdout_and_the_rest_on_stderr(
    run: Run, cohort_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "1_image.nrrd").write_bytes(b"no image")
    code, out, _ = run("extract", cohort_path, "-o", tmp_path / "o", "--workers", 1, "--json")
    document = json.loads(out)
    assert code == 3
    assert (document["ok"], document["failed"], document["failures"][0]["id"]) == (False, 1, "001")
    code, out, err = run("inspect", tmp_path / "nothing", "--json")
    assert (code, json.loads(out)["exit_code"]) == (4, 4)
    assert err.startswith("Error: ")
    assert len(out.splitlines()) == 1


def test_report_of_two_tables(run: Run, features: Path, tmp_path: Path) -> None:
    run("fit", features, "-o", tmp_path / "m", "--site", "site", "--preserve", "age + sex",
        "--harmonized", tmp_path / "h.csv")  # fmt: skip
    code, said, _ = run(
        "report", f"raw={features}", f"combat={tmp_path / 'h.csv'}", "-o", tmp_path / "report",
        "--site", "site", "--biology", "age,sex", "--permutations", 20, "--bootstraps", 20,
    )  # fmt: skip
    assert code == 0
    assert "balanced accuracy" in said
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    found = {(score["candidate"], score["metric"], score["target"]) for score in document["scores"]}
    for metric in (
        "site_balanced_accuracy_linear", "site_balanced_accuracy_nonlinear",
        "site_partial_eta_squared_median",
    ):  # fmt: skip
        assert {("raw", metric, "site"), ("combat", metric, "site")} <= found
    assert {("raw", "r2", "age"), ("raw", "mae", "age"), ("raw", "auc", "sex")} <= found
    eta = {
        score["candidate"]: score["value"]
        for score in document["scores"]
        if score["metric"] == "site_partial_eta_squared_median"
    }
    assert eta["combat"] < eta["raw"] / 4
    page = (tmp_path / "report" / "report.html").read_text()
    assert "http-equiv" in page
    assert (tmp_path / "report" / "scores.csv").exists()
    assert list((tmp_path / "report" / "figures").glob("*.svg"))


def test_validate_tells_every_problem(run: Run, tmp_path: Path, cohort_path: Path) -> None:
    assert run("validate", "mr-default")[0] == 0
    code, said, _ = run("validate", cohort_path)
    assert (code, "valid cohort: 4 cases" in said) == (0, True)
    (tmp_path / "bad.csv").write_text("id,Image,Mask,Label\na,,m,1\na,i,m,x\n")
    code, _, err = run("validate", tmp_path / "bad.csv")
    assert (code, len(err.splitlines())) == (4, 3)
    (tmp_path / "p.yaml").write_text("settings: {}\nimageTyp: {}\n")
    code, out, _ = run("validate", tmp_path / "p.yaml", "--json")
    assert (code, len(json.loads(out)["problems"])) == (4, 2)
    (tmp_path / "0_image.nrrd").unlink()
    code, _, err = run("validate", cohort_path)
    assert (code, "0_image.nrrd" in err) == (4, True)


def test_doctor_has_a_known_answer(run: Run) -> None:
    code, out, _ = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 0
    assert checks["known-answer extraction"]["ok"]
    assert checks["PyRadiomics"]["found"] == "pyradiomics-bhklab 3.1.4"


def _without(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.drop(columns=name)


def _cell(row: int, column: str, value: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.astype({column: object})
        changed.loc[row, column] = value
        return changed

    return change


FIT = ("fit", "{table}", "-o", "{tmp}/m", "--site", "site", "--preserve", "age + sex")


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (_without("age"), FIT, "there is no column 'age'"),
        (None, ("fit", "{table}", "-o", "{tmp}/m", "--site", "scaner"), "no column 'scaner'"),
        (None, ("fit", "{tmp}/none.csv", "-o", "{tmp}/m", "--site", "site"), "there is no file"),
        (None, (*FIT[:-1], "site"), "determined by 'site'"),
        (_cell(3, "site", "lonely"), (*FIT, "--no-eb"), "'lonely'"),
        (_cell(3, "f02", ""), (*FIT, "--method", "covbat"), "id 'sub-003', column 'f02'"),
        (_cell(3, "f02", "inf"), FIT, "infinite"),
        (_cell(3, "id", "sub-004"), FIT, "ids must be unique"),
        (_cell(3, "site", ""), FIT, "sub-003"),
        (_cell(3, "age", "old"), (*FIT, "--categorical", "sx"), "'sx'"),
        (None, (*FIT, "--reference", "Z"), "'Z' is not a site"),
        (None, (*FIT, "--features", "zzz*"), "no column matches"),
        (None, ("extract", "{table}", "-o", "{tmp}/o"), "a column 'Image'"),
        (None, ("extract", "{cohort}", "-o", "{tmp}/o", "-p", "mr-defalt"), "'mr-default'"),
        (None, ("extract", "{cohort}", "-o", "{tmp}/o", "--workers", "0"), "workers"),
        (None, ("apply", "{tmp}/none", "{table}", "-o", "{tmp}/h.csv"), "there is no model"),
        (None, ("report", "raw={table}", "-o", "{tmp}/r", "--site", "sit"), "'sit'"),
    ],
)
def test_wrong_input_gets_one_sentence_and_exit_code_4(
    run: Run, features: Path, cohort_path: Path, tmp_path: Path, change: Any,
    arguments: tuple[str, ...], sentence: str,
) -> None:  # fmt: skip
    if change is not None:
        frame = pd.read_csv(features, dtype={"id": str})
        change(frame).to_csv(features, index=False)
    filled = [text.format(table=features, tmp=tmp_path, cohort=cohort_path) for text in arguments]
    before = {path.name for path in tmp_path.iterdir()}
    code, _, err = run(*filled)
    assert code == 4, err
    told = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(told) == 1
    assert sentence in told[0]
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == before


def test_every_code_of_the_contract(
    run: Run, cohort_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: Path
) -> None:
    assert run("extrct")[0] == 2
    assert run("fit", features)[0] == 2
    assert run("report", "features.csv", "-o", tmp_path / "r", "--site", "s")[0] == 2
    frame = pd.read_csv(cohort_path, dtype=str).assign(Label="9")
    frame.to_csv(cohort_path, index=False)
    assert run("extract", cohort_path, "-o", tmp_path / "o", "--workers", 1)[0] == 5
    run("fit", features, "-o", tmp_path / "m", "--site", "site")
    document = tmp_path / "m" / "model.json"
    document.write_text(document.read_text().replace('"A"', '"B"'))
    assert run("inspect", tmp_path / "m")[0] == 7
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    assert run("inspect", tmp_path / "model.pkl")[0] == 7
    scheduler = ("--scheduler", "tcp://127.0.0.1:9")
    monkeypatch.setattr("harmonize_kit.execution.cluster.CONNECT_SECONDS", 1)
    assert run("extract", cohort_path, "-o", tmp_path / "o", *scheduler)[0] == 6

    def break_down(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("harmonize_kit.flows.inspect.load_fitted", break_down)
    code, _, err = run("inspect", tmp_path / "m", "--debug")
    assert (code, "bug" in err, "Traceback" in err) == (70, True, True)

    def do_not_fit(*_: object) -> None:
        raise ImportError("pyarrow requires NumPy 2.0 or newer, found 1.26.4")

    monkeypatch.setattr("harmonize_kit.flows.inspect.load_fitted", do_not_fit)
    code, _, err = run("inspect", tmp_path / "m")
    assert (code, "bug" in err, "NumPy 2.0 or newer" in err) == (6, False, True)


def test_a_log_file_holds_everything(run: Run, features: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(features)
    frame["flat"] = 1.0
    frame.to_csv(tmp_path / "flat.csv", index=False)
    log = tmp_path / "log" / "run.log"
    code, _, err = run(
        "fit", tmp_path / "flat.csv", "-o", tmp_path / "m", "--site", "site", "--log-file", log
    )
    assert code == 0
    assert "WARNING: flat.csv: 1 features do not vary" in err
    assert "flat" in log.read_text()
    code, _, err = run("fit", tmp_path / "flat.csv", "-o", tmp_path / "m", "--site", "site", "-q")
    assert (code, err) == (0, "")
