"""The voxels of a file, read once and proved whole on the way.

ITK fills what is missing of a compressed NIfTI with zeros, and leaves in memory what happened to
be there where a MetaImage is damaged; neither is an error to it. Here the checksum, the length and
the end of the file are checked by the same pass that reads the voxels.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ImageError
from harmonize_kit.storage.declared import Declared

GZIP = b"\x1f\x8b"
BLOCK_IN, BLOCK_OUT = 1 << 18, 1 << 22
# What may follow the voxels in a compressed file before it is called a bomb.
MOST_AFTER = 1 << 26
GARBAGE = "bytes after the end of the compressed data were ignored"


def read_voxels(declared: Declared) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the stored numbers as a flat array, and what the reader of the image must know.

    Memory grows with what the file holds, not with what its header declares.

    Raises
    ------
    ImageError
        TRUNCATED, CRC, SHORT_DATA, SIZE_MISMATCH, TOO_LARGE, NOT_AN_IMAGE or BAD_HEADER.
    """
    if declared.compressed:
        content, notes = _decompressed(declared)
        voxels = np.frombuffer(content, declared.dtype, offset=declared.skip)
    else:
        voxels, notes = _raw(declared)
    native = declared.dtype.newbyteorder("=")
    return voxels.astype(native, copy=False), notes


def first_bytes(path: Path, count: int) -> bytes:
    """Return the first bytes of a file's content, decompressed where it is gzip.

    Raises
    ------
    ImageError
        CRC or TRUNCATED where not even they can be decompressed.
    """
    with path.open("rb") as file:
        block = file.read(BLOCK_IN)
    if block[:2] != GZIP:
        return block[:count]
    decoder = zlib.decompressobj(47)
    try:
        head = decoder.decompress(block, count)
    except zlib.error as error:
        raise _damaged(path, error) from error
    if len(head) < count and not decoder.eof:
        raise _truncated(path)
    return head


def prove_stream(path: Path, limit: int = MOST_AFTER) -> None:
    """Decompress up to ``limit`` bytes, so that damage is told before a header is blamed for it.

    Raises
    ------
    ImageError
        TRUNCATED or CRC.
    """
    length = 0
    with path.open("rb") as file:
        for block in _stream(file, path, []):
            length += len(block)
            if length > limit:
                return


def _raw(declared: Declared) -> tuple[NDArray[Any], tuple[str, ...]]:
    length = declared.data.stat().st_size
    start = declared.start + declared.skip if declared.start >= 0 else length - declared.nbytes
    if not 0 <= start < length:
        raise _missing(declared, length) if declared.start < 0 else _starts_after(declared, length)
    if length - start < declared.nbytes:
        raise _missing(declared, length - start)
    count = declared.nbytes // declared.dtype.itemsize
    voxels = np.fromfile(declared.data, declared.dtype, count, offset=start)
    if voxels.size < count:
        raise _truncated(declared.data)
    after = length - start - declared.nbytes
    return voxels, ((f"{after} bytes after the voxels were ignored",) if after else ())


def _decompressed(declared: Declared) -> tuple[bytearray, tuple[str, ...]]:
    """Return the stream up to the last voxel; what follows is checked, but not kept."""
    needed = declared.skip + declared.nbytes
    content, length = bytearray(), 0
    notes: list[str] = []
    with declared.data.open("rb") as file:
        file.seek(declared.start)
        for block in _stream(file, declared.data, notes):
            length += len(block)
            if length <= needed:
                content += block
            elif len(content) < needed:
                content += block[: needed - len(content)]
            if length > needed + MOST_AFTER:
                raise ImageError(
                    "TOO_LARGE",
                    f"{declared.data.name}: the header declares {declared.describe()}, but the "
                    f"compressed data go on for over {MOST_AFTER} bytes more; this is no image",
                )
    if length < needed:
        if length <= declared.skip:
            raise _starts_after(declared, length)
        raise _missing(declared, length - declared.skip)
    if length > needed:
        notes.append(f"{length - needed} bytes after the voxels were ignored")
    return content, tuple(notes)


def _stream(file: BinaryIO, path: Path, notes: list[str]) -> Iterator[bytes]:
    """Yield what a gzip or zlib stream holds, of one or several members, in blocks."""
    decoder, data, first = zlib.decompressobj(47), file.read(BLOCK_IN), True
    while True:
        try:
            block = decoder.decompress(data, BLOCK_OUT)
        except zlib.error as error:
            if first:
                raise _no_stream(path, data, error) from error
            raise _damaged(path, error) from error
        first = False
        if block:
            yield block
        if decoder.eof:
            data = decoder.unused_data or file.read(BLOCK_IN)
            if len(data) == 1:
                data += file.read(BLOCK_IN)
            if data[:2] != GZIP:
                # Some writers fill the last block of a tape or disk with zeros.
                if data.strip(b"\0"):
                    notes.append(GARBAGE)
                return
            decoder = zlib.decompressobj(47)
        else:
            data = decoder.unconsumed_tail or file.read(BLOCK_IN)
            if not data and not block:
                raise _truncated(path)


def _no_stream(path: Path, data: bytes, error: zlib.error) -> ImageError:
    if data[:2] == GZIP or "header" not in str(error):
        return _damaged(path, error)
    return ImageError(
        "NOT_AN_IMAGE", f"{path.name}: expected compressed voxels, got something else ({error})"
    )


def _damaged(path: Path, error: zlib.error) -> ImageError:
    return ImageError("CRC", f"{path.name} is damaged ({error}); copy it again")


def _truncated(path: Path) -> ImageError:
    return ImageError("TRUNCATED", f"{path.name} ends in the middle of its data; copy it again")


def _starts_after(declared: Declared, length: int) -> ImageError:
    return ImageError(
        "BAD_HEADER",
        f"{declared.data.name}: the header says that voxels start at byte "
        f"{declared.start + declared.skip}, but the content ends at {length}; copy it again",
    )


def _missing(declared: Declared, held: int) -> ImageError:
    # No image is cut to a thousandth: there the header is wrong, not the copy.
    wrong = held * 1000 < declared.nbytes
    return ImageError(
        "SIZE_MISMATCH" if wrong else "SHORT_DATA",
        f"{declared.data.name}: the header declares {declared.describe()}, {declared.nbytes} "
        f"bytes, the file holds {held}; {'the header is wrong' if wrong else 'copy it again'}",
    )
