"""MINC images fall where nibabel puts them, and damage is told."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import netcdf_file

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import DependencyError, ImageError
from harmonize_kit.storage.images import open_image, open_mask, read_image

SIZE = (4, 5, 6)
AXES = ("zspace", "yspace", "xspace")
STEPS, STARTS = (3.0, -1.5, 0.75), (-7.0, 20.0, 4.0)
TURN = np.deg2rad(20)
COSINES = {
    "xspace": (np.cos(TURN), np.sin(TURN), 0.0),
    "yspace": (-np.sin(TURN), np.cos(TURN), 0.0),
    "zspace": (0.0, 0.0, 1.0),
}
STORED = np.random.default_rng(0).integers(0, 4096, SIZE).astype(np.int16)
# Each slice has a scale of its own.
LEAST, MOST = np.array([0.0, -1, 2, 5]), np.array([10.0, 7, 4, 500])
REAL = STORED / 4095 * (MOST - LEAST)[:, None, None] + LEAST[:, None, None]


def write_minc1(path: Path, axes: tuple[str, ...] = AXES, spacing: bytes = b"regular__") -> None:
    file: Any
    with netcdf_file(path, "w") as file:
        for name, size, step, start in zip(axes, SIZE, STEPS, STARTS, strict=True):
            file.createDimension(name, size)
            dimension = file.createVariable(name, "i", ())
            dimension.spacing = spacing
            dimension.step, dimension.start = step, start
            if name in COSINES:
                dimension.direction_cosines = np.array(COSINES[name])
        image = file.createVariable("image", "h", axes)
        image.signtype, image.valid_range = b"signed__", np.array([0.0, 4095.0])
        image[:] = STORED
        for name, values in (("image-min", LEAST), ("image-max", MOST)):
            file.createVariable(name, "d", axes[:1])[:] = values


def write_minc2(path: Path, *, written: int = SIZE[0], chunks: Any = None) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(path, "w") as file:
        for name, size, step, start in zip(AXES, SIZE, STEPS, STARTS, strict=True):
            dimension = file.create_dataset(f"minc-2.0/dimensions/{name}", (), "i4")
            dimension.attrs.update({
                "spacing": np.bytes_("regular__"), "step": step, "start": start, "length": size,
                "direction_cosines": np.array(COSINES[name]),
            })  # fmt: skip
        group = file.create_group("minc-2.0/image/0")
        packed = "gzip" if chunks else None
        image = group.create_dataset("image", SIZE, "i2", chunks=chunks, compression=packed)
        image[:written] = STORED[:written]
        image.attrs["dimorder"] = np.bytes_(",".join(AXES))
        image.attrs["valid_range"] = np.array([0.0, 4095.0])
        for name, values in (("image-min", LEAST), ("image-max", MOST)):
            group.create_dataset(name, data=values).attrs["dimorder"] = np.bytes_("zspace")


def assert_where_nibabel_puts_it(volume: Volume, path: Path) -> None:
    """Voxels have nibabel's values at nibabel's places, turned from RAS to LPS."""
    image: Any = nibabel.load(path)
    assert np.array_equal(volume.array, np.asarray(image.dataobj))
    direction = np.asarray(volume.geometry.direction).reshape(3, 3)
    index = np.array([(0, 0, 0), (3, 0, 0), (0, 4, 0), (0, 0, 5), (1, 2, 3)])
    spacing = np.asarray(volume.geometry.spacing)
    place: NDArray[Any] = (
        np.asarray(volume.geometry.origin) + (index[:, ::-1] * spacing) @ direction.T
    )
    expected = nibabel.affines.apply_affine(image.affine, index) * (-1, -1, 1)
    assert np.allclose(place, expected, atol=1e-9)


def test_minc_1_is_read_where_it_lies_with_its_real_values(tmp_path: Path) -> None:
    write_minc1(tmp_path / "a.mnc")
    reading = open_image(tmp_path / "a.mnc")
    assert reading.notes == ()
    assert np.allclose(reading.volume.array, REAL, atol=1e-12)
    assert reading.volume.geometry.spacing == (0.75, 1.5, 3.0)
    assert_where_nibabel_puts_it(reading.volume, tmp_path / "a.mnc")
    (tmp_path / "b.mnc.gz").write_bytes(gzip.compress((tmp_path / "a.mnc").read_bytes()))
    assert np.array_equal(read_image(tmp_path / "b.mnc.gz").array, reading.volume.array)


@pytest.mark.parametrize("chunks", [None, (2, 5, 3)])
def test_minc_2_is_read_where_it_lies_with_its_real_values(tmp_path: Path, chunks: Any) -> None:
    write_minc2(tmp_path / "a.mnc", chunks=chunks)
    volume = read_image(tmp_path / "a.mnc")
    assert np.allclose(volume.array, REAL, atol=1e-12)
    assert_where_nibabel_puts_it(volume, tmp_path / "a.mnc")


def test_the_first_axis_of_the_file_may_be_any_of_the_patient(tmp_path: Path) -> None:
    write_minc1(tmp_path / "a.mnc", axes=("xspace", "zspace", "yspace"))
    assert_where_nibabel_puts_it(read_image(tmp_path / "a.mnc"), tmp_path / "a.mnc")


def test_labels_in_minc_are_whole_numbers(tmp_path: Path) -> None:
    write_minc1(tmp_path / "a.mnc")
    with netcdf_file(tmp_path / "a.mnc", "a") as file:
        file.variables["image"][:] = STORED % 3
        file.variables["image-min"][:], file.variables["image-max"][:] = 0, 4095
    labels = open_mask(tmp_path / "a.mnc").volume.array
    assert np.array_equal(labels, STORED % 3)


@pytest.mark.parametrize("keep", [3, 40, 200, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["minc1", "minc1_gz", "minc2", "minc2_chunks"])
def test_a_minc_image_cut_short_is_told(tmp_path: Path, kind: str, keep: float) -> None:
    path = tmp_path / "a.mnc"
    if kind.startswith("minc1"):
        write_minc1(path)
    else:
        write_minc2(path, chunks=(2, 5, 3) if kind.endswith("chunks") else None)
    content = path.read_bytes()
    if kind.endswith("gz"):
        path, content = tmp_path / "a.mnc.gz", gzip.compress(content)
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(ImageError) as raised:
        read_image(path)
    assert raised.value.code in {"NOT_AN_IMAGE", "UNREADABLE", "BAD_HEADER", "TRUNCATED"}


def test_voxels_that_were_never_written_are_told(tmp_path: Path) -> None:
    write_minc2(tmp_path / "a.mnc", written=2, chunks=(2, 5, 3))
    with pytest.raises(ImageError, match="never written"):
        read_image(tmp_path / "a.mnc")
    write_minc2(tmp_path / "b.mnc", written=0)
    with pytest.raises(ImageError, match="never written"):
        read_image(tmp_path / "b.mnc")


def test_what_is_no_plain_volume_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mnc"
    write_minc1(path, spacing=b"irregular")
    with pytest.raises(ImageError, match="not evenly spaced") as raised:
        read_image(path)
    assert raised.value.code == "BAD_HEADER"
    write_minc1(path, axes=("time", "zspace", "yspace"))
    with pytest.raises(ImageError, match="three axes") as raised:
        read_image(path)
    assert raised.value.code == "BAD_HEADER"
    path.write_bytes(b"this is no image at all")
    with pytest.raises(ImageError, match="something else"):
        read_image(path)


def test_a_missing_library_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mnc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DependencyError, match=r"pip install 'harmonize-kit\[minc\]'"):
        read_image(tmp_path / "a.mnc")


def test_files_of_other_writers_agree_with_nibabel() -> None:
    """The samples that nibabel ships, where its wheel has them: written by the MINC tools."""
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    found = 0
    for name, shape in (("tiny.mnc", (10, 20, 20)), ("minc1_1_scale.mnc", (10, 20, 20))):
        if not (folder / name).is_file():
            continue
        volume = read_image(folder / name)
        assert volume.array.shape == shape
        assert_where_nibabel_puts_it(volume, folder / name)
        found += 1
    if not found:
        pytest.skip("nibabel came without its samples")
