"""A DICOM series as a volume, by two readers that must agree.

dcm2niix knows what vendors do; GDCM, inside SimpleITK, is what the rest of the package reads DICOM
with, after the headers were found to make a grid without a gap. A series of single slices is read
by both. Where they disagree the proved reading stands, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import DependencyError, ImageError
from harmonize_kit.storage.dcm2niix import dcm2niix_version, run_dcm2niix
from harmonize_kit.storage.dicom_headers import Slice, place_in_folder, read_header, unreadable
from harmonize_kit.storage.dicom_series import read_slices, series_files
from harmonize_kit.storage.dicom_sidecar import series_sidecar
from harmonize_kit.storage.grid_order import in_order_of
from harmonize_kit.storage.sidecars import Value

# Voxels agree to what float32 keeps, positions to what NIfTI keeps of them.
SAME_VOXELS, SAME_GRID = 1e-5, 1e-3
# That dcm2niix may take: it converts a thousand slices in a few seconds.
SECONDS = 600.0


@dataclass(frozen=True)
class ConvertedSeries:
    """A series as an image of three dimensions.

    Parameters
    ----------
    volume : Volume
    sidecar : mapping
        Allowed fields alone (see :mod:`.sidecars`), with the converter and its version.
    converter : str
        Name and version of what read the voxels.
    notes : tuple of str
        What the user must know.
    """

    volume: Volume
    sidecar: Mapping[str, Value]
    converter: str
    notes: tuple[str, ...] = ()


def open_series(path: Path) -> ConvertedSeries:
    """Return a DICOM series: slices by GDCM, proved to make a grid; an enhanced file by dcm2niix.

    Raises
    ------
    HarmonizeError
        As :func:`read_converted`.
    """
    slices = [read_header(file) for file in series_files(path)]
    if len(slices) == 1 and slices[0].frames > 1:
        return _enhanced(slices[0], SECONDS)
    return _converted(read_slices(slices), slices[0].path, _gdcm(), ())


def read_converted(path: Path, timeout: float = SECONDS) -> ConvertedSeries:
    """Return a DICOM series as dcm2niix converts it, compared with GDCM's reading.

    Raises
    ------
    ImageError
        UNREADABLE (a damaged file, or none), BAD_HEADER (several series, differing sizes, a
        tag that is missing), NOT_3D (several volumes, or a single slice).
    GeometryError
        If slices are missing, unevenly spaced, tilted or sheared.
    DependencyError
        If an enhanced file is met and dcm2niix is not installed.
    """
    slices = [read_header(file) for file in series_files(path)]
    files = [entry.path for entry in slices]
    if len(slices) == 1 and slices[0].frames > 1:
        return _enhanced(slices[0], timeout)
    proved = read_slices(slices)
    try:
        made = run_dcm2niix(files, timeout)
    except DependencyError:
        reason = "dcm2niix is not installed"
    except ImageError as error:
        reason = error.message
    else:
        difference = _difference(made.volume, proved)
        if difference is None:
            return _converted(made.volume, files[0], _dcm2niix(), (), made.fields)
        reason = f"dcm2niix gives {difference}"
    return _converted(proved, files[0], _gdcm(), (f"read with GDCM: {reason}",))


def series_fields(file: Path) -> dict[str, Value]:
    """Return the sidecar of a series from one of its files, without its voxels where that suffices.

    Of an enhanced file dcm2niix tells what its frames hold, where it is installed.

    Raises
    ------
    ImageError
        UNREADABLE, BAD_HEADER.
    """
    if read_header(file).frames == 1 or dcm2niix_version() is None:
        return series_sidecar(file)
    try:
        return series_sidecar(file, run_dcm2niix([file], SECONDS).fields)
    except ImageError:
        # Several volumes, say: that is told when it is read.
        return series_sidecar(file)


def _enhanced(entry: Slice, timeout: float) -> ConvertedSeries:
    """Convert a file of many frames; GDCM proves it whole, dcm2niix knows where the frames lie."""
    try:
        frames = sitk.GetArrayFromImage(sitk.ReadImage(str(entry.path)))
    except RuntimeError as error:
        raise unreadable(place_in_folder(entry.path), error) from error
    made = run_dcm2niix([entry.path], timeout)
    if frames.size != made.volume.array.size or not np.isclose(
        frames.sum(dtype=np.float64), made.volume.array.sum(dtype=np.float64), rtol=1e-6
    ):
        raise ImageError(
            "UNREADABLE",
            f"dcm2niix and GDCM read different voxels from its {entry.frames} frames; "
            "export it as single slices",
        )
    return _converted(made.volume, entry.path, _dcm2niix(), (), made.fields)


def _difference(made: Volume, proved: Volume) -> str | None:
    """Say how a conversion differs from the proved reading, whatever the order of the axes."""
    ordered = in_order_of(made, proved.geometry)
    difference = proved.geometry.difference(ordered.geometry, SAME_GRID)
    if difference is not None:
        return f"another grid, {difference}"
    # Slice by slice, so that a large image needs no further array of its size.
    pairs = zip(ordered.array, proved.array, strict=True)
    apart = max(float(np.abs(one.astype(np.float64) - other).max()) for one, other in pairs)
    largest = max(float(proved.array.max()), -float(proved.array.min()), 1.0)
    if apart > SAME_VOXELS * largest:
        return f"other voxels, by up to {apart:.4g}"
    return None


def _converted(
    volume: Volume,
    file: Path,
    converter: tuple[str, str],
    notes: tuple[str, ...],
    fields: Mapping[str, object] | None = None,
) -> ConvertedSeries:
    sidecar = series_sidecar(file, fields)
    sidecar |= {"ConversionSoftware": converter[0], "ConversionSoftwareVersion": converter[1]}
    return ConvertedSeries(volume, sidecar, " ".join(converter), notes)


def _dcm2niix() -> tuple[str, str]:
    return "dcm2niix", dcm2niix_version() or ""


def _gdcm() -> tuple[str, str]:
    return "SimpleITK (GDCM)", sitk.Version.VersionString()
