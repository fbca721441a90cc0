"""MINC images (.mnc), read by nibabel and proved whole.

SimpleITK reads MINC 2 as well, but takes its world, in which x grows to the right and y to the
front, for that of DICOM (SimpleITK 2.5: a head comes out turned by half a turn, without a word),
and takes several volumes for channels.

References
----------
Vincent et al. 2016, Front Neuroinform 10:35, doi:10.3389/fninf.2016.00035 (MINC 2.0).
"""

from __future__ import annotations

import math
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import DependencyError, ImageError
from harmonize_kit.storage.declared import MAX_VOXELS, bad_header, geometry_notes, spacing_notes
from harmonize_kit.storage.grid_order import grid_of_affine
from harmonize_kit.storage.voxels import first_bytes, prove_stream

SUFFIXES = (".mnc", ".mnc.gz")
NETCDF, HDF5 = (b"CDF\x01", b"CDF\x02"), b"\x89HDF"
# No gzip stream is let go on for longer.
MOST_BYTES = MAX_VOXELS * 8


def read_minc(path: Path) -> tuple[Volume, tuple[str, ...]]:
    """Return an image of three dimensions, its real values as float64, and what must be known.

    Raises
    ------
    ImageError
        NOT_AN_IMAGE, BAD_HEADER, NOT_3D, TOO_LARGE, SHORT_DATA, TRUNCATED, CRC or UNREADABLE.
    DependencyError
        If MINC 2 is met and h5py is not installed.
    """
    if path.name.lower().endswith(".gz"):
        prove_stream(path, MOST_BYTES)
    kind = _kind(path)
    vendor = cast(Any, nibabel)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            image = (vendor.Minc2Image if kind == 2 else vendor.Minc1Image).from_filename(path)
        except Exception as error:
            raise _odd(path, error) from error
        shape = tuple(map(int, image.shape))
        if len(shape) != 3:
            raise ImageError(
                "NOT_3D",
                f"{path.name}: expected three dimensions, got shape {shape}; choose one volume",
            )
        if math.prod(shape) > MAX_VOXELS:
            raise ImageError("TOO_LARGE", f"{path.name}: the header declares shape {shape}")
        if kind == 2:
            _require_stored(path)
        try:
            array: NDArray[np.float64] = np.asarray(image.dataobj, dtype=np.float64)
        except Exception as error:
            raise _odd(path, error) from error
    notes = tuple(dict.fromkeys(str(warning.message) for warning in said))
    geometry = _geometry(path, np.asarray(image.affine, dtype=np.float64), shape)
    return Volume(array, geometry), notes + geometry_notes(path, geometry)


def _kind(path: Path) -> int:
    head = first_bytes(path, 4)
    if head in NETCDF:
        return 1
    if head != HDF5:
        raise ImageError("NOT_AN_IMAGE", f"expected a MINC image, got something else: {path.name}")
    try:
        import_module("h5py")
    except ImportError as error:
        raise DependencyError(
            f"{path.name} is a MINC 2 image, which needs h5py; pip install 'harmonize-kit[minc]', "
            "or convert it to NIfTI with mnc2nii"
        ) from error
    return 2


def _require_stored(path: Path) -> None:
    """Refuse voxels that were declared but never written, of which HDF5 makes zeros."""
    h5py: Any = import_module("h5py")
    with h5py.File(path, "r") as file:
        voxels = file["minc-2.0/image/0/image"]
        if voxels.chunks is None:
            # A small data set may stand in the header itself; what has no place was not written.
            stored = voxels.id.get_storage_size() >= voxels.size * voxels.dtype.itemsize
        else:
            blocks = (-(-n // step) for n, step in zip(voxels.shape, voxels.chunks, strict=True))
            stored = voxels.id.get_num_chunks() == math.prod(blocks)
    if not stored:
        raise ImageError(
            "SHORT_DATA", f"{path.name}: part of the voxels was never written; export it again"
        )


def _geometry(path: Path, affine: NDArray[np.float64], shape: tuple[int, ...]) -> Geometry:
    """Return the grid in the ITK (LPS) convention; array axes z, y, x are those of the file."""
    spacing_notes(path, tuple(map(float, np.linalg.norm(affine[:3, :3], axis=0))))
    turned = affine[:, [2, 1, 0, 3]]
    return grid_of_affine(turned, (shape[2], shape[1], shape[0]))


def _odd(path: Path, error: Exception) -> ImageError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KeyError):
        return bad_header(path, f"the field {reason} is missing")
    if "rregular spacing" in reason:
        return bad_header(path, "the slices are not evenly spaced")
    if "spatial dimensions" in reason or "broadcast" in reason:
        return bad_header(path, "expected three axes in space")
    if isinstance(error, OSError | EOFError | ValueError | MemoryError):
        return ImageError("UNREADABLE", f"{path.name} is no intact MINC image ({reason})")
    return bad_header(path, f"nibabel cannot read it ({reason})")
