"""Voxels read and proved in one pass are those that ITK reads, on the grid that ITK sees."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from corpus.formats import affine_of, metaimage, nifti, nrrd, sets, voxels
from numpy.typing import NDArray

from harmonize_kit.errors import ImageError
from harmonize_kit.storage import voxels as reading
from harmonize_kit.storage.declared import Declared, require_possible
from harmonize_kit.storage.images import data_files, open_image, open_mask, read_image
from harmonize_kit.storage.itk import from_itk
from harmonize_kit.storage.voxels import read_voxels

DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
WRITERS: dict[str, Callable[[NDArray[Any], str], bytes]] = {
    "raw.nii": lambda array, order: nifti(array, order=order),
    "packed.nii.gz": lambda array, order: gzip.compress(nifti(array, order=order)),
    "raw.nrrd": lambda array, order: nrrd(array, encoding="raw", order=order),
    "packed.nrrd": lambda array, order: nrrd(array, order=order),
    "raw.mha": lambda array, order: metaimage(array, order=order),
    "packed.mha": lambda array, order: metaimage(array, order=order, compressed=True),
}


def noise(dtype: str, shape: tuple[int, ...] = (5, 6, 7)) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    if dtype[0] == "f":
        return rng.normal(0, 1e3, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def require_as_itk(path: Path) -> None:
    read, expected = read_image(path), from_itk(sitk.ReadImage(str(path)))
    assert read.array.dtype == expected.array.dtype
    np.testing.assert_array_equal(read.array, expected.array)
    assert read.geometry == expected.geometry


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WRITERS)
def test_voxels_and_grid_are_those_of_itk(
    tmp_path: Path, name: str, dtype: str, order: str
) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name](noise(dtype), order))
    require_as_itk(path)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [(2.5, -1024.0), (1.0, 0.1), (0.0, 7.0), (1 / 3, 0.0)])
def test_scaled_intensities_are_those_of_itk(
    tmp_path: Path, dtype: str, scale: tuple[float, float]
) -> None:
    edit = sets(scl_slope=scale[0], scl_inter=scale[1])
    (tmp_path / "i.nii").write_bytes(nifti(noise(dtype), None, edit))
    require_as_itk(tmp_path / "i.nii")


def turned(angle: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle), np.sin(angle)
    about_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return about_z @ about_x


@pytest.mark.parametrize(
    ("edit", "forms", "direction"),
    [
        (None, (1, 1), turned(0.4)),
        (None, (1, 0), turned(0.4)),
        (None, (0, 1), turned(0.4)),
        (None, (0, 0), np.eye(3)),
        (None, (1, 1), np.diag([-1.0, 1.0, 1.0])),
        (sets(pixdim_2=-0.75), (1, 1), turned(0.2)),
        (sets(pixdim_3=-2.5), (0, 1), np.eye(3)),
        (sets(xyzt_units=3), (1, 1), np.eye(3)),
        (sets(scl_inter=np.nan), (1, 1), np.eye(3)),
        (sets(intent_code=1002), (1, 1), np.eye(3)),
    ],
)
def test_grids_of_nifti_are_those_of_itk(
    tmp_path: Path, edit: Any, forms: tuple[int, int], direction: NDArray[np.float64]
) -> None:
    content = nifti(noise("i2"), affine_of(direction=direction), edit, forms=forms)
    (tmp_path / "i.nii").write_bytes(content)
    require_as_itk(tmp_path / "i.nii")


@pytest.mark.parametrize("forms", [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_nifti_2_lies_where_the_same_nifti_1_lies(tmp_path: Path, forms: tuple[int, int]) -> None:
    """ITK does not read NIfTI-2, so its grid is made here."""
    affine = affine_of(direction=turned(0.3) if any(forms) else np.eye(3))
    magic = np.frombuffer(b"n+2\0", "S4")[0]
    (tmp_path / "1.nii").write_bytes(nifti(noise("i2"), affine, forms=forms))
    two = nifti(noise("i2"), affine, sets(magic=magic), version=2, forms=forms)
    (tmp_path / "2.nii").write_bytes(two)
    one, two = (read_image(tmp_path / f"{version}.nii") for version in (1, 2))
    np.testing.assert_array_equal(one.array, two.array)
    assert one.geometry.difference(two.geometry, 1e-5) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"space": "right-anterior-superior"},
        {"space directions": "(0.7,0.1,0) (-0.1,0.7,0) (0,0.2,2)"},
        {"space directions": "", "space": "", "space origin": "", "spacings": "-1 2 3"},
        {"space directions": "", "space": "", "space origin": "", "spacings": ""},
        {"kinds": "domain domain domain", "# comment": "with: colon"},
    ],
)
def test_grids_of_nrrd_are_those_of_itk(tmp_path: Path, fields: dict[str, str]) -> None:
    (tmp_path / "i.nrrd").write_bytes(nrrd(noise("i2"), fields=fields))
    require_as_itk(tmp_path / "i.nrrd")


@pytest.mark.parametrize(
    "fields",
    [
        {"ElementSpacing": "-1 2 3"},
        {"ElementSpacing": ""},
        {"TransformMatrix": "0 1 0 -1 0 0 0 0 1"},
        {"HeaderSize": "-1"},
        {"ElementToIntensityFunctionSlope": "2"},
    ],
)
def test_grids_of_metaimage_are_those_of_itk(tmp_path: Path, fields: dict[str, str]) -> None:
    (tmp_path / "i.mha").write_bytes(metaimage(noise("i2"), fields=fields))
    require_as_itk(tmp_path / "i.mha")


@pytest.mark.parametrize("skip", ["3", "-1"])
def test_bytes_before_the_voxels_are_skipped(tmp_path: Path, skip: str) -> None:
    array = noise("i2")
    head = nrrd(array, encoding="raw", fields={"byte skip": skip}, data=b"abc" + voxels(array))
    (tmp_path / "i.nrrd").write_bytes(head)
    require_as_itk(tmp_path / "i.nrrd")
    (tmp_path / "v.raw").write_bytes(b"abc" + voxels(array))
    head = metaimage(array, fields={"HeaderSize": skip}, data_file="v.raw")
    (tmp_path / "i.mhd").write_bytes(head)
    require_as_itk(tmp_path / "i.mhd")


def test_channels_of_a_mask_are_proved_whole_too(tmp_path: Path) -> None:
    array = np.zeros((4, 5, 6, 2), np.uint8)
    array[..., 1] = 1
    path = tmp_path / "two.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(path), useCompression=True)
    assert open_mask(path, 1).volume.array.min() == 1
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ImageError) as caught:
        open_mask(path, 1)
    assert caught.value.code == "TRUNCATED"


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("extra", [b"", bytes(5), b"x"])
def test_members_and_blocks_may_fall_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, extra: bytes
) -> None:
    monkeypatch.setattr(reading, "BLOCK_IN", block)
    monkeypatch.setattr(reading, "BLOCK_OUT", 2 * block)
    array = noise("i2", (4, 5, 6))
    content = voxels(array)
    packed = gzip.compress(content[:100]) + gzip.compress(b"") + gzip.compress(content[100:])
    (tmp_path / "v.gz").write_bytes(packed + extra)
    declared = Declared(tmp_path / "v.gz", array.dtype, (6, 5, 4), compressed=True)
    read, notes = read_voxels(declared)
    np.testing.assert_array_equal(read.reshape(4, 5, 6), array)
    assert bool(notes) == (extra == b"x")
    for cut in range(1, len(packed), 11):
        (tmp_path / "v.gz").write_bytes(packed[:-cut])
        with pytest.raises(ImageError) as caught:
            read_voxels(declared)
        assert caught.value.code in {"TRUNCATED", "SHORT_DATA", "SIZE_MISMATCH"}


def test_no_flipped_bit_changes_a_voxel_unseen(tmp_path: Path) -> None:
    """All but those that mean nothing: the few bits that fill the last byte of the stream."""
    array = noise("i2", (4, 5, 6))
    whole = bytearray(gzip.compress(voxels(array)))
    declared = Declared(tmp_path / "v.gz", array.dtype, (6, 5, 4), compressed=True)
    places, found = range(80, 8 * len(whole), 7), 0
    for place in places:
        whole[place // 8] ^= 1 << place % 8
        (tmp_path / "v.gz").write_bytes(whole)
        try:
            read, _ = read_voxels(declared)
        except ImageError:
            found += 1
        else:
            np.testing.assert_array_equal(read, array.ravel())
        whole[place // 8] ^= 1 << place % 8
    assert found >= len(places) - 1


@pytest.mark.parametrize("name", ["i.nii", "i.nii.gz", "i.nrrd", "i.mha"])
def test_a_mangled_header_gives_a_volume_or_a_reason(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    whole = WRITERS[f"{'raw' if name == 'i.nii' else 'packed'}{name[1:]}"](noise("i2"), "<")
    content = gzip.decompress(whole) if name.endswith(".gz") else whole
    refused = 0
    for _ in range(200):
        mangled = bytearray(content)
        for place in rng.integers(0, 350, 2):
            mangled[place] ^= 1 << rng.integers(0, 8)
        path = tmp_path / name
        path.write_bytes(gzip.compress(mangled, 1) if name.endswith(".gz") else mangled)
        try:
            volume = read_image(path)
        except ImageError:
            refused += 1
        else:
            assert min(volume.geometry.spacing) > 0
            assert volume.array.nbytes < 1e5
    assert refused > 20


def test_a_header_may_name_another_file_under_any_suffix(tmp_path: Path) -> None:
    path = tmp_path / "i.mha"
    path.write_bytes(metaimage(noise("i2"), data_file="v.raw"))
    with pytest.raises(ImageError, match=r"v\.raw"):
        read_image(path)
    (tmp_path / "v.raw").write_bytes(voxels(noise("i2")))
    assert data_files(path) == (path, tmp_path / "v.raw")
    require_as_itk(path)
    for name in ("LIST", "v%03d.raw 1 2 1", "\1", ""):
        path.write_bytes(metaimage(noise("i2"), data_file=name))
        with pytest.raises(ImageError, match="one data file"):
            read_image(path)


def test_voxels_after_the_end_are_told(tmp_path: Path) -> None:
    (tmp_path / "i.nii").write_bytes(nifti(noise("i2")) + b"more")
    (tmp_path / "i.nii.gz").write_bytes(gzip.compress(nifti(noise("i2")) + b"more"))
    for name in ("i.nii", "i.nii.gz"):
        assert open_image(tmp_path / name).notes == ("4 bytes after the voxels were ignored",)


def test_the_number_of_voxels_is_capped(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(bytes(2000))
    declared = Declared(tmp_path / "v", np.dtype("i2"), (10, 10, 10))
    require_possible(declared, limit=1000)
    with pytest.raises(ImageError) as caught:
        require_possible(declared, limit=999)
    assert caught.value.code == "TOO_LARGE"


@pytest.mark.parametrize("name", ["I.NII.GZ", "I.NII", "I.NRRD"])
def test_suffixes_match_without_regard_to_case(tmp_path: Path, name: str) -> None:
    kind = "raw" if name.endswith(".NII") else "packed"
    writer = WRITERS[f"{kind}{name[1:].lower()}"]
    (tmp_path / name).write_bytes(writer(noise("i2"), "<"))
    np.testing.assert_array_equal(read_image(tmp_path / name).array, noise("i2"))
