"""Headers of NIfTI-1, NIfTI-2 and Analyze 7.5, checked before a voxel is read.

ITK takes a spacing of zero or NaN for 1 mm, reads voxels from wherever the header points, prefers
one of two orientations that disagree, and does not know NIfTI-2; nothing of that is told.

References
----------
NIfTI-1.1 and NIfTI-2 data formats, https://nifti.nimh.nih.gov.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import ImageError
from harmonize_kit.storage.analyze import place_analyze
from harmonize_kit.storage.declared import Declared, bad_header, require_sizes, spacing_notes
from harmonize_kit.storage.grid_order import grid_of_affine
from harmonize_kit.storage.voxels import GZIP, first_bytes

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
MAGIC = {
    b"n+1\0": (348, True),
    b"ni1\0": (348, False),
    b"n+2\0": (540, True),
    b"ni2\0": (540, False),
}


def pair_of(path: Path) -> tuple[Path, Path]:
    """Return header and data file of an image: twice the same for .nii, else .hdr and .img."""
    name = path.name.lower()
    if not name.endswith((".hdr", ".img", ".hdr.gz", ".img.gz")):
        return path, path
    ending = path.name[-3:] if name.endswith(".gz") else ""
    stem = path.name[: len(path.name) - 4 - len(ending)]
    upper = path.name[len(stem) :].isupper()
    header, data = (".HDR", ".IMG") if upper else (".hdr", ".img")
    return path.with_name(stem + header + ending), path.with_name(stem + data + ending)


def declare_nifti(path: Path) -> Declared:
    """Return what the header of a NIfTI or Analyze image declares.

    Raises
    ------
    ImageError
        NOT_AN_IMAGE, BAD_HEADER, NOT_3D, TRUNCATED or CRC.
    """
    header_path, data = pair_of(path)
    compressed = _require_suffix_tells(data)
    if header_path != data:
        _require_suffix_tells(header_path)
    header = _header(header_path, single=header_path == data)
    size, notes = _three_axes(header, header_path)
    dtype = _real_type(header, header_path)
    notes += spacing_notes(header_path, tuple(map(float, header["pixdim"][1:4])))
    skip = _offset(header, header_path, single=header_path == data)
    if "sform_code" not in header.keys():  # noqa: SIM118 - a header is no mapping
        geometry, scale, told = place_analyze(header_path, size)
        notes += told
    else:
        scale, scale_notes = _scale(header)
        geometry = _own_geometry(header, size) if int(header["sizeof_hdr"]) == 540 else None
        notes += scale_notes + _form_notes(header, header_path, size)
    return Declared(
        data, dtype, size, skip=skip, compressed=compressed, scale=scale, geometry=geometry,
        notes=notes,
    )  # fmt: skip


def _require_suffix_tells(path: Path) -> bool:
    """Return whether a file is compressed, if its name says the same."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP
    named = path.name.lower().endswith(".gz")
    if compressed and not named:
        raise ImageError(
            "NOT_AN_IMAGE", f"{path.name} is compressed with gzip; rename it to {path.name}.gz"
        )
    if named and not compressed:
        head = first_bytes(path, 348)
        image = head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c")
        advice = (
            f"it is not compressed; rename it to {path.name[:-3]}" if image else "copy it again"
        )
        raise ImageError("NOT_AN_IMAGE", f"{path.name} is no gzip file; {advice}")
    return compressed


