"""A DICOM series as a volume: one series a folder, evenly spaced slices, none missing.

A reader that takes what it finds stacks two series into one image, or closes the gap of a slice
that was lost on the way, and says nothing. So the headers are compared before the voxels are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import GeometryError, ImageError
from harmonize_kit.storage.dicom_headers import (
    Slice,
    is_dicom_file,
    is_dicom_image,
    read_header,
    unreadable,
)  # fmt: skip
from harmonize_kit.storage.itk import from_itk

# Positions are written with few digits; a hundredth of a slice distance is no missing slice.
TOLERANCE = 0.01
# Slices of one volume agree far better; the three of a localizer far worse.
SAME_DIRECTION = 0.05


def dicom_files(folder: Path) -> tuple[Path, ...]:
    """Return the DICOM files in a folder, without those in folders below it, by name.

    Raises
    ------
    ImageError
        UNREADABLE if the folder cannot be listed.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ImageError("UNREADABLE", f"{folder.name}: {error.strerror}") from error
    return tuple(p for p in found if p.name.upper() != "DICOMDIR" and is_dicom_file(p))


def series_files(path: Path) -> tuple[Path, ...]:
    """Return the files of a series: all DICOM images in a folder, or those that go with one file.

    One DICOM file stands for the volume that it is a slice of: of the files in its folder, those
    with its series, size, orientation and, where slices lie at one place, its contrast. So a
    folder may hold many series.

    Raises
    ------
    ImageError
        UNREADABLE if there is none, or the folder cannot be listed.
    """
    if path.is_dir():
        files = tuple(file for file in dicom_files(path) if is_dicom_image(file))
        if not files:
            raise ImageError(
                "UNREADABLE",
                "expected an image file, or a folder with the DICOM files of one series, got a "
                f"folder without any: {path.name}",
            )
        return files
    wanted = read_header(path)
    if wanted.frames > 1:
        return (path,)
    slices = [
        entry
        for file in dicom_files(path.parent)
        if is_dicom_image(file) and (entry := _slice_of(wanted.series, file)) is not None
    ]
    group = next(g for g in volumes_in(slices) if any(entry.path == path for entry in g))
    return tuple(entry.path for entry in group)


def volumes_in(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Return the slices of each volume: of one series, size, orientation, and contrast if need be.

    Echoes, and kinds of image such as magnitude and phase, are told apart only where slices lie at
    one place; so what belongs together is not torn by a field that varies along a volume.
    """
    groups = _apart(slices, lambda a, b: a.series == b.series and a.frames == b.frames == 1)
    groups = [part for group in groups for part in _apart(group, _same_shape)]
    for which in (slice(0, 2), slice(2, 3)):
        groups = [
            part
            for group in groups
            for part in (_apart(group, _same_contrast(which)) if _overlaid(group) else [group])
        ]
    return groups


def read_series(path: Path) -> Volume:
    """Read one DICOM series, intensities rescaled as the files say.

    Parameters
    ----------
    path : Path
        Its folder, or one of its files (see :func:`series_files`).

    Raises
    ------
    ImageError
        UNREADABLE (a damaged file, or none), BAD_HEADER (several series, differing sizes, a
        tag that is missing), NOT_3D (several volumes in one series, or a single slice).
    GeometryError
        If slices are missing, unevenly spaced, tilted or sheared.
    """
    return read_slices([read_header(file) for file in series_files(path)])


def read_slices(slices: list[Slice]) -> Volume:
    """Read the volume that slices make, as :func:`read_series`."""
    _require_one_series(slices)
    ordered = in_order(slices)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(entry.path) for entry in ordered])
    if len({entry.rescale for entry in slices}) > 1:
        # The first slice would choose the type of all, and cut off the fractions of the others.
        reader.SetOutputPixelType(sitk.sitkFloat64)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise unreadable("the series", error) from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ImageError("NOT_3D", "expected slices of one channel (colour?)")
    return from_itk(image)


def _slice_of(series: str, file: Path) -> Slice | None:
    """Return the header of a file if it is a slice of the series; what lies beside may be odd."""
    try:
        entry = read_header(file)
    except ImageError as error:
        # A file without a position is no slice; one that is damaged may be the one that is missing.
        if error.code == "BAD_HEADER":
            return None
        raise
    return entry if entry.series == series and entry.frames == 1 else None


def _same_shape(one: Slice, other: Slice) -> bool:
    return (
        one.size == other.size
        and one.spacing == other.spacing
        and float(np.abs(one.orientation - other.orientation).max()) < SAME_DIRECTION
    )


def _same_contrast(which: slice) -> Callable[[Slice, Slice], bool]:
    return lambda one, other: one.contrast[which] == other.contrast[which]


def _apart(slices: Iterable[Slice], same: Callable[[Slice, Slice], bool]) -> list[list[Slice]]:
    """Return the slices in groups, each with all that are the same as its first."""
    groups: list[list[Slice]] = []
    for entry in slices:
        group = next((group for group in groups if same(group[0], entry)), None)
        if group is None:
            groups.append([entry])
        else:
            group.append(entry)
    return groups


def _overlaid(slices: Sequence[Slice]) -> bool:
    """Tell whether two slices lie at one place, to a hundredth of a millimetre."""
    return len({tuple(np.round(entry.position, 2) + 0.0) for entry in slices}) < len(slices)


def _require_one_series(slices: list[Slice]) -> None:
    if any(entry.frames > 1 for entry in slices):
        frames = max(entry.frames for entry in slices)
        raise ImageError(
            "NOT_3D",
            f"a file of the folder holds {frames} frames (enhanced DICOM), expected one slice a "
            "file; give that file itself as the image, or convert it with dcm2niix",
        )
    series = {entry.series for entry in slices}
    if len(series) > 1:
        raise ImageError(
            "BAD_HEADER",
            f"expected one series in the folder, got {len(series)} in {len(slices)} files; "
            "put each into a folder of its own",
        )
    for what in ("size", "spacing"):
        if len({getattr(entry, what) for entry in slices}) > 1:
            raise ImageError(
                "BAD_HEADER", f"the slices differ in {what}; is a localizer among them?"
            )


def in_order(slices: list[Slice]) -> list[Slice]:
    """Return the slices along their normal, once their positions are found to make a grid."""
    first = slices[0].orientation
    if any(np.abs(entry.orientation - first).max() > 1e-4 for entry in slices):
        raise GeometryError("the slices differ in orientation; is a localizer among them?")
    normal = np.cross(first[:3], first[3:])
    ordered = sorted(slices, key=lambda entry: float(entry.position @ normal))
    if len(ordered) < 2:
        raise ImageError("NOT_3D", "expected at least two slices, got one")
    positions = np.array([entry.position for entry in ordered])
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    usual = float(np.median(along))
    if along.min() < TOLERANCE * usual or usual <= 0:
        raise ImageError(
            "NOT_3D",
            "several slices lie at one place; is it a series of volumes (echoes, times)? "
            "put each volume into a folder of its own",
        )
    worst = int(np.argmax(np.abs(along - usual)))
    if abs(along[worst] - usual) > TOLERANCE * usual:
        where = f"after slice {worst + 1} of {len(ordered)} the next lies {along[worst]:.4g} mm on"
        raise GeometryError(
            f"expected slices every {usual:.4g} mm, but {where}; is a slice missing?"
        )
    if np.linalg.norm(steps - np.outer(along, normal), axis=1).max() > TOLERANCE * usual:
        raise GeometryError(
            "the slices are shifted against each other (a tilted gantry?); resample them "
            "to a rectangular grid"
        )
    return ordered
