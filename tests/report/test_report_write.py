import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.errors import InputError, TableError
from harmonize_kit.report import write_report


@pytest.fixture(scope="module")
def written(make_scorecard, tmp_path_factory):
    """One report with everything, and the scorecard it was written from."""
    card = make_scorecard()
    folder = tmp_path_factory.mktemp("written") / "new" / "report"
    truth = pd.DataFrame({"quantity": ["shift"], "planted": [0.2], "raw": [np.nan]})
    page = write_report(card, folder, truth=truth, provenance={"seed": 7})
    assert page == folder / "report.html"
    return card, folder


@pytest.fixture
def bare(make_scorecard):
    """Scores and nothing else."""
    return Scorecard(make_scorecard(covariates=()).scores[:2])


def test_files(written):
    _, folder = written
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == {
        "report.html",
        "report.json",
        "scores.csv",
        "references.bib",
        "figures/scores_association.svg",
        "figures/scores_prediction.svg",
        "figures/scores_site_by_feature.svg",
        "figures/site_prediction.svg",
        "figures/embedding.svg",
        "figures/site_effect.svg",
        "figures/association_1.svg",
        "figures/association_2.svg",
    }


def test_json_holds_the_contract(written):
    card, folder = written
    content = json.loads((folder / "report.json").read_text(), parse_constant=pytest.fail)
    assert content["schema"] == "harmonize-kit/report/1"
    assert content["scores"] == card.to_records()
    assert content["scores"][0]["interval"] == list(card.scores[0].interval)
    assert content["scores"][0]["null"].keys() == {"mean", "low", "high", "p"}
    assert content["truth"] == [{"quantity": "shift", "planted": 0.2, "raw": None}]
    assert content["provenance"] == {"seed": 7}
    assert content["about"]["sites"] == dict(card.about["sites"])
    columns = content["features"]["combat"]
    assert columns["feature"] == list(card.features["combat"].index)
    assert columns["age_effect"] == card.features["combat"]["age_effect"].tolist()


def test_csv_is_the_long_table(written):
    card, folder = written
    read = pd.read_csv(folder / "scores.csv", keep_default_na=False, na_values=[""])
    expected = card.to_frame()
    expected["note"] = expected["note"].replace("", np.nan)
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)


def test_same_scorecard_same_bytes(written, tmp_path):
    card, folder = written
    truth = pd.DataFrame({"quantity": ["shift"], "planted": [0.2], "raw": [np.nan]})
    write_report(card, tmp_path, truth=truth, provenance={"seed": 7})
    for path in folder.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes(), path.name


def test_json_is_strict_whatever_about_holds(bare, tmp_path):
    frame = pd.DataFrame({"partial_eta_squared": [np.nan, 0.2]}, index=["a", "b"])
    odd = {
        "numpy": np.float64("nan"),
        "count": np.int64(3),
        "set": {"b", "a"},
        "tuple": (1, np.inf),
        "array": np.array([1.0, np.nan]),
        "stamp": pd.Timestamp("2026-01-02"),
    }
    write_report(replace(bare, about=odd, features={"raw": frame}), tmp_path)
    content = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    about = content["about"]
    assert content["features"]["raw"]["partial_eta_squared"] == [None, 0.2]
    assert about["numpy"] is None
    assert (about["count"], about["set"], about["tuple"]) == (3, ["a", "b"], [1, None])
    assert about["array"] == [1.0, None]
    assert about["stamp"].startswith("2026-01-02")


def test_a_new_report_replaces_the_old(bare, tmp_path):
    write_report(bare, tmp_path, title="First")
    page = write_report(bare, tmp_path, title="Second").read_text()
    assert "Second" in page
    assert "First</h1>" not in page
    assert not list(tmp_path.rglob("*.part"))


def test_case_ids_are_hover_text_only_where_asked_for(make_scorecard, tmp_path):
    card = replace(make_scorecard(n_cases=40), features={})
    page = write_report(card, tmp_path, show_ids=True).read_text()
    assert page.count("case-0007") == page.count("<title>case-0007, ") == 2
    assert "case-0007" not in (tmp_path / "report.json").read_text()
    hidden = write_report(card, tmp_path)
    assert not [path for path in tmp_path.rglob("*.*") if "case-0007" in path.read_text()]
    assert "<title>Graz</title>" in hidden.read_text()


def test_one_candidate_has_no_before_and_after(make_scorecard, tmp_path):
    write_report(make_scorecard(candidates=("raw",)), tmp_path)
    assert {path.stem for path in tmp_path.glob("figures/*")} == {
        "embedding", "site_prediction", "scores_association", "scores_prediction",
        "scores_site_by_feature",
    }  # fmt: skip


def test_scores_alone_make_a_report(bare, tmp_path):
    page = write_report(bare, tmp_path).read_text()
    assert "cannot say whether biology is kept" in page
    assert 'id="features"' not in page


def test_candidates_without_per_feature_tables(make_scorecard, tmp_path):
    card = replace(make_scorecard(), embeddings={})
    write_report(replace(card, features={"combat": card.features["combat"]}), tmp_path)
    assert not (tmp_path / "figures" / "site_effect.svg").exists()
    only_site = card.features["combat"][["partial_eta_squared"]]
    write_report(replace(card, features={**card.features, "combat": only_site}), tmp_path)
    assert (tmp_path / "figures" / "site_effect.svg").exists()
    assert not (tmp_path / "figures" / "association_1.svg").exists()


def test_coordinates_that_are_missing_are_not_drawn(make_scorecard, tmp_path):
    card = make_scorecard(n_cases=40)
    frame = card.embeddings["raw"].copy()
    frame.iloc[7, 0] = np.nan
    card = replace(card, embeddings={"raw": frame}, features={})
    page = write_report(card, tmp_path, show_ids=True).read_text()
    assert "case-0007" not in page
    assert page.count("<title>case-") == 39


@pytest.mark.parametrize("missing", ["quantity", "planted"])
def test_truth_needs_its_columns(bare, tmp_path, missing):
    truth = pd.DataFrame({"quantity": ["x"], "planted": [1.0]}).drop(columns=missing)
    with pytest.raises(TableError, match=missing):
        write_report(bare, tmp_path / "out", truth=truth)
    assert not (tmp_path / "out").exists()


def test_an_empty_scorecard_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one score"):
        write_report(Scorecard(()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_large_comparison_stays_small(make_scorecard, tmp_path):
    candidates = ("raw", "combat", "combat-gam", "covbat", "cyclegan")
    card = make_scorecard(candidates, covariates=("age", "sex"), n_cases=1000, n_features=150)
    assert write_report(card, tmp_path).stat().st_size < 1.5e6


def test_thousands_of_features_are_thinned_and_it_is_said(make_scorecard, tmp_path):
    page = write_report(make_scorecard(covariates=("age",), n_features=3600, n_cases=20), tmp_path)
    text = page.read_text()
    assert page.stat().st_size < 2e6
    assert "Of 3,600 points 3,000 are drawn" in text
    assert "of 3,600 features with the largest site effect" in text
    assert len(json.loads((tmp_path / "report.json").read_text())["features"]["raw"]["q"]) == 3600


def test_importing_the_room_loads_no_drawing():
    code = (
        "import sys, harmonize_kit.report;"
        "sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
