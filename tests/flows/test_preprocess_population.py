"""preprocess with methods that learn a scale from training cases."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from scans_on_disk import ball, contents, make_cohort, save, times

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import ConfigError, IntegrityError
from harmonize_kit.flows.preprocess import PreprocessingRun, preprocess_to_folder
from harmonize_kit.flows.preprocess_estimate import estimate_preprocessing
from harmonize_kit.flows.preprocess_plan import Options

SERIAL = ExecutionConfig(workers=1)
NYUL: dict[str, Any] = {"stages": ["normalize"], "normalize": {"default": "nyul"}}


def run(
    tmp_path: Path, out: str = "out", config: dict[str, Any] = NYUL, **options: Any
) -> PreprocessingRun:
    chosen = replace(Options(sheets=False), **options)
    table = tmp_path / "in" / "cohort.csv"
    return preprocess_to_folder(table, tmp_path / out, config, SERIAL, chosen)


@pytest.fixture
def split(tmp_path: Path) -> pd.DataFrame:
    """Three training cases and a test case with a scale of its own."""
    frame = pd.read_csv(make_cohort(tmp_path / "in", 4), dtype=str)
    frame["split"] = ["train", "train", "train", "test"]
    frame.to_csv(tmp_path / "in" / "cohort.csv", index=False)
    return frame


def model(tmp_path: Path, out: str = "out") -> dict[str, bytes]:
    return contents(tmp_path / out / "models" / "intensity")


def brain_of(tmp_path: Path, number: int, out: str = "out") -> Any:
    path = tmp_path / out / "images" / f"00{number}" / f"00{number}_t1.nii.gz"
    return np.asanyarray(nibabel.load(path).dataobj)[ball()]


def stages_done(tmp_path: Path, out: str = "out") -> list[tuple[str, str]]:
    lines = (tmp_path / out / "journal.jsonl").read_text().splitlines()
    return [(event["id"], event["stage"]) for event in map(json.loads, lines)]


def test_the_scale_is_learned_from_training_cases_alone(
    split: pd.DataFrame, tmp_path: Path
) -> None:
    made = run(tmp_path)
    assert made.count("done") == 4
    assert made.notes == ("the intensity model is fitted on 3 cases, those with split train",)
    assert [case for case, stage in stages_done(tmp_path) if stage == "summarize"] == [
        "000", "001", "002",
    ]  # fmt: skip
    medians = [np.median(brain_of(tmp_path, number)) for number in range(4)]
    assert np.ptp(medians) < 3
    first = model(tmp_path)
    # Whatever becomes of the test case, the scale is what it was.
    image = (ball() * np.random.default_rng(9).normal(4000, 9, ball().shape)).astype(np.int16)
    save(image, tmp_path / "in" / "3_t1.nii.gz")
    again = run(tmp_path)
    assert (again.count("done"), again.count("kept")) == (1, 3)
    assert model(tmp_path) == first


def test_a_changed_training_case_changes_the_scale_and_all_images(
    split: pd.DataFrame, tmp_path: Path
) -> None:
    run(tmp_path)
    before = times(tmp_path / "out")
    run(tmp_path)
    assert times(tmp_path / "out") == before
    first = model(tmp_path)["arrays.npz"]
    save((ball() * np.random.default_rng(9).normal(800, 9, ball().shape)).astype(np.int16),
         tmp_path / "in" / "1_t1.nii.gz")  # fmt: skip
    assert run(tmp_path).count("done") == 4
    assert model(tmp_path)["arrays.npz"] != first
    assert [c for c, stage in stages_done(tmp_path) if stage == "summarize"].count("000") == 1


def test_a_saved_scale_is_applied_to_new_cases(split: pd.DataFrame, tmp_path: Path) -> None:
    run(tmp_path)
    split.iloc[3:].to_csv(tmp_path / "in" / "cohort.csv", index=False)
    chosen = tmp_path / "out" / "models" / "intensity"
    new = run(tmp_path, "new", intensity_model=chosen)
    assert new.count("done") == 1
    assert not (tmp_path / "new" / "models").exists()
    np.testing.assert_array_equal(brain_of(tmp_path, 3, "new"), brain_of(tmp_path, 3))
    with pytest.raises(ConfigError, match="nothing applies one"):
        run(tmp_path, "new", {"stages": ["normalize"]}, intensity_model=chosen)
    document = chosen / "model.json"
    document.write_text(document.read_text().replace("nyul", "nyuk"))
    with pytest.raises(IntegrityError):
        run(tmp_path, "other", intensity_model=chosen)


def test_without_a_split_all_cases_are_learned_from_and_it_is_said(
    split: pd.DataFrame, tmp_path: Path
) -> None:
    split.drop(columns="split").assign(fold=[1, 1, 2, 2]).to_csv(
        tmp_path / "in" / "cohort.csv", index=False
    )
    assert "fitted on all 4 cases" in run(tmp_path).notes[0]
    assert "fitted on 2 cases" in run(tmp_path, "fold", NYUL | {"train": "fold=1"}).notes[0]
    with pytest.raises(ConfigError, match="no case has fold = 3"):
        run(tmp_path, "none", NYUL | {"train": "fold=3"})
    with pytest.raises(ConfigError, match="no column 'part'"):
        run(tmp_path, "none", NYUL | {"train": "part=3"})
    shard = ExecutionConfig(workers=1, shard="1/2")
    with pytest.raises(ConfigError, match="which a shard does not see"):
        preprocess_to_folder(tmp_path / "in" / "cohort.csv", tmp_path / "shard", NYUL, shard)


def test_force_goes_through_no_stage_twice(split: pd.DataFrame, tmp_path: Path) -> None:
    run(tmp_path, config=NYUL | {"stages": ["quality", "normalize"]}, stages="normalize")
    count = len(stages_done(tmp_path))
    run(tmp_path, force=True)
    assert len(stages_done(tmp_path)) == 2 * count


def test_a_dry_run_knows_the_scale_once_all_it_is_learned_from_is_there(
    split: pd.DataFrame, tmp_path: Path
) -> None:
    table, out = tmp_path / "in" / "cohort.csv", tmp_path / "out"
    options = Options(sheets=False)
    found = estimate_preprocessing(table, out, NYUL, SERIAL, options)
    assert found.to_do == {f"00{n}": ("normalize", "write") for n in range(4)}
    assert not out.exists()
    run(tmp_path)
    before = times(out)
    found = estimate_preprocessing(table, out, NYUL, SERIAL, options)
    assert (found.kept, found.to_do) == (4, {})
    assert times(out) == before
