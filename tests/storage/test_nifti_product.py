"""NIfTI as preprocessing writes it: the same bytes, the input's place, and no free text."""

from __future__ import annotations

import gzip
import io
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from conftest import make_volume

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import IntegrityError
from harmonize_kit.storage.images import read_image, write_image
from harmonize_kit.storage.kept_arrays import ArrayStore
from harmonize_kit.storage.nifti_product import ORIENTATION, tells_nothing, write_nifti

OBLIQUE = Geometry(
    (18, 18, 18), (0.9, 1.1, 2.5), (-30.0, 12.5, 7.0), (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)
)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "int32", "uint16"])
@pytest.mark.parametrize("oblique", [False, True])
def test_voxels_and_grid_come_back_as_they_were(tmp_path: Path, dtype: str, oblique: bool) -> None:
    made = make_volume(dtype=dtype)
    volume = replace(made, geometry=OBLIQUE) if oblique else made
    write_nifti(volume, tmp_path / "a.nii.gz")
    found = read_image(tmp_path / "a.nii.gz")
    assert found.array.dtype == volume.array.dtype
    np.testing.assert_array_equal(found.array, volume.array)
    assert volume.geometry.difference(found.geometry, 1e-6) is None
    # ITK writes the same place.
    write_image(volume, tmp_path / "itk.nii.gz")
    mine, itk = nibabel.load(tmp_path / "a.nii.gz"), nibabel.load(tmp_path / "itk.nii.gz")
    np.testing.assert_allclose(mine.get_sform(), itk.get_sform(), atol=1e-5)
    np.testing.assert_allclose(mine.get_qform(), itk.get_qform(), atol=1e-5)


def test_double_precision_becomes_single_and_booleans_bytes(tmp_path: Path) -> None:
    volume = make_volume(dtype="float64")
    for array, kind in ((volume.array, "float32"), (volume.array > 300, "uint8")):
        write_nifti(volume.with_array(array), tmp_path / "a.nii.gz")
        found = read_image(tmp_path / "a.nii.gz").array
        assert found.dtype == kind
        np.testing.assert_array_equal(found, array.astype(kind))


def test_equal_voxels_make_equal_files_at_any_time_under_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nifti(make_volume(), tmp_path / "a.nii.gz")
    monkeypatch.setattr(time, "time", lambda: 1e9)
    write_nifti(make_volume(), tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_the_place_is_taken_over_to_the_bit_and_free_text_never(tmp_path: Path) -> None:
    volume = replace(make_volume(), geometry=OBLIQUE)
    write_image(volume, tmp_path / "given.nii.gz")
    given = nibabel.load(tmp_path / "given.nii.gz")
    # Codes and last bits that nobody would make from the geometry alone.
    header = given.header
    header["qform_code"], header["sform_code"], header["xyzt_units"] = 2, 4, 10
    header["srow_x"] = np.nextafter(header["srow_x"], np.float32(9))
    header["descrip"], header["db_name"] = b"Jane Doe", b"Doe"
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe, 1947"))
    nibabel.save(nibabel.Nifti1Image(given.dataobj, None, header), tmp_path / "jane.nii.gz")
    like = tmp_path / "jane.nii.gz"
    write_nifti(read_image(like), tmp_path / "made.nii.gz", like)
    made = nibabel.load(tmp_path / "made.nii.gz").header
    for name in ORIENTATION:
        np.testing.assert_array_equal(made[name], nibabel.load(like).header[name], err_msg=name)
    assert b"Doe" not in gzip.decompress((tmp_path / "made.nii.gz").read_bytes())
    assert not tells_nothing(like)
    assert tells_nothing(tmp_path / "made.nii.gz")
    # On another grid, its own.
    moved = replace(read_image(like), geometry=replace(OBLIQUE, origin=(0.0, 0.0, 0.0)))
    write_nifti(moved, tmp_path / "moved.nii.gz", like)
    assert moved.geometry.difference(read_image(tmp_path / "moved.nii.gz").geometry) is None


def test_what_may_hide_a_name_is_not_copied(tmp_path: Path) -> None:
    write_nifti(make_volume(), tmp_path / "a.nii.gz")
    content = gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
    (tmp_path / "a.nii").write_bytes(content)
    assert tells_nothing(tmp_path / "a.nii")
    (tmp_path / "after.nii").write_bytes(content + b"Jane Doe")
    (tmp_path / "after.nii.gz").write_bytes(gzip.compress(content + b"Jane Doe"))
    stream = io.BytesIO()
    with gzip.GzipFile("Jane_Doe.nii", "wb", fileobj=stream) as file:
        file.write(content)
    (tmp_path / "named.nii.gz").write_bytes(stream.getvalue())
    (tmp_path / "Jane_Doe.nii.gz").write_bytes(stream.getvalue())
    assert tells_nothing(tmp_path / "Jane_Doe.nii.gz")
    for name in ("after.nii", "after.nii.gz", "named.nii.gz"):
        assert not tells_nothing(tmp_path / name), name
    assert not tells_nothing(tmp_path / "a.nrrd")


def test_arrays_are_kept_to_the_bit_and_damage_is_found(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    arrays = {"image t1": make_volume().array, "mask": np.array([[[True, False]]])}
    size = store.write("k", arrays)
    assert store.has("k", size)
    assert not store.has("k", size + 1)
    found = store.read("k", arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert store.write("none", {}) == 0
    assert store.has("none", 0)
    content = bytearray(store.path("k").read_bytes())
    content[len(content) // 2] ^= 1
    store.path("k").write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        store.read("k", arrays)
    with pytest.raises(IntegrityError, match="damaged"):
        store.read("gone", arrays)


def test_a_volume_of_one_slice_keeps_its_axes(tmp_path: Path) -> None:
    flat = Volume(np.arange(12, dtype=np.int16).reshape(1, 3, 4), Geometry((4, 3, 1)))
    write_nifti(flat, tmp_path / "a.nii.gz")
    assert nibabel.load(tmp_path / "a.nii.gz").shape == (4, 3, 1)
