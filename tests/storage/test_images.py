from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ImageError
from harmonize_kit.storage.images import read_image, read_mask, write_image, write_mask


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_a_volume_survives_the_disk(
    volume: Volume, tmp_path: Path, suffix: str, dtype: str
) -> None:
    path = tmp_path / f"image{suffix}"
    written = volume.with_array(volume.array.astype(dtype))
    write_image(written, path)
    read = read_image(path)
    np.testing.assert_array_equal(read.array, written.array)
    assert read.array.dtype == written.array.dtype
    assert volume.geometry.difference(read.geometry, 1e-5) is None
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_mask_survives_the_disk(volume: Volume, tmp_path: Path) -> None:
    write_mask(volume, tmp_path / "mask.nii.gz")
    assert volume.mask is not None
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii.gz").array, volume.mask)


def failure(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert path.name in caught.value.message
    return caught.value.code


def test_damaged_files_are_told_apart(volume: Volume, tmp_path: Path) -> None:
    whole = tmp_path / "whole.nii.gz"
    write_image(volume, whole)
    content = whole.read_bytes()
    flipped = bytearray(content)
    flipped[-6] ^= 1
    for name, bytes_, code in [
        ("cut.nii.gz", content[: len(content) // 2], "TRUNCATED"),
        ("flipped.nii.gz", bytes(flipped), "CRC"),
        ("empty.nii.gz", b"", "EMPTY_FILE"),
        ("text.nii.gz", b"this is no image", "NOT_AN_IMAGE"),
        ("text.nrrd", b"this is no image", "NOT_AN_IMAGE"),
        ("hidden_text.nii.gz", gzip.compress(b"x" * 1000), "NOT_AN_IMAGE"),
    ]:
        (tmp_path / name).write_bytes(bytes_)
        assert failure(tmp_path / name) == code, name
    assert failure(tmp_path / "absent.nii.gz") == "MISSING_FILE"
    (tmp_path / "folder.nii").mkdir()
    assert failure(tmp_path / "folder.nii") == "UNREADABLE"


def test_a_series_is_refused_and_a_single_volume_of_one_read(tmp_path: Path) -> None:
    for count in (1, 3):
        image = sitk.GetImageFromArray(np.zeros((count, 4, 5, 6), np.float32), isVector=False)
        sitk.WriteImage(image, str(tmp_path / f"{count}.nii.gz"))
    assert read_image(tmp_path / "1.nii.gz").array.shape == (4, 5, 6)
    assert failure(tmp_path / "3.nii.gz") == "NOT_3D"


def test_colour_is_no_intensity_but_a_mask_channel_is(tmp_path: Path) -> None:
    array = np.zeros((4, 5, 6, 2), np.uint8)
    array[..., 1] = 1
    path = tmp_path / "two.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(path))
    assert failure(path) == "NOT_3D"
    assert read_mask(path, 1).array.min() == 1
    with pytest.raises(ImageError, match="Label_channel 2"):
        read_mask(path, 2)
