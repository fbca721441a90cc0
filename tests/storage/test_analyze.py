"""Analyze 7.5: what SPM wrote beside the format is read as nibabel reads it, and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ImageError
from harmonize_kit.storage.images import data_files, open_image, read_image

ARRAY = np.random.default_rng(0).integers(0, 900, (5, 4, 3)).astype(np.int16)
TURN = np.deg2rad(15)
AFFINE = np.array([
    [2 * np.cos(TURN), -1.5 * np.sin(TURN), 0, -40],
    [2 * np.sin(TURN), 1.5 * np.cos(TURN), 0, 12],
    [0, 0, 3, -7],
    [0, 0, 0, 1],
])  # fmt: skip


def save(path: Path, kind: str = "AnalyzeImage", affine: Any = None, dtype: str = "int16") -> Any:
    vendor: Any = nibabel
    image = getattr(vendor, kind)(ARRAY.astype(dtype), affine)
    image.set_data_dtype("int16")
    if affine is None:
        image.header.set_zooms((2, 1.5, 3))
    vendor.save(image, path.with_suffix(".img"))
    return vendor.load(path.with_suffix(".img"))


def edit(path: Path, start: int, content: bytes) -> None:
    header = bytearray(path.read_bytes())
    header[start : start + len(content)] = content
    path.write_bytes(header)


def assert_where_nibabel_puts_it(volume: Volume, image: Any) -> None:
    assert np.allclose(volume.array, np.asarray(image.dataobj).T, rtol=1e-6)
    index = np.array([(0, 0, 0), (4, 0, 0), (0, 3, 0), (0, 0, 2), (1, 2, 1)])
    direction = np.asarray(volume.geometry.direction).reshape(3, 3)
    steps = index * np.asarray(volume.geometry.spacing)
    place = np.asarray(volume.geometry.origin) + steps @ direction.T
    expected = nibabel.affines.apply_affine(image.affine, index) * (-1, -1, 1)
    assert np.allclose(place, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["Spm99AnalyzeImage", "Spm2AnalyzeImage"])
def test_a_mat_file_gives_the_position(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.hdr"
    image = save(path, kind, AFFINE)
    reading = open_image(path)
    assert_where_nibabel_puts_it(reading.volume, image)
    assert any(".mat file" in note for note in reading.notes)
    assert not any("left and right cannot be told" in note for note in reading.notes)
    # What decides the position belongs to the content of the image.
    assert [p.suffix for p in data_files(path)] == [".hdr", ".img", ".mat"]
    (tmp_path / "a.mat").write_bytes(b"no matrix")
    with pytest.raises(ImageError, match=r"\.mat file") as raised:
        read_image(path)
    assert raised.value.code == "BAD_HEADER"


def test_an_origin_gives_the_position_and_left_and_right_stay_open(tmp_path: Path) -> None:
    save(tmp_path / "a.hdr")
    edit(tmp_path / "a.hdr", 253, np.array([3, 2, 1], "<i2").tobytes())
    reading = open_image(tmp_path / "a.hdr")
    vendor: Any = nibabel
    assert_where_nibabel_puts_it(reading.volume, vendor.load(tmp_path / "a.hdr"))
    assert reading.volume.geometry.origin == (-4.0, 1.5, 0.0)
    assert any("left and right cannot be told" in note for note in reading.notes)


def test_without_a_position_the_grid_is_that_of_itk(tmp_path: Path) -> None:
    save(tmp_path / "a.hdr")
    reading = open_image(tmp_path / "a.hdr")
    assert reading.volume.geometry.origin == (0.0, 0.0, 0.0)
    assert reading.volume.geometry.spacing == (2.0, 1.5, 3.0)
    assert reading.notes == ("Analyze header without orientation: left and right cannot be told",)
    edit(tmp_path / "a.hdr", 252, b"\x03")
    assert any("code of orientation, 3," in note for note in open_image(tmp_path / "a.img").notes)


def test_a_scale_of_spm_is_applied_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.hdr"
    save(path, "Spm99AnalyzeImage", AFFINE)
    edit(path, 112, np.array([0.25], "<f4").tobytes())
    reading = open_image(path)
    assert np.array_equal(reading.volume.array, ARRAY.T * np.float32(0.25))
    assert any("multiplied by 0.25" in note for note in reading.notes)


def test_a_mat_file_beside_nifti_is_left_alone(tmp_path: Path) -> None:
    vendor: Any = nibabel
    vendor.save(vendor.Nifti1Pair(ARRAY, AFFINE), tmp_path / "a.img")
    (tmp_path / "a.mat").write_bytes(b"no matrix")
    assert [p.suffix for p in data_files(tmp_path / "a.hdr")] == [".hdr", ".img"]
    assert_where_nibabel_puts_it(read_image(tmp_path / "a.hdr"), vendor.load(tmp_path / "a.img"))