def _header(path: Path, *, single: bool) -> Any:
    head = first_bytes(path, 540)
    order = "<" if head[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") else ">"
    length = int.from_bytes(head[:4], "little" if order == "<" else "big")
    magic = head[344:348] if length == 348 else head[4:8]
    if length not in (348, 540) or len(head) < length:
        raise ImageError("NOT_AN_IMAGE", f"expected a NIfTI image, got something else: {path.name}")
    vendor = cast(Any, nibabel)
    if MAGIC.get(magic, (0, False))[0] != length:
        if single or length != 348:
            raise ImageError(
                "NOT_AN_IMAGE", f"{path.name} lacks the mark of a NIfTI image; is the suffix right?"
            )
        return vendor.AnalyzeHeader(head[:348], order, check=False)
    if MAGIC[magic][1] != single:
        where = "the same file" if MAGIC[magic][1] else "a file of their own"
        raise bad_header(path, f"the header looks for the voxels in {where}, unlike its suffix")
    make = vendor.Nifti1Header if length == 348 else vendor.Nifti2Header
    return make(head[:length], order, check=False)


def _three_axes(header: Any, path: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise bad_header(path, f"expected 1 to 7 dimensions, got {count}")
    size = require_sizes(path, tuple(int(length) for length in header["dim"][1 : count + 1]))
    if count < 3 or math.prod(size[3:]) > 1:
        advice = (
            "choose one volume of a series beforehand"
            if count > 3
            else (
                "a single slice needs a third dimension of size 1, and force2D: true to be measured"
            )
        )
        raise ImageError(
            "NOT_3D", f"{path.name}: expected three dimensions, got size {size}; {advice}"
        )
    return size[:3], ("a fourth dimension of size 1 was left out",) if count > 3 else ()


def _real_type(header: Any, path: Path) -> np.dtype[Any]:
    code = int(header["datatype"])
    try:
        dtype = np.dtype(header.get_data_dtype())
    except Exception as error:
        raise bad_header(path, f"data type {code} is none of NIfTI") from error
    if dtype.kind == "c" or dtype.names:
        kind = "complex numbers" if dtype.kind == "c" else "colours"
        raise ImageError(
            "NOT_3D", f"{path.name}: expected one number a voxel, got {kind}; choose one component"
        )
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise bad_header(path, f"voxels of data type {code} cannot be measured")
    return dtype


def _offset(header: Any, path: Path, *, single: bool) -> int:
    offset = float(header["vox_offset"])
    least = int(header["sizeof_hdr"]) + 4 if single else 0
    if not (math.isfinite(offset) and offset.is_integer() and offset >= least):
        raise bad_header(path, f"voxels cannot start at byte {offset:g}, before byte {least}")
    return int(offset)


def _scale(header: Any) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return slope and intercept where they do anything, as ITK applies them."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    notes: tuple[str, ...] = ()
    if slope == 0 or not math.isfinite(slope):
        notes += (f"scl_slope is {slope:g}, read as 1",)
        slope = 1.0
    if not math.isfinite(intercept):
        notes += (f"scl_inter is {intercept:g}, read as 0",)
        intercept = 0.0
    smallest = np.finfo(np.float64).eps
    if abs(slope - 1) <= smallest and abs(intercept) <= smallest:
        return None, notes
    return (slope, intercept), notes


def _form_notes(header: Any, path: Path, size: tuple[int, ...]) -> tuple[str, ...]:
    if int(header["sform_code"]) > 0 and not np.isfinite(header.get_sform()).all():
        raise bad_header(path, "the sform holds numbers that are not finite")
    qform = _qform(header) if int(header["qform_code"]) > 0 else None
    if int(header["qform_code"]) > 0 and qform is None:
        raise bad_header(path, "the qform is no rotation and translation")
    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        return ("neither sform nor qform: the position in the patient is unknown",)
    spacing = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    if int(header["sform_code"]) > 0:
        sform = np.asarray(header.get_sform(), dtype=np.float64)
        if qform is not None and _displacement(sform, qform, size) > 0.1 * spacing.min():
            return ("sform and qform disagree on the position in the patient",)
        zooms = np.sqrt((sform[:3, :3] ** 2).sum(axis=0))
        if np.any(np.abs(zooms - spacing) > 1e-3 * spacing):
            return ("pixdim and sform disagree on the voxel spacing; pixdim is used",)
    return ()


def _qform(header: Any) -> NDArray[np.float64] | None:
    """Return the affine of the qform, or None where it is no rotation and translation."""
    positive = header.copy()
    positive["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1
    positive["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    try:
        qform = np.asarray(positive.get_qform(), dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError):
        return None
    return qform if np.isfinite(qform).all() else None


def _displacement(one: NDArray[Any], other: NDArray[Any], size: tuple[int, ...]) -> float:
    """Return the largest distance in mm between where two affines put a corner of the grid."""
    corners = np.stack(np.meshgrid(*[(0, length - 1) for length in size]), axis=-1).reshape(-1, 3)
    homogeneous = np.column_stack([corners, np.ones(len(corners))])
    return float(np.linalg.norm(homogeneous @ (one - other).T, axis=1).max())


def _own_geometry(header: Any, size: tuple[int, ...]) -> Geometry:
    """Return the grid of a NIfTI-2 header in the ITK (LPS) convention.

    sform before qform, spacing from pixdim, as ITK does with NIfTI-1.
    """
    spacing = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    if int(header["sform_code"]) > 0:
        affine = np.asarray(header.get_sform(), dtype=np.float64)
    elif (qform := _qform(header)) is not None and int(header["qform_code"]) > 0:
        affine = qform
    else:
        affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    found = grid_of_affine(affine, (size[0], size[1], size[2]))
    return replace(found, spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])))
