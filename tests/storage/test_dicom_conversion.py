"""A series becomes NIfTI with the same voxels at the same places."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom
from conversion import array, assert_same_world, needs_dcm2niix, not_installed, nothing_occurs
from dicom import GRID, write_segmentation, write_series

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import DependencyError, ImageError
from harmonize_kit.storage import dcm2niix, dicom_volumes
from harmonize_kit.storage.dicom_conversion import Converted, convert_series
from harmonize_kit.storage.dicom_series import read_series
from harmonize_kit.storage.dicom_volumes import read_converted
from harmonize_kit.storage.folder_cohorts import cohort_from_folder
from harmonize_kit.storage.grid_order import in_order_of
from harmonize_kit.storage.images import data_files, open_image, open_mask, read_image

VENDORS = ("ge", "siemens", "philips", "hyperfine", "philips_enhanced")


# ---- orders of axes


def test_every_order_of_the_axes_is_the_same_image() -> None:
    grid = replace(GRID, spacing=(0.9, 1.1, 2.5))
    volume = Volume(array(grid).astype(np.int16), grid, (array(grid) > 400).astype(np.uint8))
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            direction = np.asarray(grid.direction).reshape(3, 3)[:, order] * signs
            turned = in_order_of(volume, replace(GRID, direction=tuple(direction.ravel())))
            assert np.allclose(turned.geometry.direction, direction.ravel())
            for z, y, x in ((0, 0, 0), (1, 2, 3), (0, 1, 0)):
                place = np.asarray(turned.geometry.origin) + direction @ (
                    np.asarray(turned.geometry.spacing) * (x, y, z)
                )
                index = np.linalg.solve(
                    np.asarray(grid.direction).reshape(3, 3), place - grid.origin
                ) / np.asarray(grid.spacing)
                i, j, k = (round(float(step)) for step in index)
                assert np.allclose(index, (i, j, k))
                assert turned.array[z, y, x] == volume.array[k, j, i]
            assert_same_world(turned, volume)
            assert turned.mask is not None
            assert np.array_equal(turned.mask, turned.array > 400)


# ---- conversion


@needs_dcm2niix
def test_a_converted_series_is_what_the_slices_are(tmp_path: Path) -> None:
    write_series(tmp_path / "s", array())
    made = convert_series(tmp_path / "s", tmp_path / "out" / "t1.nii.gz")
    assert made.converter.startswith("dcm2niix ")
    assert made.notes == ()
    assert_same_world(read_image(made.image), Volume(array(), GRID))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["t1.json", "t1.nii.gz"]


@needs_dcm2niix
@pytest.mark.parametrize("vendor", VENDORS)
def test_series_of_five_scanners_equal_their_nifti(
    real_data: Path, tmp_path: Path, vendor: str
) -> None:
    source = real_data / "dicom" / f"dicom2nifti_{vendor}"
    made = convert_series(source, tmp_path / "i.nii.gz")
    assert made.converter.startswith("dcm2niix ")
    assert_same_world(read_image(made.image), read_image(source / "ground_truth.nii.gz"))
    assert_nobody_is_named(source, made)


@needs_dcm2niix
@pytest.mark.parametrize("patient", ["008", "025", "042"])
def test_whole_series_and_their_contours_equal_their_nifti(
    real_data: Path, tmp_path: Path, patient: str
) -> None:
    """The mask of a structure set falls on the converted image where it fell on the slices."""
    stem = f"STS_{patient}_MR_T1"
    with zipfile.ZipFile(real_data / "dicom" / f"{stem}_dicom.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / f"STS_{patient}" / "MR_T1"
    made = convert_series(folder / "image", tmp_path / "i.nii.gz")
    assert made.converter.startswith("dcm2niix ")
    image = read_image(made.image)
    assert_same_world(image, read_image(real_data / "dicom" / f"{stem}_image.nii.gz"))
    drawn = open_mask(folder / "mask" / "RS.dcm", grid=image.geometry, labels=(1,)).volume
    truth = read_image(real_data / "dicom" / f"{stem}_mask.nii.gz")
    assert_same_world(drawn.with_array(drawn.array == 1), truth.with_array(truth.array == 1))
    [case] = cohort_from_folder(tmp_path / f"STS_{patient}").cohort
    assert Path(case.mask) == folder / "mask" / "RS.dcm"
    assert f"STS_{patient}" not in case.id + "".join(case.columns.values())
    assert_nobody_is_named(folder / "image", made)


def assert_nobody_is_named(source: Path, made: Converted) -> None:
    """No value of a tag that names people, places, dates or devices is in what was written."""
    marks: set[str] = set()
    for file in data_files(source):
        with warnings.catch_warnings():
            # Real headers break rules of length.
            warnings.simplefilter("ignore")
            elements = list(pydicom.dcmread(file, stop_before_pixels=True).iterall())
        for element in elements:
            telling = element.tag.group == 0x0010 or element.VR in ("PN", "DA", "TM", "DT", "UI")
            if telling or element.keyword in ("InstitutionName", "StationName", "AccessionNumber"):
                values = element.value if element.VM > 1 else [element.value]
                marks |= {str(value) for value in values if len(str(value or "")) > 3}
    assert marks
    json_text = made.image.with_suffix("").with_suffix(".json").read_bytes()
    nothing_occurs(marks, made.image.read_bytes(), json_text)


def test_a_segmentation_falls_on_the_converted_image(tmp_path: Path) -> None:
    """dcm2niix counts rows and slices from the other end; the segments follow."""
    pytest.importorskip("highdicom")
    segments = np.zeros((*GRID.size[::-1], 2), np.uint8)
    segments[2:4, 1:4, 5:7, 0] = segments[3:5, 6:8, 0:2, 1] = 1
    slices = write_series(tmp_path / "in" / "s", array())
    write_segmentation(tmp_path / "in" / "seg.dcm", slices, segments)
    made = convert_series(tmp_path / "in" / "s", tmp_path / "i.nii.gz")
    grid = read_image(made.image).geometry
    drawn = open_mask(tmp_path / "in" / "seg.dcm", grid=grid, labels=None).volume
    assert_same_world(drawn, Volume((segments * [1, 2]).sum(axis=3), GRID))
    assert cohort_from_folder(tmp_path / "in").cohort.cases[0].mask.endswith("seg.dcm")


# ---- where one reader fails


def fails(*_: Any) -> Any:
    raise ImageError("UNREADABLE", "dcm2niix made no image of it (exit code 1)")


def another(*_: Any) -> Any:
    return dcm2niix.Converted(Volume(array() + 1, GRID), {"Manufacturer": "Other"})


def elsewhere(*_: Any) -> Any:
    return dcm2niix.Converted(Volume(array(), replace(GRID, origin=(0, 0, 0))), {})


@pytest.mark.parametrize(
    ("instead", "word"),
    [
        (not_installed, "not installed"), (fails, "exit code 1"),
        (another, "other voxels, by up to 1"), (elsewhere, "another grid, origin"),
    ],
)  # fmt: skip
def test_the_proved_reading_stands_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instead: Any, word: str
) -> None:
    write_series(tmp_path / "s", array())
    monkeypatch.setattr(dicom_volumes, "run_dcm2niix", instead)
    made = convert_series(tmp_path / "s", tmp_path / "i.nii.gz")
    assert made.converter.startswith("SimpleITK (GDCM)")
    assert len(made.notes) == 1
    assert word in made.notes[0]
    assert np.array_equal(read_image(made.image).array, read_series(tmp_path / "s").array)


def test_a_converter_that_does_not_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(dcm2niix, "_program", lambda: str(program))
    write_series(tmp_path / "s", array())
    with pytest.raises(ImageError, match=r"over 0\.2 s") as raised:
        dcm2niix.run_dcm2niix(data_files(tmp_path / "s"), timeout=0.2)
    assert raised.value.code == "TIMEOUT"


@needs_dcm2niix
def test_a_file_of_many_frames_is_read_everywhere_and_its_damage_told(
    real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "dicom" / "dicom2nifti_philips_enhanced"
    truth = read_image(source / "ground_truth.nii.gz")
    [file] = source.glob("*.dcm")
    shutil.copy(file, tmp_path / "a.dcm")
    assert_same_world(open_image(tmp_path / "a.dcm").volume, truth)
    assert data_files(tmp_path / "a.dcm") == (tmp_path / "a.dcm",)
    content = file.read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(ImageError) as raised:
        open_image(tmp_path / "a.dcm")
    assert raised.value.code == "UNREADABLE"


def test_many_frames_without_the_converter_are_told(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcm2niix, "import_module", not_there)
    with pytest.raises(DependencyError, match=r"pip install 'harmonize-kit\[dicom\]'"):
        read_converted(next((real_data / "dicom/dicom2nifti_philips_enhanced").glob("*.dcm")))


def not_there(name: str) -> Any:
    raise ImportError(name)
