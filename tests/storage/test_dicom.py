"""DICOM: whole series on their true grid, and masks that fall where they were drawn."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pydicom", reason="the extra dicom is not installed")

import dicom
from dicom import GRID, write_segmentation, write_series, write_structures

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import CaseError, DependencyError, ImageError
from harmonize_kit.storage import dicom_masks
from harmonize_kit.storage.dicom_headers import is_dicom_file
from harmonize_kit.storage.dicom_masks import read_dicom_mask
from harmonize_kit.storage.dicom_series import read_series, series_files
from harmonize_kit.storage.images import read_image, read_mask


def array(grid: Geometry = GRID) -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 900, grid.size[::-1]).astype(np.uint16)


def square(low: float, high: float, level: float) -> NDArray[np.float64]:
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([(x, y, level) for x, y in corners])


def refused(code: str, *words: str) -> Any:
    class Check:
        def __enter__(self) -> None:
            self.raises = pytest.raises(CaseError)
            self.info = self.raises.__enter__()

        def __exit__(self, *raised: Any) -> bool:
            result = self.raises.__exit__(*raised)
            assert self.info.value.code == code, self.info.value
            for word in words:
                assert word in str(self.info.value)
            assert dicom.PATIENT not in str(self.info.value)
            return bool(result)

    return Check()


# ---- series


def test_a_series_is_read_on_its_grid_whatever_the_names_of_its_files(tmp_path: Path) -> None:
    write_series(tmp_path, array())
    found = read_series(tmp_path)
    assert np.array_equal(found.array, array())
    assert GRID.difference(found.geometry, 1e-5) is None
    assert len(series_files(tmp_path)) == 6


def test_what_lies_beside_a_series_is_left_alone(tmp_path: Path) -> None:
    write_series(tmp_path, array())
    (tmp_path / "notes.txt").write_text("read me")
    shutil.copy(tmp_path / "00.dcm", tmp_path / "DICOMDIR")
    write_series(tmp_path / "below", array())
    assert np.array_equal(read_series(tmp_path).array, array())


def test_a_missing_slice_is_told(tmp_path: Path) -> None:
    write_series(tmp_path, array())
    next(tmp_path.glob("?2.dcm")).unlink()
    with refused("GEOMETRY", "every 2.5 mm", "5 mm on", "missing"):
        read_series(tmp_path)


def test_two_series_in_one_folder_are_told(tmp_path: Path) -> None:
    write_series(tmp_path, array())
    write_series(tmp_path / "b", array())
    for file in (tmp_path / "b").iterdir():
        file.rename(tmp_path / f"b{file.name}")
    with refused("BAD_HEADER", "got 2 in 12 files"):
        read_series(tmp_path)


def edit(folder: Path, number: int, **tags: Any) -> None:
    path = next(folder.glob(f"?{number}.dcm"))
    dataset = dicom.read(path)
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dicom.save(dataset, path)


@pytest.mark.parametrize(
    ("tags", "code", "word"),
    [
        ({"ImagePositionPatient": [20, -30, 40]}, "NOT_3D", "one place"),
        ({"ImagePositionPatient": [16, -30, 40]}, "GEOMETRY", "missing"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "GEOMETRY", "orientation"),
        ({"PixelSpacing": [1, 1]}, "BAD_HEADER", "spacing"),
        ({"ImagePositionPatient": None}, "BAD_HEADER", "0020,0032"),
        ({"PixelSpacing": None}, "BAD_HEADER", "0028,0030"),
    ],
)
def test_a_slice_that_does_not_belong_is_told(
    tmp_path: Path, tags: dict[str, Any], code: str, word: str
) -> None:
    write_series(tmp_path, array())
    edit(tmp_path, 2, **tags)
    with refused(code, word):
        read_series(tmp_path)


def test_a_tilted_gantry_is_told(tmp_path: Path) -> None:
    datasets = write_series(tmp_path, array())
    for number, entry in enumerate(datasets):
        x, y, z = entry.ImagePositionPatient
        edit(tmp_path, number, ImagePositionPatient=[x, y + 0.3 * number, z])
    with refused("GEOMETRY", "tilted"):
        read_series(tmp_path)


def test_slices_with_their_own_scale_keep_their_fractions(tmp_path: Path) -> None:
    write_series(tmp_path, array())
    for number in range(6):
        edit(tmp_path, number, RescaleSlope=1 + number / 4, RescaleIntercept=0)
    expected = array() * (1 + np.arange(6) / 4)[:, None, None]
    assert np.allclose(read_series(tmp_path).array, expected)


@pytest.mark.parametrize("keep", [0.5, 0.99, 0.2])
def test_a_file_cut_short_is_told(tmp_path: Path, keep: float) -> None:
    write_series(tmp_path, array())
    path = next(tmp_path.glob("?3.dcm"))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with refused("UNREADABLE", "copy it again"):
        read_series(tmp_path)


def test_an_empty_folder_and_a_single_slice_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with refused("UNREADABLE", "without any"):
        read_series(tmp_path)
    write_series(tmp_path, array()[:1])
    with refused("NOT_3D", "at least two"):
        read_series(tmp_path)


# ---- structure sets


def test_contours_are_filled_by_exclusive_or_on_a_turned_grid(tmp_path: Path) -> None:
    inner, outer = square(2.6, 4.4, 2.0), square(0.6, 6.4, 2.0)
    write_structures(tmp_path / "rs.dcm", {4: ("tumour", [outer, inner, square(1.6, 3.4, 3.0)])})
    found = read_dicom_mask(tmp_path / "rs.dcm", GRID, (4,))
    expected = np.zeros(GRID.size[::-1], np.uint16)
    expected[2, 1:7, 1:7] = 4
    expected[2, 3:5, 3:5] = 0
    expected[3, 2:4, 2:4] = 4
    assert np.array_equal(found.array, expected)
    assert found.geometry == GRID


def test_regions_that_overlap_are_read_one_at_a_time(tmp_path: Path) -> None:
    regions = {1: ("GTV", [square(1.6, 3.4, 2)]), 2: ("PTV", [square(0.6, 5.4, 2)])}
    write_structures(tmp_path / "rs.dcm", regions)
    for label, size in ((1, 4), (2, 25)):
        assert (read_dicom_mask(tmp_path / "rs.dcm", GRID, (label,)).array == label).sum() == size
    for both in ((1, 2), None):
        with refused("MASK_NOT_LABELS", "1 (GTV)", "2 (PTV)", "overlap"):
            read_dicom_mask(tmp_path / "rs.dcm", GRID, both)


@pytest.mark.parametrize(
    ("contour", "code", "word"),
    [
        (square(1.6, 3.4, 2.4), "GEOMETRY", "does not lie in a slice"),
        (square(1.6, 3.4, 7.0), "OUTSIDE_IMAGE", "leaves the image"),
        (square(1.6, 13.4, 2.0), "OUTSIDE_IMAGE", "leaves the image"),
        (square(2.1, 2.9, 2.0), "EMPTY_MASK", "no voxel"),
    ],
)
def test_a_contour_that_belongs_elsewhere_is_told(
    tmp_path: Path, contour: NDArray[np.float64], code: str, word: str
) -> None:
    write_structures(tmp_path / "rs.dcm", {1: ("tumour", [contour])})
    with refused(code, word, "tumour"):
        read_dicom_mask(tmp_path / "rs.dcm", GRID, (1,))


def test_an_unknown_label_is_answered_with_the_names_there_are(tmp_path: Path) -> None:
    regions = {3: ("GTV", [square(1.6, 3.4, 2)]), 7: ("heart", list[NDArray[np.float64]]())}
    write_structures(tmp_path / "rs.dcm", regions)
    with refused("LABEL_MISSING", "3 (GTV), 7 (heart)"):
        read_dicom_mask(tmp_path / "rs.dcm", GRID, (1,))
    with refused("EMPTY_MASK", "heart"):
        read_dicom_mask(tmp_path / "rs.dcm", GRID, (7,))
    assert set(np.unique(read_dicom_mask(tmp_path / "rs.dcm", GRID, None).array)) == {0, 3}


def test_an_image_is_no_mask_and_damage_is_told(tmp_path: Path) -> None:
    write_series(tmp_path, array())
    with refused("BAD_HEADER", "got MR"):
        read_dicom_mask(tmp_path / "00.dcm", GRID, (1,))
    assert is_dicom_file(tmp_path / "00.dcm")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["rs", "seg"])
def test_a_mask_cut_short_is_told(tmp_path: Path, kind: str, keep: float) -> None:
    path = tmp_path / f"{kind}.dcm"
    if kind == "rs":
        contours = [square(1.6, 3.4, level) for level in range(6)]
        write_structures(path, {1: ("tumour", contours)})
    else:
        pytest.importorskip("highdicom")
        write_segmentation(path, write_series(tmp_path / "series", array()), segments(1))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ImageError) as raised:
        read_dicom_mask(path, GRID, (1,))
    assert raised.value.code in {"UNREADABLE", "BAD_HEADER"}


def test_a_missing_library_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    write_structures(tmp_path / "rs.dcm", {1: ("tumour", [square(1.6, 3.4, 2)])})
    monkeypatch.setattr(dicom_masks, "import_module", missing)
    with pytest.raises(DependencyError, match=r"pip install 'harmonize-kit\[dicom\]'"):
        read_dicom_mask(tmp_path / "rs.dcm", GRID, (1,))


# ---- segmentations


def segments(count: int = 2) -> NDArray[np.uint8]:
    """Boxes in the middle slices alone, so that the file holds fewer slices than the image."""
    found = np.zeros((*GRID.size[::-1], count), np.uint8)
    for number in range(count):
        found[2:4, 1 + number : 4, 2 * number : 2 * number + 2, number] = 1
    return found


def test_segments_fall_where_they_were_drawn(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    slices = write_series(tmp_path / "series", array())
    write_segmentation(tmp_path / "seg.dcm", slices, segments())
    found = read_dicom_mask(tmp_path / "seg.dcm", GRID, None)
    assert np.array_equal(found.array, (segments() * [1, 2]).sum(axis=3))
    one = read_dicom_mask(tmp_path / "seg.dcm", GRID, (2,))
    assert np.array_equal(one.array, 2 * segments()[..., 1])
    with refused("LABEL_MISSING", "1 (lesion 1), 2 (lesion 2)"):
        read_dicom_mask(tmp_path / "seg.dcm", GRID, (3,))
    elsewhere = replace(GRID, origin=(20.0, -30.3, 40.0))
    with refused("GEOMETRY", "segment 1"):
        read_dicom_mask(tmp_path / "seg.dcm", elsewhere, (1,))
    smaller = replace(GRID, size=(9, 8, 3))
    with refused("OUTSIDE_IMAGE", "segment 1"):
        read_dicom_mask(tmp_path / "seg.dcm", smaller, (1,))


def test_a_segmentation_of_fractions_is_told(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    slices = write_series(tmp_path / "series", array())
    write_segmentation(tmp_path / "seg.dcm", slices, segments(1) * 0.4, fractional=True)
    with refused("MASK_NOT_LABELS", "threshold"):
        read_dicom_mask(tmp_path / "seg.dcm", GRID, (1,))


# ---- real data


@pytest.mark.parametrize("patient", ["008", "025", "042"])
def test_contours_of_three_vendors_give_the_published_mask(
    real_data: Path, tmp_path: Path, patient: str
) -> None:
    stem = f"STS_{patient}_MR_T1"
    with zipfile.ZipFile(real_data / "dicom" / f"{stem}_dicom.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / f"STS_{patient}" / "MR_T1"
    image = read_series(folder / "image")
    expected = read_image(real_data / "dicom" / f"{stem}_image.nii.gz")
    assert np.array_equal(image.array, expected.array)
    assert image.geometry.difference(expected.geometry, 1e-4) is None
    mask = read_dicom_mask(folder / "mask" / "RS.dcm", image.geometry, (1,))
    truth = read_mask(real_data / "dicom" / f"{stem}_mask.nii.gz")
    assert np.array_equal(mask.array == 1, truth.array == 1)


@pytest.mark.parametrize("vendor", ["ge", "siemens", "philips"])
def test_series_of_three_vendors_agree_with_their_nifti(real_data: Path, vendor: str) -> None:
    folder = real_data / "dicom" / f"dicom2nifti_{vendor}"
    found, truth = read_series(folder), read_image(folder / "ground_truth.nii.gz")
    # The NIfTI may count its slices from the other end.
    flipped = found.geometry.direction[8] * truth.geometry.direction[8] < 0 or (
        found.geometry.direction[2] * truth.geometry.direction[2] < 0
    )
    assert np.array_equal(found.array[::-1] if flipped else found.array, truth.array)


def test_many_frames_in_one_file_are_told(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "dicom" / "dicom2nifti_philips_enhanced"
    for file in source.glob("*.dcm"):
        shutil.copy(file, tmp_path)
    with refused("NOT_3D", "8 frames", "dcm2niix"):
        read_series(tmp_path)
