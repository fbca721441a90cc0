"""A DICOM series as a volume: one series a folder, evenly spaced slices, none missing.

A reader that takes what it finds stacks two series into one image, or closes the gap of a slice
that was lost on the way, and says nothing. So the headers are compared before the voxels are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import GeometryError, ImageError
from harmonize_kit.storage.itk import from_itk

MAGIC_OFFSET, MAGIC = 128, b"DICM"
# Positions are written with few digits; a hundredth of a slice distance is no missing slice.
TOLERANCE = 0.01
SERIES, POSITION, ORIENTATION = "0020|000e", "0020|0032", "0020|0037"
PIXEL_SPACING, SLOPE, INTERCEPT = "0028|0030", "0028|1053", "0028|1052"


@dataclass(frozen=True)
class Slice:
    """The header of one file of a series."""

    path: Path
    series: str
    size: tuple[int, ...]
    spacing: str
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    rescale: tuple[str, str]


def is_dicom_file(path: Path) -> bool:
    """Tell whether a file begins as a DICOM file does, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(MAGIC_OFFSET + len(MAGIC))[MAGIC_OFFSET:] == MAGIC
    except OSError:
        return False


def series_files(folder: Path) -> tuple[Path, ...]:
    """Return the DICOM files in a folder, without those in folders below it, by name.

    Raises
    ------
    ImageError
        UNREADABLE if there is none, or the folder cannot be listed.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ImageError("UNREADABLE", f"{folder.name}: {error.strerror}") from error
    files = tuple(p for p in found if p.name.upper() != "DICOMDIR" and is_dicom_file(p))
    if not files:
        raise ImageError(
            "UNREADABLE",
            f"expected an image file, or a folder with the DICOM files of one series, got a folder "
            f"without any: {folder.name}",
        )
    return files


def read_series(folder: Path) -> Volume:
    """Read a folder with one DICOM series, intensities rescaled as the files say.

    Raises
    ------
    ImageError
        UNREADABLE (a damaged file, or none), BAD_HEADER (several series, differing sizes, a
        tag that is missing), NOT_3D (several volumes in one series, or a single slice).
    GeometryError
        If slices are missing, unevenly spaced, tilted or sheared.
    """
    slices = [_header(path) for path in series_files(folder)]
    _require_one_series(slices, folder.name)
    ordered = _in_order(slices, folder.name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(entry.path) for entry in ordered])
    if len({entry.rescale for entry in slices}) > 1:
        # The first slice would choose the type of all, and cut off the fractions of the others.
        reader.SetOutputPixelType(sitk.sitkFloat64)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(folder.name, error) from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ImageError("NOT_3D", f"{folder.name}: expected slices of one channel (colour?)")
    return from_itk(image)


def _header(path: Path) -> Slice:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path.name, error) from error
    size = reader.GetSize()
    if len(size) > 2 and size[2] > 1:
        raise ImageError(
            "NOT_3D",
            f"{path.name} holds {size[2]} frames (enhanced DICOM), expected one slice a file; "
            "convert the image to NIfTI, with dcm2niix say",
        )
    return Slice(
        path,
        _text(reader, SERIES, path),
        size[:2],
        _text(reader, PIXEL_SPACING, path),
        _numbers(reader, POSITION, 3, path),
        _numbers(reader, ORIENTATION, 6, path),
        (_optional(reader, SLOPE), _optional(reader, INTERCEPT)),
    )


def _require_one_series(slices: list[Slice], name: str) -> None:
    series = {entry.series for entry in slices}
    if len(series) > 1:
        raise ImageError(
            "BAD_HEADER",
            f"{name}: expected one series in the folder, got {len(series)} in {len(slices)} files; "
            "put each into a folder of its own",
        )
    for what in ("size", "spacing"):
        if len({getattr(entry, what) for entry in slices}) > 1:
            raise ImageError(
                "BAD_HEADER", f"{name}: the slices differ in {what}; is a localizer among them?"
            )


def _in_order(slices: list[Slice], name: str) -> list[Slice]:
    """Return the slices along their normal, once their positions are found to make a grid."""
    first = slices[0].orientation
    if any(np.abs(entry.orientation - first).max() > 1e-4 for entry in slices):
        raise GeometryError(f"{name}: the slices differ in orientation; is a localizer among them?")
    normal = np.cross(first[:3], first[3:])
    ordered = sorted(slices, key=lambda entry: float(entry.position @ normal))
    if len(ordered) < 2:
        raise ImageError("NOT_3D", f"{name}: expected at least two slices, got one")
    positions = np.array([entry.position for entry in ordered])
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    usual = float(np.median(along))
    if along.min() < TOLERANCE * usual or usual <= 0:
        raise ImageError(
            "NOT_3D",
            f"{name}: several slices lie at one place; is it a series of volumes (echoes, times)? "
            "put each volume into a folder of its own",
        )
    worst = int(np.argmax(np.abs(along - usual)))
    if abs(along[worst] - usual) > TOLERANCE * usual:
        where = f"after slice {worst + 1} of {len(ordered)} the next lies {along[worst]:.4g} mm on"
        raise GeometryError(
            f"{name}: expected slices every {usual:.4g} mm, but {where}; is a slice missing?"
        )
    if np.linalg.norm(steps - np.outer(along, normal), axis=1).max() > TOLERANCE * usual:
        raise GeometryError(
            f"{name}: the slices are shifted against each other (a tilted gantry?); resample them "
            "to a rectangular grid"
        )
    return ordered


def _text(reader: sitk.ImageFileReader, tag: str, path: Path) -> str:
    value = _optional(reader, tag)
    if not value:
        raise ImageError(
            "BAD_HEADER",
            f"{path.name}: the DICOM tag ({tag.replace('|', ',')}) is "
            "missing; is it an image slice?",
        )
    return value


def _optional(reader: sitk.ImageFileReader, tag: str) -> str:
    return reader.GetMetaData(tag).strip(" \0") if reader.HasMetaDataKey(tag) else ""


def _numbers(reader: sitk.ImageFileReader, tag: str, count: int, path: Path) -> NDArray[np.float64]:
    text = _text(reader, tag, path)
    try:
        values = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        values = np.empty(0)
    if values.size != count or not np.isfinite(values).all():
        raise ImageError(
            "BAD_HEADER",
            f"{path.name}: expected {count} numbers in the DICOM tag ({tag.replace('|', ',')}), "
            f"got {text!r}",
        )
    return values


def _unreadable(name: str, error: RuntimeError) -> ImageError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ImageError("UNREADABLE", f"{name} is no intact DICOM image ({lines[-1]}); copy it again")
