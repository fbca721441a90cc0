"""Volumes on disk: NIfTI, Analyze, NRRD, MetaImage, MINC and DICOM, each proved whole.

The voxels are read here, by the same pass that proves them whole (:mod:`.voxels`); ITK reads the
header alone, so that geometry is what PyRadiomics sees. Where one voxel holds several numbers, ITK
reads the voxels too, after they were proved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import ConfigError, ImageError
from harmonize_kit.storage import metaimage, minc, nifti, nrrd
from harmonize_kit.storage.declared import Declared, bad_header, geometry_notes, require_possible
from harmonize_kit.storage.dicom_headers import is_dicom_file
from harmonize_kit.storage.dicom_masks import is_dicom_mask, read_dicom_mask
from harmonize_kit.storage.dicom_volumes import open_series
from harmonize_kit.storage.files import data_files, require_file
from harmonize_kit.storage.itk import from_itk, geometry_of, mask_to_itk, to_itk
from harmonize_kit.storage.voxels import prove_stream, read_voxels
from harmonize_kit.storage.whole import whole_file

__all__ = [
    "Reading", "data_files", "open_image", "open_mask", "read_image", "read_mask",
    "require_file", "write_image", "write_mask",
]  # fmt: skip


class Reading(NamedTuple):
    """A volume read from disk, and what its reader must know of the file."""

    volume: Volume
    notes: tuple[str, ...]


def open_image(path: Path) -> Reading:
    """Read a three-dimensional, single-channel image with the type it was stored in.

    Raises
    ------
    ImageError
        MISSING_FILE, EMPTY_FILE, UNREADABLE, NOT_AN_IMAGE, BAD_HEADER, NOT_3D, TOO_LARGE,
        SIZE_MISMATCH, TRUNCATED, CRC or SHORT_DATA.
    """
    if path.is_dir() or is_dicom_file(path):
        series = open_series(path)
        return Reading(series.volume, series.notes)
    volume, notes = _open(path, channel=None)
    strange = _not_finite(volume.array)
    if strange:
        notes += (f"{strange} voxels of the image are not finite (NaN or infinite)",)
    return Reading(volume, notes)


def open_mask(
    path: Path,
    channel: int = 0,
    grid: Geometry | None = None,
    labels: tuple[int, ...] | None = None,
) -> Reading:
    """Read a label image; of several channels, ``channel`` is taken as PyRadiomics does.

    DICOM segmentations and contours are drawn on ``grid``, that of the image, for the regions of
    ``labels`` alone (None for all); see :func:`.dicom_masks.read_dicom_mask`.

    Raises
    ------
    CaseError
        As :func:`open_image` and :func:`.dicom_masks.read_dicom_mask`.
    """
    if grid is not None and is_dicom_mask(path):
        return Reading(read_dicom_mask(path, grid, labels), ())
    if path.is_dir():
        return Reading(open_series(path).volume, ())
    volume, notes = _open(path, channel=channel)
    # Without a slope labels are unambiguous, and tools that segment often write none.
    notes = tuple(f"mask: {note}" for note in notes if not note.startswith("scl_slope is 0"))
    return Reading(volume, notes)


def read_image(path: Path) -> Volume:
    """Return the volume of :func:`open_image`."""
    return open_image(path).volume


def read_mask(path: Path, channel: int = 0) -> Volume:
    """Return the volume of :func:`open_mask`."""
    return open_mask(path, channel).volume


def write_image(volume: Volume, path: Path) -> None:
    """Write the intensities of ``volume`` as a whole file; the suffix chooses the format."""
    _write(to_itk(volume), path)


def write_mask(volume: Volume, path: Path) -> None:
    """Write the mask of ``volume`` as a whole file; the suffix chooses the format."""
    _write(mask_to_itk(volume), path)


def _write(image: sitk.Image, path: Path) -> None:
    if not path.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha")):
        raise ConfigError(f"{path.name}: images are written as .nii.gz, .nii, .nrrd or .mha")
    with whole_file(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)


def _open(path: Path, channel: int | None) -> Reading:
    data_files(path)
    if path.name.lower().endswith(minc.SUFFIXES):
        volume, notes = minc.read_minc(path)
        # Labels went through a scale and back, which may cost their last bits.
        return Reading(volume if channel is None else _labels(volume), notes)
    declared = _declare(path)
    voxels, notes = read_voxels(declared)
    notes = declared.notes + notes
    if declared.geometry is not None:
        geometry, plain = declared.geometry, True
    else:
        reader = _reader(path)
        plain = reader.GetDimension() == 3 and reader.GetNumberOfComponents() == 1
        plain = plain and reader.GetSize() == declared.size
        geometry = geometry_of(reader) if plain else None
    if geometry is None:
        # Never with NIfTI, of which ITK makes NaN zero: its voxels are single numbers by now.
        if path.name.lower().endswith(nifti.SUFFIXES):
            raise bad_header(path, f"ITK reads another size than {declared.size}")
        return _through_itk(path, channel, notes)
    array = _scaled(voxels, declared.scale).reshape(geometry.size[::-1])
    return Reading(Volume(array, geometry), notes + geometry_notes(path, geometry))


def _declare(path: Path) -> Declared:
    name = path.name.lower()
    try:
        if name.endswith(nifti.SUFFIXES):
            declared = nifti.declare_nifti(path)
        elif name.endswith(nrrd.SUFFIXES):
            declared = nrrd.declare_nrrd(path)
        elif name.endswith(metaimage.SUFFIXES):
            declared = metaimage.declare_metaimage(path)
        else:
            raise ImageError(
                "NOT_AN_IMAGE",
                "expected .nii, .nii.gz, .nrrd, .mha, .mhd, .mnc or .hdr with .img, got "
                f"{path.name}; convert the image to one of them",
            )
        require_possible(declared)
    except ImageError as error:
        # A header that makes no sense may come from damage to the stream that holds it.
        if name.endswith(".gz") and error.code in {"BAD_HEADER", "SIZE_MISMATCH", "TOO_LARGE"}:
            prove_stream(path)
        raise
    return declared


def _scaled(voxels: NDArray[Any], scale: tuple[float, float] | None) -> NDArray[Any]:
    """Return intensities of stored numbers as ITK makes them, to the bit.

    Whole numbers become float32 before they are scaled; the sum is made in float64.
    """
    if scale is None:
        return voxels
    kind = voxels.dtype if voxels.dtype.kind == "f" else np.dtype(np.float32)
    scaled = voxels.astype(kind, copy=False).astype(np.float64)
    scaled *= scale[0]
    scaled += scale[1]
    return scaled.astype(kind, copy=False)


def _labels(volume: Volume) -> Volume:
    whole = np.rint(volume.array)
    return volume.with_array(whole) if np.allclose(volume.array, whole, 0, 1e-6) else volume


def _reader(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    if not reader.GetImageIOFromFileName(str(path)):
        raise ImageError(
            "NOT_AN_IMAGE",
            f"expected a NIfTI, NRRD or MetaImage file, got something else: {path.name}; "
            "is the suffix right?",
        )
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return reader


def _through_itk(path: Path, channel: int | None, notes: tuple[str, ...]) -> Reading:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
        notes += ("a fourth dimension of size 1 was left out",)
    volume = from_itk(_three_dimensional(image, path, channel))
    return Reading(volume, notes + geometry_notes(path, volume.geometry))


def _three_dimensional(image: sitk.Image, path: Path, channel: int | None) -> sitk.Image:
    if image.GetDimension() != 3:
        raise ImageError(
            "NOT_3D",
            f"{path.name}: expected three dimensions, got size {image.GetSize()}; "
            "choose one volume of a series beforehand",
        )
    components = image.GetNumberOfComponentsPerPixel()
    if channel is None and components != 1:
        raise ImageError("NOT_3D", f"{path.name}: expected one channel, got {components} (colour?)")
    if channel is not None and components > 1:
        if channel >= components:
            raise ImageError(
                "NOT_3D", f"{path.name}: Label_channel {channel} asked for, got {components}"
            )
        image = sitk.VectorIndexSelectionCast(image, channel)
    return image


def _unreadable(path: Path, error: RuntimeError) -> ImageError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if "ITK ERROR" in line), lines[-1])
    return ImageError("UNREADABLE", f"{path.name} cannot be read: {reason}")


def _not_finite(array: NDArray[Any]) -> int:
    if array.dtype.kind != "f":
        return 0
    # Slice by slice, so that a large image needs no second array of its size.
    return sum(part.size - int(np.count_nonzero(np.isfinite(part))) for part in array)
