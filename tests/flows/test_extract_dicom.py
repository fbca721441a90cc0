"""A cohort of DICOM series with structure sets and segmentations, extracted as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

pytest.importorskip("highdicom", reason="the extra dicom is not installed")

from dicom import GRID, PATIENT, write_segmentation, write_series, write_structures

import harmonize_kit as hk
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.flows.extract import ExtractionRun, extract_to_folder
from harmonize_kit.storage.images import write_image, write_mask


def square(level: int) -> NDArray[np.float64]:
    return np.array([(x, y, level) for x, y in ((1.5, 1.5), (6.5, 1.5), (6.5, 5.5), (1.5, 5.5))])


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """One region three times: as contours, as a segment, and as NIfTI."""
    array = np.random.default_rng(2).integers(0, 900, GRID.size[::-1]).astype(np.uint16)
    mask = np.zeros(array.shape, np.uint8)
    mask[1:4, 2:6, 2:7] = 1
    slices = write_series(tmp_path / "series", array)
    write_structures(tmp_path / "rs.dcm", {2: ("GTV", [square(level) for level in (1, 2, 3)])})
    write_segmentation(tmp_path / "seg", slices, mask[..., None])
    volume = Volume(array, GRID, mask)
    write_image(volume, tmp_path / "image.nii.gz")
    write_mask(volume, tmp_path / "sub-01_ses-1_desc-tumor_mask.nii.gz")
    path = tmp_path / "cohort.csv"
    path.write_text(
        "id,Image,Mask,Label\n"
        "contours,series,rs.dcm,2\n"
        "segment,series,seg,1\n"
        "nifti,image.nii.gz,sub-01_ses-1_desc-tumor_mask.nii.gz,1\n"
    )
    return path


def run(cohort: Path, folder: Path) -> ExtractionRun:
    return extract_to_folder(cohort, folder, "pyradiomics-default", ExecutionConfig(workers=1))


def test_the_numbers_do_not_depend_on_the_format(cohort: Path, tmp_path: Path) -> None:
    done = run(cohort, tmp_path / "out")
    assert done.table is not None
    assert done.table.ids == ["contours", "segment", "nifti"]
    values = done.table.values
    assert np.array_equal(values[0], values[1])
    # NIfTI keeps its geometry in single precision.
    assert np.allclose(values[0], values[2], rtol=1e-4)


def test_no_patient_is_named_in_what_is_written(cohort: Path, tmp_path: Path) -> None:
    run(cohort, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert PATIENT.encode() not in path.read_bytes()


def test_a_changed_slice_is_measured_anew_and_an_unknown_region_fails_alone(
    cohort: Path, tmp_path: Path
) -> None:
    run(cohort, tmp_path / "out")
    assert run(cohort, tmp_path / "out").computed == 0
    file = sorted((tmp_path / "series").iterdir())[3]
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(bytes(content))
    again = run(cohort, tmp_path / "out")
    assert (again.computed, again.reused) == (2, 1)
    table = pd.read_csv(cohort, dtype=str)
    table.loc[0, "Label"] = "5"
    table.to_csv(cohort, index=False)
    failures = run(cohort, tmp_path / "out").failures
    assert failures[["id", "code"]].to_numpy().tolist() == [["contours", "LABEL_MISSING"]]
    assert "2 (GTV)" in failures["message"].iloc[0]


def test_a_cohort_of_folders_is_valid(cohort: Path) -> None:
    from harmonize_kit.storage.cohorts import missing_files

    assert missing_files(hk.read_cohort(cohort)) == []
