"""harmonize-kit robustness, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from harmonize_kit_cli import main


def run(*arguments: object, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main.main(["robustness", *map(str, arguments)])
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text("featureClass:\n  shape: [MeshVolume]\n  firstorder: [Mean, Energy]\n")
    return path


FEW = ("--translations", "0.5", "--rotations", "none", "--noise", 1, "--volume-changes", "-0.1,0.1")


def test_a_study_tells_what_it_found(
    cohort_path: Path, tmp_path: Path, params: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    common = (cohort_path, "-o", tmp_path / "out", "-p", params, "--workers", 1, *FEW)
    code, out, _ = run(*common, capfd=capfd)
    assert code == 0
    assert "3 features in" in out
    assert "excellent" in out
    assert len(pd.read_csv(tmp_path / "out" / "robustness.csv")) == 3
    code, out, _ = run(*common, "--json", capfd=capfd)
    document = json.loads(out)
    assert (document["reused"], document["failed"], document["features"]) == (4, 0, 3)
    assert sum(document["summary"]["all"].values()) == 3
    assert set(document["summary"]) == {"shape", "firstorder", "all"}
    code, out, _ = run(*common, "--dry-run", "--force", capfd=capfd)
    assert code == 0
    assert "4 to measure" in out


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        (("--rotations", "five"), 2, "expected numbers such as -5,5 or none"),
        (("--translations", "1.5"), 4, "between 0 and 1"),
        (("--noise", "-1"), 4, "noise"),
        (("--shard", "9/9"), 4, "shard"),
    ],
)
def test_a_wrong_option_stops_before_the_first_case(
    cohort_path: Path, tmp_path: Path, params: Path, option: tuple[str, str], code: int,
    words: str, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    found, _, err = run(cohort_path, "-o", tmp_path / "out", "-p", params, *option, capfd=capfd)
    assert found == code
    assert words in err
    assert not (tmp_path / "out" / "cases").exists()


def test_some_and_too_many_failures_have_their_exit_codes(
    cohort_path: Path, tmp_path: Path, params: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1_mask.nrrd").unlink()
    common = (cohort_path, "-o", tmp_path / "out", "-p", params, "--workers", 1, *FEW)
    code, out, _ = run(*common, capfd=capfd)
    assert code == 3
    assert "001: MISSING_FILE" in out
    for number in (0, 2):
        (tmp_path / f"{number}_mask.nrrd").unlink()
    assert run(*common, capfd=capfd)[0] == 5
    pd.read_csv(cohort_path, dtype=str).head(1).to_csv(cohort_path, index=False)
    code, _, err = run(*common, capfd=capfd)
    assert code == 4
    assert "at least two cases" in err
