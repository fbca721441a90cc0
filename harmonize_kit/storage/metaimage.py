"""Headers of MetaImage files (.mha, .mhd), checked before a voxel is read.

References
----------
MetaIO documentation, https://docs.itk.org/en/latest/learn/metaio.html.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from harmonize_kit.errors import ImageError
from harmonize_kit.storage.declared import (
    MAX_HEADER,
    Declared,
    bad_header,
    other_file,
    require_sizes,
    spacing_notes,
)

SUFFIXES = (".mha", ".mhd")
# long has 4 bytes in MetaIO, whatever the machine.
TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


def declare_metaimage(path: Path) -> Declared:
    """Return what the header of a MetaImage declares.

    Raises
    ------
    ImageError
        NOT_AN_IMAGE, BAD_HEADER, MISSING_FILE, or UNREADABLE where voxels are written as text.
    """
    fields, end = _fields(path)
    size = require_sizes(path, _whole_numbers(path, fields, "DimSize"))
    if _whole_numbers(path, fields, "NDims") != (len(size),):
        raise bad_header(path, f"NDims is not {len(size)}, the number of sizes")
    kind = fields.get("ElementType", "nothing")
    if kind not in TYPES:
        raise bad_header(path, f"voxels of type '{kind}' cannot be measured")
    if not _is_true(fields, "BinaryData"):
        raise ImageError(
            "UNREADABLE", f"{path.name}: the voxels are written as text, which cannot be proved "
            "whole; write the image again in binary",
        )  # fmt: skip
    big = _is_true(fields, "BinaryDataByteOrderMSB") or _is_true(fields, "ElementByteOrderMSB")
    compressed = _is_true(fields, "CompressedData")
    channels = _whole_numbers(path, fields, "ElementNumberOfChannels", "1")[0]
    detached = data_file(path, fields)
    start = _whole_numbers(path, fields, "HeaderSize", "0")[0]
    # In a file of its own the voxels can follow another header; after ours they cannot.
    if start < -1 or (start and compressed) or (start > 0 and detached is None):
        raise bad_header(path, f"HeaderSize {start} makes no sense here")
    return Declared(
        path if detached is None else detached,
        np.dtype(TYPES[kind]).newbyteorder(">" if big else "<"),
        require_sizes(path, (channels, *size)) if channels != 1 else size,
        end if detached is None and start == 0 else start,
        compressed=compressed,
        notes=_spacing(path, fields),
    )


def data_file(path: Path, fields: dict[str, str] | None = None) -> Path | None:
    """Return the file of the voxels, or None where they follow the header.

    Raises
    ------
    ImageError
        As :func:`declare_metaimage`; BAD_HEADER where there are several.
    """
    known = _fields(path)[0] if fields is None else fields
    name = known["ElementDataFile"]
    return None if name.upper() == "LOCAL" else other_file(path, name)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields by name, and the byte at which the header ends."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while file.tell() < MAX_HEADER:
            line = file.readline(MAX_HEADER)
            name, equals, value = line.decode("latin1").partition("=")
            if not equals and line.strip():
                raise ImageError(
                    "NOT_AN_IMAGE", f"expected a MetaImage, got something else: {path.name}"
                )
            if not line:
                raise ImageError("TRUNCATED", f"{path.name} ends in its header; copy it again")
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                return fields, file.tell()
    raise bad_header(path, f"the header does not end within {MAX_HEADER} bytes")


def _spacing(path: Path, fields: dict[str, str]) -> tuple[str, ...]:
    for name in ("Offset", "Position", "Origin", "TransformMatrix", "Rotation", "Orientation"):
        if not np.isfinite(_floats(path, fields, name)).all():
            raise bad_header(path, f"'{name}' is not finite")
    for name in ("ElementSpacing", "ElementSize"):
        if name in fields:
            return spacing_notes(path, _floats(path, fields, name))
    return ("no voxel spacing in the header, 1 mm is assumed",)


def _floats(path: Path, fields: dict[str, str], field: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in fields.get(field, "").split())
    except ValueError as error:
        raise bad_header(path, f"expected numbers in '{field}'") from error


def _whole_numbers(
    path: Path, fields: dict[str, str], field: str, default: str = ""
) -> tuple[int, ...]:
    parts = fields.get(field, default).split()
    if not parts or not all(re.fullmatch(r"[+-]?\d{1,18}", part) for part in parts):
        raise bad_header(path, f"expected whole numbers in '{field}', got '{' '.join(parts)[:80]}'")
    return tuple(map(int, parts))


def _is_true(fields: dict[str, str], field: str) -> bool:
    return fields.get(field, "").lower() in ("true", "t", "1")
