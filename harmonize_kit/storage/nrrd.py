"""Headers of NRRD images, checked before a voxel is read.

References
----------
Definition of NRRD file format, https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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

SUFFIXES = (".nrrd", ".nhdr")
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long",
           "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
CODES = {name: code for code, names in TYPES.items() for name in names}


def declare_nrrd(path: Path) -> Declared:
    """Return what the header of a NRRD image declares.

    Raises
    ------
    ImageError
        NOT_AN_IMAGE, BAD_HEADER, TRUNCATED, MISSING_FILE, or UNREADABLE where the voxels are
        written in an encoding that ITK cannot read or that has no checksum to prove.
    """
    fields, end = _fields(path)
    size = require_sizes(path, _whole_numbers(path, fields, "sizes"))
    dimension = _whole_numbers(path, fields, "dimension")
    if dimension != (len(size),):
        raise bad_header(path, f"expected dimension {len(size)}, one a size, got {dimension[0]}")
    dtype = _type(path, fields)
    compressed = _compressed(path, fields)
    skip = int(fields.get("byte skip", "0")) if _is_whole(fields.get("byte skip", "0")) else -2
    if skip < -1 or (skip == -1 and compressed) or fields.get("line skip", "0") != "0":
        raise bad_header(path, "bytes or lines to skip before the voxels make no sense")
    notes = _spacing(path, fields, len(size))
    detached = data_file(path, fields)
    data, start = (path, end) if detached is None else (detached, 0)
    if skip == -1:
        start, skip = -1, 0
    return Declared(data, dtype, size, start, skip, compressed, notes=notes)


def data_file(path: Path, fields: dict[str, str] | None = None) -> Path | None:
    """Return the file of a detached header's voxels, or None where they follow the header.

    Raises
    ------
    ImageError
        As :func:`declare_nrrd`; BAD_HEADER where there are several.
    """
    known = _fields(path)[0] if fields is None else fields
    name = known.get("data file")
    if name is None:
        if path.name.lower().endswith(".nhdr"):
            raise bad_header(path, "expected the name of one data file")
        return None
    return other_file(path, name)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields by name, and the byte at which the header ends."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        if not re.match(rb"NRRD\d{4}\s", file.readline(16)):
            raise ImageError(
                "NOT_AN_IMAGE", f"expected a NRRD image, got something else: {path.name}"
            )
        while file.tell() < MAX_HEADER:
            line = file.readline(MAX_HEADER)
            text = line.decode("latin1").strip("\r\n")
            if not text:
                attached = "data file" not in fields
                if not line and attached and not path.name.lower().endswith(".nhdr"):
                    raise ImageError("TRUNCATED", f"{path.name} ends in its header; copy it again")
                return fields, file.tell()
            name, colon, value = text.partition(": ")
            if colon and not text.startswith("#") and ":=" not in name:
                name = name.strip().lower()
                name = {"datafile": "data file", "byteskip": "byte skip",
                        "lineskip": "line skip"}.get(name, name)  # fmt: skip
                fields[name] = value.strip()
    raise bad_header(path, f"the header does not end within {MAX_HEADER} bytes")


def _type(path: Path, fields: dict[str, str]) -> np.dtype[Any]:
    text = fields.get("type", "nothing").lower()
    if text not in CODES:
        raise bad_header(path, f"voxels of type '{text}' cannot be measured")
    dtype = np.dtype(CODES[text])
    order = fields.get("endian", "").lower()
    if dtype.itemsize > 1 and order not in ("little", "big"):
        raise bad_header(path, f"expected endian little or big, got '{order}'")
    return dtype.newbyteorder(">" if order == "big" else "<")


def _compressed(path: Path, fields: dict[str, str]) -> bool:
    encoding = fields.get("encoding", "nothing").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise ImageError(
            "UNREADABLE", f"{path.name}: expected encoding raw or gzip, got '{encoding}'; "
            "write the image again with one of them",
        )  # fmt: skip
    return encoding != "raw"


def _spacing(path: Path, fields: dict[str, str], dimension: int) -> tuple[str, ...]:
    if "space directions" in fields:
        vectors = re.findall(r"none|\(([^()]*)\)", fields["space directions"])
        for vector in filter(None, vectors):
            if not np.isfinite(_floats(path, vector.replace(",", " "), "space directions")).all():
                raise bad_header(path, "the space directions are not finite")
        origin = fields.get("space origin", "(0)").strip("()").replace(",", " ")
        if not np.isfinite(_floats(path, origin, "space origin")).all():
            raise bad_header(path, "the space origin is not finite")
        return ()
    if "spacings" in fields:
        spacing = _floats(path, fields["spacings"], "spacings")
        return spacing_notes(path, spacing) if dimension == 3 else ()
    return ("no voxel spacing in the header, 1 mm is assumed",)


def _floats(path: Path, text: str, field: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split())
    except ValueError as error:
        raise bad_header(path, f"expected numbers in '{field}', got '{text[:80]}'") from error


def _whole_numbers(path: Path, fields: dict[str, str], field: str) -> tuple[int, ...]:
    parts = fields.get(field, "").split()
    if not parts or not all(map(_is_whole, parts)):
        raise bad_header(
            path, f"expected whole numbers in '{field}', got '{fields.get(field, '')[:80]}'"
        )
    return tuple(map(int, parts))


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,18}", text) is not None
