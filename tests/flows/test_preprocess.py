"""preprocess: what it makes of a cohort, what it keeps, and what it does again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from scans_on_disk import ball, contents, make_cohort, save, times

import harmonize_kit as hk
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ConfigError, NothingSucceededError, PreprocessingError, TableError
from harmonize_kit.flows import preprocess_case
from harmonize_kit.flows.preprocess import PreprocessingRun, preprocess_to_folder
from harmonize_kit.flows.preprocess_plan import Options
from harmonize_kit.flows.preprocess_stages import STAGES, Stage
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.nifti_product import ORIENTATION

SERIAL = ExecutionConfig(workers=1)
ZSCORE: dict[str, Any] = {"stages": ["normalize"]}
TWO: dict[str, Any] = {"stages": ["n4", "normalize"]}
Run = Callable[..., PreprocessingRun]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Preprocess the cohort of this test in this process, without pictures."""

    def call(config: dict[str, Any] = ZSCORE, **options: Any) -> PreprocessingRun:
        path = options.pop("cohort", tmp_path / "in" / "cohort.csv")
        chosen = replace(Options(sheets=False), **options)
        return preprocess_to_folder(path, tmp_path / "out", config, SERIAL, chosen)

    make_cohort(tmp_path / "in")
    return call


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Put a stage that halves intensities in the place of n4, and count its cases."""
    seen = Counter[str]()

    def halve(scans: Scans, config: Any, fitted: object) -> Staged:
        seen["n4"] += 1
        images = scans.map_images(lambda _, v: v.with_array((v.array / 2).astype(np.float32)))
        field = next(iter(images.images.values()))
        told = {"shrink": config.n4.shrink_factor}
        return Staged(images, told, ("halved",), {"bias_field_t1": field, "to_mni": "#Insight\n"})

    monkeypatch.setattr(preprocess_case, "STAGES", {**STAGES, "n4": Stage(halve)})
    return seen


def done(out: Path) -> Counter[tuple[str, str]]:
    """Count the lines of the journal by case and stage."""
    events = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    assert all(event["seconds"] >= 0 for event in events if event["event"] == "done")
    return Counter((e["id"], e["stage"]) for e in events if e["event"] == "done")


def voxels(path: Path) -> Any:
    return np.asanyarray(nibabel.load(path).dataobj)


def test_images_are_the_z_score_on_the_grid_of_the_input(run: Run, tmp_path: Path) -> None:
    before = contents(tmp_path / "in")
    made = run()
    assert contents(tmp_path / "in") == before
    assert (made.count("done"), made.count("failed")) == (3, 0)
    brain = ball()
    for number in range(3):
        given = nibabel.load(tmp_path / "in" / f"{number}_t1.nii.gz")
        folder = tmp_path / "out" / "images" / f"00{number}"
        image = nibabel.load(folder / f"00{number}_t1.nii.gz")
        values = np.asanyarray(given.dataobj)[brain].astype(float)
        expected = np.where(brain, (np.asanyarray(given.dataobj) - values.mean()) / values.std(), 0)
        found = np.asanyarray(image.dataobj)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert (found[~brain] == 0).all()
        for name in ORIENTATION:
            np.testing.assert_array_equal(image.header[name], given.header[name])
        np.testing.assert_array_equal(voxels(folder / f"00{number}_mask.nii.gz"), brain)
        lesion = tmp_path / "in" / f"{number}_lesion.nii.gz"
        assert (folder / f"00{number}_labels.nii.gz").read_bytes() == lesion.read_bytes()


def test_the_next_command_takes_the_table(run: Run, tmp_path: Path) -> None:
    made = run()
    cohort = read_cohort(tmp_path / "out" / "cohort.csv")
    assert [case.id for case in cohort] == ["000", "001", "002"]
    first = cohort.cases[0]
    assert first.labels == (4,)
    assert Path(first.mask).name == "000_labels.nii.gz"
    assert Path(first.images["t1"]).is_file()
    assert [case.columns["site"] for case in cohort] == ["A", "B", "A"]
    assert (tmp_path / "out" / first.columns["Brain_mask"]).is_file()
    assert made.table is not None
    assert made.table["age"].tolist() == ["40", "41", "42"]


def test_a_case_without_labels_is_measured_in_its_brain(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "in" / "cohort.csv"
    frame = pd.read_csv(table, dtype=str).drop(columns=["Mask", "Label"])
    frame.to_csv(table, index=False)
    run()
    cohort = read_cohort(tmp_path / "out" / "cohort.csv")
    assert Path(cohort.cases[0].mask).name == "000_mask.nii.gz"
    assert cohort.cases[0].labels == ()


def test_an_unchanged_rerun_touches_no_file(run: Run, tmp_path: Path) -> None:
    run()
    before = times(tmp_path / "out")
    again = run()
    assert times(tmp_path / "out") == before
    assert (again.count("kept"), again.count("done"), again.log) == (3, 0, None)
    assert again.table is not None


def test_a_changed_late_setting_redoes_that_stage_and_what_follows(
    run: Run, tmp_path: Path, half: Counter[str]
) -> None:
    run(TWO)
    first = done(tmp_path / "out")
    assert first == Counter({(f"00{n}", s): 1 for n in range(3) for s in (*TWO["stages"], "write")})
    stages = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "work").iterdir()}
    run(TWO | {"normalize": {"default": {"method": "z-score", "eps": 0.5}}})
    again = done(tmp_path / "out")
    assert half["n4"] == 3
    assert all(again[case, "n4"] == 1 and again[case, "normalize"] == 2 for case, _ in first)
    assert all(path.stat().st_mtime_ns == time for path, time in stages.items())
    run(TWO | {"n4": {"shrink_factor": 2}})
    assert half["n4"] == 6
    assert done(tmp_path / "out")["000", "normalize"] == 3


def test_a_setting_of_a_stage_that_does_not_run_changes_nothing(run: Run, tmp_path: Path) -> None:
    run()
    before = times(tmp_path / "out")
    run(ZSCORE | {"n4": {"shrink_factor": 2}})
    assert times(tmp_path / "out") == before


def test_a_changed_image_is_done_anew_and_the_others_not(run: Run, tmp_path: Path) -> None:
    run()
    save((ball() * 100 + ball(radius=2) * 7).astype(np.int16), tmp_path / "in" / "1_t1.nii.gz")
    again = run()
    assert (again.count("done"), again.count("kept")) == (1, 2)
    assert done(tmp_path / "out")["001", "normalize"] == 2
    # One record a case: what is there is what is said.
    assert len(list((tmp_path / "out" / "cases").iterdir())) == 3


def test_a_stage_that_was_kept_but_not_noted_is_noted_once(
    run: Run, tmp_path: Path, half: Counter[str]
) -> None:
    run(TWO)
    journal = tmp_path / "out" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    missing = [json.loads(line) for line in lines if json.loads(line)["id"] == "001"]
    assert [event["stage"] for event in missing] == ["n4", "normalize", "write"]
    journal.write_text("".join(line + "\n" for line in lines if json.loads(line) not in missing))
    half.clear()
    for _ in range(2):
        run(TWO)
        assert not half
        added = [json.loads(line) for line in journal.read_text().splitlines()][-len(missing) :]
        for before, after in zip(missing, sorted(added, key=lambda e: e["stage"]), strict=True):
            assert {name: before[name] for name in ("id", "key", "event", "stage")} == {
                name: after[name] for name in after.keys() - {"time"}
            }
        assert len(journal.read_text().splitlines()) == len(lines)


def test_force_does_everything_again(run: Run, tmp_path: Path) -> None:
    run()
    before = contents(tmp_path / "out" / "images")
    assert run(force=True).count("done") == 3
    assert set(done(tmp_path / "out").values()) == {2}
    assert contents(tmp_path / "out" / "images") == before


def test_what_is_damaged_is_made_again(run: Run, tmp_path: Path, half: Counter[str]) -> None:
    run(TWO)
    whole = contents(tmp_path / "out" / "images")
    image = tmp_path / "out" / "images" / "001" / "001_t1.nii.gz"
    image.write_bytes(image.read_bytes()[:-9])
    again = run(TWO)
    assert (again.count("done"), half["n4"]) == (1, 3)
    assert contents(tmp_path / "out" / "images") == whole
    for kept in (tmp_path / "out" / "work").iterdir():
        content = bytearray(kept.read_bytes())
        content[len(content) // 2] ^= 1
        kept.write_bytes(content)
    # The field of another case, which nothing but the writing needs, is found damaged too.
    (tmp_path / "out" / "images" / "002" / "002_bias_field_t1.nii.gz").unlink()
    image.unlink()
    run(TWO)
    assert half["n4"] == 5
    assert contents(tmp_path / "out" / "images") == whole


def test_what_a_killed_run_left_half_written_goes(run: Run, tmp_path: Path) -> None:
    run()
    before = contents(tmp_path / "out" / "images")
    for folder in (tmp_path / "out" / "images" / "001", tmp_path / "out" / "work"):
        half = folder / ".writing-dead.nii.gz"
        half.write_bytes(b"half")
        os.utime(half, (1, 1))
    run()
    assert contents(tmp_path / "out" / "images") == before
    assert not list((tmp_path / "out").rglob(".writing-*"))


def test_cleaned_volumes_are_not_missed(run: Run, tmp_path: Path, half: Counter[str]) -> None:
    run(TWO, clean_work=True)
    assert list((tmp_path / "out" / "work").iterdir()) == []
    before = times(tmp_path / "out")
    run(TWO, clean_work=True)
    assert times(tmp_path / "out") == before
    run(TWO | {"normalize": {"default": "percentile"}}, clean_work=True)
    assert half["n4"] == 6


def test_volumes_between_stages_may_lie_elsewhere(run: Run, tmp_path: Path) -> None:
    run(work=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir())
    assert not (tmp_path / "out" / "work").exists()


def test_byproducts_lie_beside_the_images(run: Run, tmp_path: Path, half: Counter[str]) -> None:
    run(TWO)
    folder = tmp_path / "out" / "images" / "000"
    assert voxels(folder / "000_bias_field_t1.nii.gz").dtype == np.float32
    assert (folder / "000_to_mni.tfm").read_text() == "#Insight\n"
    record = json.loads(next((tmp_path / "out" / "cases").iterdir()).read_text())["result"]
    assert record["decided"]["n4"] == {"shrink": 4}
    assert "halved" in record["notes"]
    run(ZSCORE)
    assert not (folder / "000_bias_field_t1.nii.gz").exists()
    assert not (folder / "000_to_mni.tfm").exists()


def test_what_labels_become_is_written_and_what_they_were_is_not_copied(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crop(scans: Scans, config: object, fitted: object) -> Staged:
        def first(volume: Volume) -> Volume:
            size = (*volume.geometry.size[:2], 4)
            mask = None if volume.mask is None else volume.mask[:4]
            return Volume(volume.array[:4], replace(volume.geometry, size=size), mask)

        assert scans.labels is not None
        cut = scans.map_images(lambda _, volume: first(volume))
        return Staged(replace(cut, labels=first(scans.labels)))

    monkeypatch.setattr(preprocess_case, "STAGES", {**STAGES, "n4": Stage(crop)})
    run({"stages": ["n4"]})
    folder = tmp_path / "out" / "images" / "000"
    image = nibabel.load(folder / "000_t1.nii.gz")
    given = nibabel.load(tmp_path / "in" / "0_t1.nii.gz")
    assert image.shape == (12, 11, 4)
    np.testing.assert_allclose(image.affine, given.affine, atol=1e-5)
    np.testing.assert_array_equal(
        voxels(folder / "000_labels.nii.gz"), voxels(tmp_path / "in" / "0_lesion.nii.gz")[..., :4]
    )


def test_failures_say_where_and_why_and_cost_no_other_case(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(scans: Scans, config: object, fitted: object) -> Staged:
        level = scans.images["t1"].array.max()
        if level > 480:
            raise PreprocessingError("n4: the field does not converge")
        if level > 430:
            raise RuntimeError("itk gave up")
        return Staged(scans)

    make_cohort(tmp_path / "in", 4)
    cut = tmp_path / "in" / "0_t1.nii.gz"
    for number, level in enumerate((100, 300, 450, 500)):
        array = (ball() * level).astype(np.int16)
        array[6, 5, 4] -= 9
        save(array, tmp_path / "in" / f"{number}_t1.nii.gz")
    cut.write_bytes(cut.read_bytes()[:-20])
    monkeypatch.setattr(preprocess_case, "STAGES", {**STAGES, "n4": Stage(fail)})
    made = run(TWO)
    told = {row.id: (row.stage, row.code, row.message) for row in made.failures.itertuples()}
    assert told["000"][:2] == ("read", "TRUNCATED")
    assert told["002"] == ("n4", "PREPROCESSING", "RuntimeError: itk gave up")
    assert told["003"] == ("n4", "PREPROCESSING", "n4: the field does not converge")
    written = pd.read_csv(tmp_path / "out" / "failures.csv", dtype=str)
    assert written.columns.tolist() == ["id", "stage", "code", "message"]
    assert written["code"].tolist() == ["TRUNCATED", "PREPROCESSING", "PREPROCESSING"]
    assert read_cohort(tmp_path / "out" / "cohort.csv").cases[0].id == "001"
    lines = (tmp_path / "out" / "journal.jsonl").read_text().splitlines()
    failed = {e["id"]: e["stage"] for e in map(json.loads, lines) if e["event"] == "failed"}
    assert failed == {"000": "read", "002": "n4", "003": "n4"}
    manifest = pd.read_csv(tmp_path / "out" / "manifest.csv", dtype=str, keep_default_na=False)
    errors = dict(zip(manifest["patient"], manifest["error"], strict=True))
    assert errors["001"] == ""
    assert errors["003"].startswith("n4: PREPROCESSING")
    log = next((tmp_path / "out").glob("preprocess_*.log")).read_text()
    assert "(row 4) failed at n4: PREPROCESSING" in log


def test_the_log_names_no_one(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "in" / "cohort.csv"
    table.write_text(table.read_text().replace("001,", "Mustermann_Erika,"))
    (tmp_path / "in" / "2_t1.nii.gz").write_bytes(b"")
    made = run()
    assert made.log is not None
    text = made.log.read_text()
    assert "(row 2) done: normalize" in text
    assert "EMPTY_FILE" in text
    assert "Mustermann" not in text
    assert str(tmp_path) not in text


def test_nothing_succeeded_is_an_error_that_names_the_first(run: Run, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "in" / f"{number}_t1.nii.gz").unlink()
    with pytest.raises(NothingSucceededError, match="'000', failed at read with MISSING_FILE"):
        run()
    assert len(pd.read_csv(tmp_path / "out" / "failures.csv")) == 3
    assert not (tmp_path / "out" / "cohort.csv").exists()


def test_stages_in_the_order_that_is_asked_for(
    run: Run, tmp_path: Path, half: Counter[str]
) -> None:
    run({"stages": ["normalize", "n4", "quality"]}, stages="n4,zscore")
    assert {stage for _, stage in done(tmp_path / "out")} == {"n4", "normalize", "write"}
    for wrong, told in (
        ("normalise", "Did you mean 'normalize'"),
        ("n4,n4", "'n4' twice"),
        ("", "unknown"),
    ):
        with pytest.raises(ConfigError, match=told):
            run(stages=wrong)
    with pytest.raises(ConfigError, match="must be the first stage"):
        run(stages="n4,convert")


def test_voxels_that_are_not_finite_fail_unless_they_are_to_be_zero(
    run: Run, tmp_path: Path
) -> None:
    image = np.where(ball(), np.random.default_rng(0).normal(9, 1, ball().shape), np.nan)
    save(image.astype(np.float32), tmp_path / "in" / "0_t1.nii.gz")
    made = run()
    assert made.failures["code"].tolist() == ["NONFINITE"]
    assert run(ZSCORE | {"nonfinite": "zero"}).count("failed") == 0
    found = voxels(tmp_path / "out" / "images" / "000" / "000_t1.nii.gz")
    assert np.isfinite(found).all()


def test_masks_on_other_grids_are_refused_and_named(run: Run, tmp_path: Path) -> None:
    save(ball((9, 9, 9)).astype(np.uint8), tmp_path / "in" / "0_brain.nii.gz")
    save(ball((9, 9, 9)).astype(np.uint8), tmp_path / "in" / "1_lesion.nii.gz")
    save(ball().astype(np.float32) / 2, tmp_path / "in" / "2_lesion.nii.gz")
    with pytest.raises(NothingSucceededError):
        run()
    failures = pd.read_csv(tmp_path / "out" / "failures.csv", dtype=str)
    assert failures["code"].tolist() == ["GEOMETRY", "GEOMETRY", "MASK_NOT_LABELS"]
    assert failures["stage"].unique().tolist() == ["read"]
    assert "brain mask" in failures["message"][0]


def test_what_is_wrong_with_the_cohort_is_told_before_anything_runs(
    run: Run, tmp_path: Path
) -> None:
    table = tmp_path / "in" / "cohort.csv"
    with pytest.raises(TableError, match="none of the modalities flair"):
        run(ZSCORE | {"modalities": ["flair"]})
    frame = pd.read_csv(table, dtype=str)
    frame.rename(columns={"Image_t1": "Image_mask"}).to_csv(table, index=False)
    with pytest.raises(TableError, match="cannot be called 'mask'"):
        run()
    frame.assign(id=["a", "A", "b"]).to_csv(table, index=False)
    with pytest.raises(TableError, match="where case does not count"):
        run()
    with pytest.raises(ConfigError, match="--classes is for a BraTS folder"):
        run(classes=("HGG",))
    assert not (tmp_path / "out").exists()


def test_preprocess_is_a_function_too(run: Run, tmp_path: Path) -> None:
    cohort = tmp_path / "in" / "cohort.csv"
    made = hk.preprocess(cohort, ZSCORE, output=tmp_path / "out", workers=1)
    assert made.count("done") == 3
    assert (tmp_path / "out" / "index.html").is_file()
    assert "001" in (tmp_path / "out" / "sheets" / "001.html").read_text()


def test_quality_is_a_table_and_a_column(run: Run, tmp_path: Path) -> None:
    made = run({"stages": ["quality", "normalize"], "quality": {"nonuniformity": False}})
    table = pd.read_csv(tmp_path / "out" / "quality.csv", dtype={"id": str})
    assert table.columns.tolist()[:4] == ["id", "modality", "flags", "outliers"]
    assert table["id"].tolist() == ["000", "001", "002"]
    assert made.table is not None
    # Eight slices are a slab, no head.
    assert all("t1:slices" in flags.split(";") for flags in made.table["quality_flags"])
    page = tmp_path / "out" / "index.html"
    assert not page.exists()
    run({"stages": ["quality", "normalize"], "quality": {"nonuniformity": False}}, sheets=True)
    assert "3 flagged" in page.read_text()


def test_a_picture_that_cannot_be_drawn_costs_no_case(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> Any:
        raise ValueError("no ink")

    monkeypatch.setattr(preprocess_case, "sheet_of", fail)
    made = run(sheets=True)
    assert made.count("done") == 3
    assert made.table is not None
    assert "could not be drawn (ValueError: no ink)" in made.table["preprocess_notes"][0]
    assert (tmp_path / "out" / "images" / "000" / "000_t1.nii.gz").is_file()


def test_a_cohort_that_was_made_here_is_taken_again(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "in" / "cohort.csv"
    pd.read_csv(table, dtype=str).drop(columns=["Mask", "Label"]).to_csv(table, index=False)
    run({"stages": ["quality"]})
    first = tmp_path / "out" / "cohort.csv"
    with pytest.raises(ConfigError, match="never written over"):
        hk.preprocess(first, ZSCORE, output=tmp_path / "out")
    made = hk.preprocess(first, ZSCORE, output=tmp_path / "twice", workers=1)
    assert made.table is not None
    names = {path.name for path in (tmp_path / "twice" / "images" / "000").iterdir()}
    assert names == {"000_t1.nii.gz", "000_mask.nii.gz"}
    assert made.table["quality_flags"].tolist() == pd.read_csv(first)["quality_flags"].tolist()
