"""compare: methods refitted in folds, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry

Run = Callable[..., tuple[int, str, str]]
FEW = ("--permutations", 9, "--bootstraps", 9)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = entry._run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def features(table: FeatureTable, tmp_path: Path) -> Path:
    number = np.arange(len(table.ids))
    columns = {"person": number // 3, "kernel": np.where(number % 5 < 2, "soft", "sharp")}
    full = replace(table, covariates=table.covariates.assign(**columns))
    return write_feature_table(full, tmp_path / "features.csv")[0]


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def scores(document: dict[str, Any], metric: str, target: str | None = None) -> dict[str, Any]:
    return {
        score["candidate"]: score
        for score in document["scores"]
        if score["metric"] == metric and target in (None, score["target"])
    }


def test_methods_are_judged_beside_each_other(run: Run, features: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    code, said, err = run(
        "compare", features, "-o", out, "--site", "site", "--biology", "age,sex",
        "--methods", "combat,covbat,raw,combat-gam", *FEW,
    )  # fmt: skip
    assert code == 0, err
    assert said.count("balanced accuracy") == 4
    document = report_of(out)
    accuracy = scores(document, "site_balanced_accuracy_linear")
    assert list(accuracy) == ["raw", "combat", "covbat", "combat-gam"]  # the state before is first
    assert accuracy["combat"]["value"] < accuracy["raw"]["value"] - 0.2
    assert "refitted on the training cases" in accuracy["covbat"]["note"]
    assert set(scores(document, "new_site_r2", "age")) == set(accuracy)
    assert scores(document, "rank_preservation")["raw"]["value"] == pytest.approx(1)
    for metric in ("effect_concordance", "effect_slope", "effect_correlation", "curve_distance"):
        found = scores(document, metric, "age")
        assert set(found) == set(accuracy)
        assert found["combat"]["interval"] is not None
    assert document["about"]["curves"]["age"]["candidates"].keys() == accuracy.keys()
    made = document["provenance"]
    assert made["command"] == "compare"
    assert made["configuration"]["methods"] == list(accuracy)
    page = (out / "report.html").read_text()
    assert "smooth effects of age and sex" in page
    shrunken = {part["model"] for part in document["shrinkage"]}
    assert shrunken == {f"{name}, fitted to all cases" for name in list(accuracy)[1:]}
    assert 'id="shrinkage"' in page
    assert 'id="ranges"' in page
    assert "combat, fitted to all cases" in page
    (age,) = document["about"]["held_out_ranges"]
    assert (age["covariate"], age["cases"]) == ("age", 90)
    assert 1 <= age["beyond"] <= 4  # the youngest and the oldest are beyond their folds
    assert (out / "scores.csv").exists()
    assert list((out / "figures").glob("*.svg"))


def test_refits_are_judged_as_in_python(run: Run, features: Path, tmp_path: Path) -> None:
    import harmonize_kit as hk
    from harmonize_kit.config.compare import CompareConfig

    run("compare", features, "-o", tmp_path / "c", "--site", "site", "--biology", "age",
        "--methods", "raw,covbat", "--seed", 3, *FEW)  # fmt: skip
    table = hk.read_feature_table(features, not_features={"site", "age"})
    card = hk.compare(
        {"raw": table, "covbat": hk.CovBat(site="site", preserve="age")},
        site="site", biology=["age"], table=table,
        config=CompareConfig(permutations=9, bootstraps=9, seed=3),
    )  # fmt: skip
    assert report_of(tmp_path / "c")["scores"] == json.loads(json.dumps(card.to_records()))


def test_subjects_and_further_batches(run: Run, features: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "compare", features, "-o", tmp_path / "c", "--site", "site", "--subject", "person",
        "--batch", "kernel", "--methods", "raw,longitudinal,nested", "--folds", 3, *FEW,
    )  # fmt: skip
    assert code == 0, err
    document = report_of(tmp_path / "c")
    assert set(scores(document, "within_subject_share")) == {"raw", "longitudinal", "nested"}
    assert document["about"]["subject"] == "person"
    page = (tmp_path / "c" / "report.html").read_text()
    assert "Nested ComBat by site and kernel" in page


def test_a_small_site_and_missing_cells_are_left_out_and_named(
    run: Run, table: FeatureTable, tmp_path: Path
) -> None:
    small, gaps = table.covariates.copy(), table.features.copy()
    small.loc[small.index[:3], "site"] = "tiny"
    gaps.iloc[4, 3] = np.nan
    full = replace(table, covariates=small, features=gaps)
    path = write_feature_table(full, tmp_path / "t.csv")[0]
    code, _, err = run(
        "compare", path, "-o", tmp_path / "c", "--site", "site", "--methods", "raw,covbat", *FEW
    )
    assert code == 0
    assert err.count("tiny") == 1  # said once, not by every fit
    about = report_of(tmp_path / "c")["about"]
    assert about["left_out_sites"] == ["tiny"]
    assert about["left_out_features"] == {"f03": "missing in 1 cases"}
    assert any("tiny" in warning for warning in about["warnings"])
    found = scores(report_of(tmp_path / "c"), "site_balanced_accuracy_linear")
    assert "tiny (3)" in found["covbat"]["note"]


def test_covariates_may_come_from_another_table_and_nothing_need_be_preserved(
    run: Run, table: FeatureTable, tmp_path: Path
) -> None:
    alone = replace(table, covariates=table.covariates[[]])
    path = write_feature_table(alone, tmp_path / "t.csv")[0]
    table.covariates.to_csv(tmp_path / "people.csv", index_label="id")
    code, _, err = run(
        "compare", path, "-o", tmp_path / "c", "--site", "site", "--covariates",
        tmp_path / "people.csv", "--biology", "age", "--preserve", "", "--features", "f0*",
        "--methods", "raw,combat", "--json", *FEW,
    )  # fmt: skip
    assert code == 0, err
    document = report_of(tmp_path / "c")
    assert document["about"]["n_features"] == 10
    assert document["provenance"]["configuration"]["preserve"] is None
    assert "preserving no covariate" in (tmp_path / "c" / "report.html").read_text()


@pytest.mark.skipif(find_spec("neuroHarmonize") is not None, reason="neuroHarmonize is installed")
def test_a_method_whose_package_is_absent_tells_the_line_to_type(
    run: Run, features: Path, tmp_path: Path
) -> None:
    code, _, err = run(
        "compare", features, "-o", tmp_path / "c", "--site", "site", "--methods",
        "raw,neuroharmonize", "--smooth", "age", *FEW,
    )  # fmt: skip
    assert code == 6
    assert "pip install 'harmonize-kit[neuroharmonize]'" in " ".join(err.split())
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(find_spec("neuroHarmonize") is None, reason="neuroHarmonize is not installed")
def test_neuroharmonize_is_judged_as_every_method(run: Run, features: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "compare", features, "-o", tmp_path / "c", "--site", "site", "--biology", "age",
        "--methods", "raw,neuroharmonize", *FEW,
    )  # fmt: skip
    assert code == 0, err
    accuracy = scores(report_of(tmp_path / "c"), "site_balanced_accuracy_linear")
    assert accuracy["neuroharmonize"]["value"] < accuracy["raw"]["value"]


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--methods", "raw,combt"], 2, "Did you mean 'combat'?"),
        (["--methods", "raw,raw"], 2, "named twice"),
        (["--methods", ","], 2, "raw, combat, combat-gam, covbat, longitudinal, nested"),
        (["--methods", "longitudinal"], 2, "--subject"),
        (["--methods", "nested"], 2, "--batch"),
        (["--methods", "raw,combat-gam"], 4, "--smooth"),
        (["--methods", "raw,combat", "--preserve", "agee"], 4, "'agee'"),
        (["--methods", "raw,combat-gam", "--smooth", "sex"], 4, "candidate 'combat-gam'"),
        (["--methods", "raw", "--biology", "site"], 4, "'site'"),
        (["--folds", 1], 2, "--folds"),
    ],
)
def test_what_cannot_be_compared_is_told_and_nothing_is_written(
    run: Run, features: Path, tmp_path: Path, options: list[object], code: int, sentence: str
) -> None:
    found, _, err = run("compare", features, "-o", tmp_path / "c", "--site", "site", *options)
    assert found == code, err
    assert sentence in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "c").exists()
