"""Three sites on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_table

from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry

PLAN = "{preserve: age + sex, ranges: {age: [18, 90]}, levels: {sex: [F, M]}}"


def run(*arguments: object) -> int:
    return entry._run([str(argument) for argument in arguments])


@pytest.fixture
def sites(tmp_path: Path) -> list[Path]:
    """Messages of three sites."""
    table = make_table(5, n=120)
    (tmp_path / "plan.yaml").write_text(PLAN)
    write_feature_table(table, tmp_path / "all.csv")
    for site in "ABC":
        own = (table.covariates["site"] == site).to_numpy()
        part = table.select(np.array(table.ids)[own].tolist())
        write_feature_table(part, tmp_path / f"{site}.csv")
        plan = ("--plan", tmp_path / "plan.yaml")
        assert (
            run("federate", "summarize", tmp_path / f"{site}.csv", *plan, "-o", tmp_path / site)
            == 0
        )
    return [tmp_path / site for site in "ABC"]


def test_three_sites_harmonize_as_one(
    sites: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert run("federate", "combine", *sites, "-o", tmp_path / "combined", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["sites"], told["features"]) == ({"A": 40, "B": 40, "C": 40}, 12)
    assert run("federate", "finish", tmp_path / "combined", *sites, "-o", tmp_path / "model") == 0
    assert "A (40 cases), B (40 cases), C (40 cases), 12 features" in capfd.readouterr().out
    whole = tmp_path / "all.csv"
    assert run("apply", tmp_path / "model", whole, "-o", tmp_path / "federated.csv") == 0
    fit = ("fit", whole, "-o", tmp_path / "pooled", "--site", "site", "--preserve", "age + sex")
    assert run(*fit, "--harmonized", tmp_path / "together.csv") == 0
    one, other = (
        pd.read_csv(tmp_path / f"{name}.csv").filter(regex="^f").to_numpy()
        for name in ("federated", "together")
    )
    assert np.abs(one - other).max() < 1e-10


def test_a_changed_message_ends_with_code_7(
    sites: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = sites[1] / "message.json"
    document.write_text(document.read_text().replace('"B": 40', '"B": 41'))
    assert run("federate", "combine", *sites, "-o", tmp_path / "combined") == 7
    assert "ask its sender for it again" in capfd.readouterr().err
    assert not (tmp_path / "combined").exists()


def test_a_site_of_few_cases_ends_with_code_4(
    sites: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sites
    pd.read_csv(tmp_path / "A.csv").head(4).to_csv(tmp_path / "few.csv", index=False)
    few = ("federate", "summarize", tmp_path / "few.csv", "--plan", tmp_path / "plan.yaml")
    assert run(*few, "-o", tmp_path / "few") == 4
    assert "site 'A' has 4 cases, expected at least 5" in capfd.readouterr().err
    assert not (tmp_path / "few").exists()
    assert run(*few, "-o", tmp_path / "few", "--minimum-cases", "2") == 2


def test_a_plan_with_a_misspelt_key_is_told(
    sites: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sites
    (tmp_path / "plan.yaml").write_text("{preserv: age}")
    arguments = ("summarize", tmp_path / "A.csv", "--plan", tmp_path / "plan.yaml")
    assert run("federate", *arguments, "-o", tmp_path / "out") == 4
    assert "Did you mean 'preserve'" in capfd.readouterr().err
