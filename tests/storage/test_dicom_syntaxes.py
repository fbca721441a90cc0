"""Every way in which DICOM packs voxels is unpacked, by both readers alike."""

from __future__ import annotations

import io
import locale
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("pydicom", reason="the extra dicom is not installed")

import pydicom
import SimpleITK as sitk
from dicom import GRID, save, write_series
from pydicom import uid
from pydicom.encaps import encapsulate

from harmonize_kit.errors import ImageError
from harmonize_kit.storage.dcm2niix import dcm2niix_version
from harmonize_kit.storage.dicom_series import read_series
from harmonize_kit.storage.dicom_volumes import read_converted
from harmonize_kit.storage.grid_order import in_order_of

SIZE = replace(GRID, size=(40, 32, 3))
Z, Y, X = np.mgrid[:3, :32, :40]
SMOOTH = (1500 + 600 * np.sin(X / 5) * np.cos(Y / 7) + 40 * Z).astype(np.uint16)


def plain(syntax: str) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        dataset.file_meta.TransferSyntaxUID = syntax

    return change


def compressed(syntax: str, **options: Any) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        if syntax in uid.JPEGLSTransferSyntaxes:
            pytest.importorskip("jpeg_ls", reason="pyjpegls is not installed")
        dataset.compress(syntax, **options)

    return change


def by_pillow(syntax: str, kind: str, **options: Any) -> Callable[[Any], None]:
    """Pack each slice as Pillow does, as a bare stream."""

    def change(dataset: Any) -> None:
        stream = io.BytesIO()
        Image.fromarray(dataset.pixel_array).save(stream, kind, **options)
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax

    return change


LOSSY = {"irreversible": True, "quality_mode": "rates", "quality_layers": [4]}
SYNTAXES: dict[str, tuple[Callable[[Any], None], float]] = {
    "implicit": (plain(uid.ImplicitVRLittleEndian), 0),
    "deflated": (plain(uid.DeflatedExplicitVRLittleEndian), 0),
    "RLE": (compressed(uid.RLELossless), 0),
    "JPEG-LS": (compressed(uid.JPEGLSLossless), 0),
    "JPEG-LS near lossless": (compressed(uid.JPEGLSNearLossless, jls_error=3), 3),
    "JPEG 2000": (by_pillow(uid.JPEG2000Lossless, "JPEG2000", no_jp2=True), 0),
    "JPEG 2000 lossy": (by_pillow(uid.JPEG2000, "JPEG2000", no_jp2=True, **LOSSY), 12),
}


def write(folder: Path, change: Callable[[Any], None]) -> None:
    write_series(folder, SMOOTH, SIZE)
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        change(dataset)
        save(dataset, file)


def apart(found: NDArray[Any]) -> float:
    return float(np.abs(found.astype(np.float64) - SMOOTH).max())


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_syntax_is_read_by_both_readers(tmp_path: Path, name: str) -> None:
    change, error = SYNTAXES[name]
    write(tmp_path, change)
    read = read_series(tmp_path)
    assert SIZE.difference(read.geometry, 1e-5) is None
    assert apart(read.array) <= error
    if error:
        assert apart(read.array) > 0
    made = read_converted(tmp_path)
    # dcm2niix does not know deflated files; there the other reader stands in.
    if dcm2niix_version() and name != "deflated":
        assert made.converter.startswith("dcm2niix")
    else:
        assert "GDCM" in made.notes[0]
    assert apart(in_order_of(made.volume, SIZE).array) <= error


@pytest.fixture
def _locale_kept() -> Generator[None]:  # pyright: ignore[reportUnusedFunction]
    """ITK's DICOM writer leaves the process in the locale C, in which text is ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.usefixtures("_locale_kept")
def test_lossless_jpeg_is_read(tmp_path: Path) -> None:
    """Process 14, which ITK itself can write."""
    write_series(tmp_path, SMOOTH, SIZE)
    files = sorted(tmp_path.iterdir())
    for file in files:
        writer: Any = sitk.ImageFileWriter()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        image: Any = sitk.ReadImage(str(file))
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(file))
        writer.Execute(image)
    assert pydicom.dcmread(files[0]).file_meta.TransferSyntaxUID == uid.JPEGLosslessSV1
    assert apart(read_series(tmp_path).array) == 0
    assert apart(in_order_of(read_converted(tmp_path).volume, SIZE).array) == 0


@pytest.mark.parametrize("name", ["RLE", "JPEG 2000", "JPEG-LS"])
def test_a_packed_stream_cut_short_is_told(tmp_path: Path, name: str) -> None:
    write(tmp_path, SYNTAXES[name][0])
    path = sorted(tmp_path.iterdir())[1]
    content = path.read_bytes()
    path.write_bytes(content[: int(0.8 * len(content))])
    with pytest.raises(ImageError) as raised:
        read_converted(tmp_path)
    assert raised.value.code == "UNREADABLE"
