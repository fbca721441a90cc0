"""Image files byte by byte, so that each can be damaged in exactly one place.

Arrays are (z, y, x); grids are given as ITK has them (LPS, mm). Written without the library under
test and without its readers.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

Edit = Callable[[Any], None]
SPACING = (0.75, 0.75, 2.5)
ORIGIN = (-30.0, 12.5, 7.0)
IDENTITY = np.eye(3)

NRRD_TYPES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32",
              "u4": "uint32", "i8": "int64", "u8": "uint64", "f4": "float",
              "f8": "double"}  # fmt: skip
META_TYPES = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "i4": "INT",
              "u4": "UINT", "i8": "LONG_LONG", "u8": "ULONG_LONG", "f4": "FLOAT",
              "f8": "DOUBLE"}  # fmt: skip


def affine_of(
    spacing: tuple[float, ...] = SPACING,
    origin: tuple[float, ...] = ORIGIN,
    direction: NDArray[Any] = IDENTITY,
) -> NDArray[np.float64]:
    """The RAS affine of NIfTI for a grid in LPS."""
    affine = np.eye(4)
    affine[:3, :3] = direction * np.asarray(spacing)
    affine[:3, 3] = origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def nifti_header(
    array: NDArray[Any],
    affine: NDArray[np.float64] | None = None,
    edit: Edit | None = None,
    *,
    version: int = 1,
    order: str = "<",
    forms: tuple[int, int] = (1, 1),
    single: bool = True,
    extension: int = 0,
) -> bytes:
    """A header of 348 or 540 bytes; ``forms`` are the codes of sform and qform."""
    make: Any = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = make(endianness=order)
    header.set_data_shape(array.shape[::-1])
    header.set_data_dtype(array.dtype)
    header.set_xyzt_units("mm")
    affine = affine_of() if affine is None else affine
    header.set_sform(affine, forms[0])
    header.set_qform(affine, forms[1])
    header["scl_slope"], header["scl_inter"] = 1, 0
    start = len(header.binaryblock) + 4 + extension
    header["vox_offset"] = start if single else 0
    mark = f"n{'+' if single else 'i'}{version}".encode() if version == 2 else b"n+1"
    header["magic"] = mark if single or version == 2 else b"ni1"
    if edit is not None:
        edit(header)
    return bytes(header.binaryblock)


def nifti(array: NDArray[Any], *arguments: Any, order: str = "<", **options: Any) -> bytes:
    """A single-file NIfTI image, not compressed."""
    head = nifti_header(array, *arguments, order=order, **options)
    return head + bytes(4) + voxels(array, order)


def sets(**fields: Any) -> Edit:
    """An edit that overwrites fields of a NIfTI header; ``dim_3=0`` one element of ``dim``."""

    def edit(header: Any) -> None:
        for name, value in fields.items():
            field, _, number = name.rpartition("_")
            if field in ("dim", "pixdim") and number.isdigit():
                header[field][int(number)] = value
            else:
                header[name] = value

    return edit


def nrrd(
    array: NDArray[Any],
    *,
    encoding: str = "gzip",
    order: str = "<",
    fields: dict[str, str] | None = None,
    spacing: tuple[float, ...] = SPACING,
    origin: tuple[float, ...] = ORIGIN,
    data: bytes | None = None,
) -> bytes:
    """A NRRD image; ``fields`` overwrite or (empty) leave out fields of its header."""
    vectors = " ".join(
        "(" + ",".join(f"{step if axis == own else 0:g}" for axis in range(3)) + ")"
        for own, step in enumerate(spacing)
    )
    written = {
        "type": NRRD_TYPES[array.dtype.str[1:]],
        "dimension": str(array.ndim),
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, array.shape[::-1])),
        "space directions": vectors,
        "endian": "little" if order == "<" else "big",
        "encoding": encoding,
        "space origin": "(" + ",".join(map(repr, origin)) + ")",
        **(fields or {}),
    }
    lines = [f"{name}: {value}" for name, value in written.items() if value]
    content = voxels(array, order) if data is None else data
    if encoding in ("gzip", "gz") and data is None:
        content = gzip.compress(content, mtime=0)
    return ("NRRD0004\n" + "\n".join(lines) + "\n\n").encode() + content


def metaimage(
    array: NDArray[Any],
    *,
    compressed: bool = False,
    order: str = "<",
    fields: dict[str, str] | None = None,
    data: bytes | None = None,
    data_file: str = "LOCAL",
) -> bytes:
    """A MetaImage; ``fields`` overwrite or (empty) leave out fields of its header."""
    content = voxels(array, order) if data is None else data
    if compressed and data is None:
        content = zlib.compress(content)
    written = {
        "ObjectType": "Image",
        "NDims": str(array.ndim),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False" if order == "<" else "True",
        "CompressedData": str(compressed),
        "CompressedDataSize": str(len(content)) if compressed else "",
        "TransformMatrix": " ".join(f"{cosine:g}" for cosine in IDENTITY.ravel()),
        "Offset": " ".join(map(repr, ORIGIN)),
        "ElementSpacing": " ".join(map(repr, SPACING)),
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": f"MET_{META_TYPES[array.dtype.str[1:]]}",
        **(fields or {}),
    }
    lines = [f"{name} = {value}" for name, value in written.items() if value]
    head = "\n".join([*lines, f"ElementDataFile = {data_file}"]) + "\n"
    return head.encode() + (content if data_file == "LOCAL" else b"")


def voxels(array: NDArray[Any], order: str = "<") -> bytes:
    """The bytes of an array in the given byte order, x fastest."""
    return np.ascontiguousarray(
        array, dtype=array.dtype.newbyteorder(">" if order == ">" else "<")
    ).tobytes()
