"""preprocess on the folder layout of the BraTS challenges, with the preset brats-zscore."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from scans_on_disk import MODALITIES, ball, contents, make_brats, times

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import TableError
from harmonize_kit.flows.preprocess import PreprocessingRun, preprocess_to_folder
from harmonize_kit.flows.preprocess_plan import Options
from harmonize_kit.flows.translate_cohort import read_translation_cohort
from harmonize_kit.storage.folder_cohorts import cohort_from_folder

SERIAL = ExecutionConfig(workers=1)


def run(tmp_path: Path, out: str = "out", **options: Any) -> PreprocessingRun:
    chosen = replace(Options(sheets=False), **options)
    return preprocess_to_folder(tmp_path / "BraTS", tmp_path / out, "brats-zscore", SERIAL, chosen)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of two high-grade patients and one low-grade one, and what is made of it."""
    folder = tmp_path_factory.mktemp("brats")
    make_brats(folder / "BraTS")
    before = contents(folder / "BraTS")
    run(folder)
    assert contents(folder / "BraTS") == before
    return folder


def test_the_layout_is_kept_and_values_are_the_z_score_of_the_brain(tree: Path) -> None:
    brain = ball()
    assert cohort_from_folder(tree / "out" / "images").layout == "BraTS"
    for given in sorted((tree / "BraTS").rglob("*.nii.gz")):
        made = tree / "out" / "images" / given.relative_to(tree / "BraTS")
        if given.name.endswith("_seg.nii.gz"):
            assert made.read_bytes() == given.read_bytes()
            continue
        image, before = nibabel.load(made), nibabel.load(given)
        np.testing.assert_array_equal(image.affine, before.affine)
        inside = np.asanyarray(before.dataobj)[brain].astype(np.float64)
        expected = (inside - inside.mean()) / (inside.std() + 1e-8)
        found = np.asanyarray(image.dataobj)
        np.testing.assert_allclose(found[brain], expected, atol=1e-6)
        assert (found[~brain] == 0).all()


def test_the_table_is_one_that_translate_takes(tree: Path) -> None:
    run(tree)
    found = read_translation_cohort(tree / "out" / "cohort.csv", MODALITIES)
    assert found.modalities == tuple(MODALITIES)
    frame = pd.read_csv(tree / "out" / "cohort.csv", dtype=str)
    for path in frame["Brain_mask"]:
        mask = np.asanyarray(nibabel.load(tree / "out" / path).dataobj)
        np.testing.assert_array_equal(mask > 0, ball())


def test_manifest_and_summary_tell_every_image(tree: Path) -> None:
    again = run(tree)
    assert again.classes == {
        "HGG": {"done": 0, "kept": 2, "failed": 0, "to do": 0},
        "LGG": {"done": 0, "kept": 1, "failed": 0, "to do": 0},
    }
    manifest = pd.read_csv(tree / "out" / "manifest.csv", dtype=str, keep_default_na=False)
    assert manifest.columns.tolist() == [
        "patient", "class", "modality", "input", "output", "status", "timestamp", "error",
    ]  # fmt: skip
    assert len(manifest) == 3 * 5
    assert manifest["modality"].unique().tolist() == [*MODALITIES, "labels"]
    assert manifest["class"].value_counts().to_dict() == {"HGG": 10, "LGG": 5}
    assert (manifest["status"] == "done").all()
    assert pd.to_datetime(manifest["timestamp"]).dt.tz is not None
    assert all(Path(path).is_file() for path in manifest["input"])
    assert all((tree / "out" / path).is_file() for path in manifest["output"])


def test_classes_are_chosen_by_name(tree: Path) -> None:
    made = run(tree, "high", classes=("hgg",))
    assert set(made.classes) == {"HGG"}
    assert not (tree / "high" / "images" / "LGG").exists()
    with pytest.raises(TableError, match="no class 'MGG'"):
        run(tree, "none", classes=("MGG",))


def test_what_is_done_and_readable_is_skipped(tree: Path) -> None:
    out = tree / "again"
    shutil.copytree(tree / "out", out)
    assert run(tree, "again").count("kept") == 3
    before = times(out / "images" / "LGG")
    image = next((out / "images" / "HGG").rglob("*_t2.nii.gz"))
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    made = run(tree, "again")
    assert (made.count("done"), made.count("kept")) == (1, 2)
    assert image.read_bytes() == whole
    assert times(out / "images" / "LGG") == before


def test_a_patient_that_lacks_a_modality_is_done_with_the_others(tmp_path: Path) -> None:
    make_brats(tmp_path / "BraTS", 1, 1)
    next((tmp_path / "BraTS" / "HGG").rglob("*_t2.nii.gz")).unlink()
    truncated = next((tmp_path / "BraTS" / "LGG").rglob("*_flair.nii.gz"))
    truncated.write_bytes(truncated.read_bytes()[:-40])
    made = run(tmp_path)
    assert (made.count("done"), made.count("failed")) == (1, 1)
    assert any("1 of 2 cases have no t2" in note for note in made.notes)
    manifest = pd.read_csv(tmp_path / "out" / "manifest.csv", dtype=str, keep_default_na=False)
    assert manifest.groupby("class")["status"].unique().map(list).to_dict() == {
        "HGG": ["done"], "LGG": ["failed"],
    }  # fmt: skip
    assert manifest.loc[manifest["class"] == "LGG", "error"].str.contains("TRUNCATED").all()
    assert made.table is not None
    assert "Image_t1ce" in made.table
    assert "Image_t2" not in made.table


def test_names_of_later_challenges_are_kept(tmp_path: Path) -> None:
    make_brats(tmp_path / "BraTS", 1, 0)
    old = next((tmp_path / "BraTS" / "HGG").iterdir())
    patient = tmp_path / "BraTS" / "BraTS-GLI-00000-000"
    patient.mkdir()
    for modality in ("t1", "seg"):
        file = old / f"{old.name}_{modality}.nii.gz"
        shutil.copy(file, patient / f"{patient.name}-{modality}.nii.gz")
    shutil.rmtree(tmp_path / "BraTS" / "HGG")
    run(tmp_path)
    made = {path.name for path in (tmp_path / "out" / "images" / patient.name).iterdir()}
    assert made == {f"{patient.name}-{part}.nii.gz" for part in ("t1", "seg", "mask")}
