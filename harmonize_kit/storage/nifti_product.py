"""Volumes written as NIfTI-1: the same bytes for the same voxels, and nothing of any patient.

ITK writes its own name and version into the header and knows no more of the input's header than
the grid. Here a volume that lies on the grid of its input gets the input's own orientation fields,
to the bit; one on another grid gets those of its geometry. Free text and extensions, where names
and numbers of patients hide, are never carried over.
"""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.storage.nifti import SUFFIXES, pair_of
from harmonize_kit.storage.voxels import GZIP, first_bytes
from harmonize_kit.storage.whole import whole_file

# What says where the voxels lie.
ORIENTATION = (
    "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
# NIfTI counts in RAS, ITK in LPS.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
FREE_TEXT = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
SINGLE_FILE_OFFSET = 352
NAMED = 8
"""Flag of a gzip stream that says the name of the file it was made of."""
MILLIMETRES = 2
SCANNER = 1
LEVEL = 6
"""Of gzip: within 1 % of the smallest size of its default 9, in half the time."""


def affine_of(geometry: Geometry) -> NDArray[np.float64]:
    """Return the matrix, shape (4, 4), from voxel numbers (x, y, z) to mm in RAS."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(geometry.direction, (3, 3)) * np.asarray(geometry.spacing)
    affine[:3, 3] = geometry.origin
    return LPS_TO_RAS @ affine


def write_nifti(volume: Volume, path: Path, like: Path | None = None) -> None:
    """Write the intensities of ``volume`` as a whole .nii.gz file, with their own type.

    Parameters
    ----------
    volume : Volume
        Double precision is written as single: no scanner measures seven digits. Booleans become
        bytes.
    path : Path
        Ends in ``.nii.gz``.
    like : Path, optional
        The image the volume was made of. Where that is NIfTI-1 and lies on the same grid, the
        fields that say where its voxels lie are taken over as they are.
    """
    array = _storable(volume.array)
    header = cast(Any, nibabel).Nifti1Header(endianness="<")
    header.set_data_dtype(array.dtype)
    header.set_data_shape(volume.geometry.size)
    affine = affine_of(volume.geometry)
    header.set_qform(affine, SCANNER)
    header.set_sform(affine, SCANNER)
    header["xyzt_units"] = MILLIMETRES
    given = None if like is None else _header_of(like)
    if given is not None and _same_grid(given, header):
        for name in ORIENTATION:
            header[name] = given[name]
    # The magic number and offset of a single file, and no scaling: the voxels are the values.
    header["magic"], header["vox_offset"] = b"n+1", SINGLE_FILE_OFFSET
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    # Neither name nor time in the stream, so that equal voxels make equal files.
    with (
        whole_file(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file,
    ):
        file.write(header.binaryblock + bytes(4))
        for part in little:
            file.write(np.ascontiguousarray(part).data)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    single = array.dtype.kind == "f" and array.dtype.itemsize != 4
    return array.astype(np.float32) if single else array


def _header_of(path: Path) -> Any:
    """Return the header of a NIfTI-1 file, or None for any other."""
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return None
    header, _ = pair_of(path)
    head = first_bytes(header, 348)
    if head[344:348] not in (b"n+1\0", b"ni1\0"):
        return None
    order = "<" if head[:4] == b"\x5c\x01\0\0" else ">"
    return cast(Any, nibabel).Nifti1Header(head[:348], order, check=False)


def _same_grid(given: Any, own: Any) -> bool:
    """Tell whether a header puts the same voxels in the same places, up to single precision."""
    if tuple(given["dim"][1:4]) != tuple(own["dim"][1:4]):
        return False
    if not (int(given["qform_code"]) or int(given["sform_code"])):
        # Without orientation ITK assumes one, and the header would say none.
        return False
    mine = np.asarray(own.get_best_affine())
    scale = np.abs(mine[:3, :3]).max()
    close = np.abs(np.asarray(given.get_best_affine()) - mine)
    return bool(np.all(close <= 1e-5 * np.maximum(scale, np.abs(mine))))


def tells_nothing(path: Path) -> bool:
    """Tell whether a NIfTI-1 file is header and voxels alone, so that it may be copied whole.

    Not one with free text in its header, extensions, bytes after the voxels, or the name of another
    file in its compressed stream.
    """
    header = _header_of(path)
    if header is None or float(header["vox_offset"]) != SINGLE_FILE_OFFSET:
        return False
    if any(header[name].tobytes().strip(b"\0 ") for name in FREE_TEXT):
        return False
    count = math.prod(int(length) for length in header["dim"][1 : int(header["dim"][0]) + 1])
    size = SINGLE_FILE_OFFSET + count * int(header["bitpix"]) // 8
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(10)
        if head[:2] != GZIP:
            return length == size
        name = file.read(256).partition(b"\0")[0] if head[3] & NAMED else b""
        file.seek(-4, os.SEEK_END)
        # The length of the stream, at its end, counts up to 4 GiB.
        whole = int.from_bytes(file.read(4), "little") == size % 2**32
    own = path.name[: -len(".gz")].encode()
    return whole and head[3] in (0, NAMED) and name in (b"", own)
