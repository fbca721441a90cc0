"""The demo: planted site effect found and removed, planted biology kept."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    result = subprocess.run(
        [*COMMAND, "demo", "-o", str(folder)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert str(folder / "report" / "report.html") in result.stdout
    return folder


@pytest.fixture(scope="module")
def scores(demo: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    document = json.loads((demo / "report" / "report.json").read_text())
    return {(s["candidate"], s["metric"], s["target"]): s for s in document["scores"]}


def test_the_planted_site_effect_is_found_and_removed(scores: Any) -> None:
    for metric in ("site_balanced_accuracy_linear", "site_partial_eta_squared_median"):
        raw, combat = scores["raw", metric, "site"], scores["combat", metric, "site"]
        assert raw["null"]["p"] < 0.01
        assert raw["interval"][0] > raw["null"]["high"]
        assert combat["value"] <= combat["null"]["high"]


def test_the_planted_biology_is_kept(scores: Any) -> None:
    raw, combat, truth = (
        scores[name, "auc", "group"]["value"] for name in ("raw", "combat", "one scanner")
    )
    assert truth > 0.8
    assert combat > raw - 0.05
    for covariate in ("age", "group"):
        before, after = (
            scores[name, "association_median", covariate]["value"] for name in ("raw", "combat")
        )
        assert after > 0.8 * before


def test_the_truth_stands_beside_the_estimate(demo: Path) -> None:
    document = json.loads((demo / "report" / "report.json").read_text())
    rows = {row["quantity"]: row for row in document["truth"]}
    distance = rows["Distance from the same heads on one scanner (SD)"]
    alike = rows["Correlation with the same heads on one scanner"]
    assert distance["combat"] < 0.85 * distance["raw"]
    assert alike["combat"] > alike["raw"]
    page = (demo / "report" / "report.html").read_text()
    assert "Planted truth beside the estimate" in page


def test_the_report_needs_no_network_and_names_no_machine(demo: Path) -> None:
    page = html.unescape((demo / "report" / "report.html").read_text())
    assert "default-src 'none'" in page
    for text in ('src="http', "@import", 'rel="stylesheet"', str(demo.parent)):
        assert text not in page
