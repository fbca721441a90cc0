"""What the header of an image declares about its voxels, before any of them is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import ImageError

MAX_VOXELS = 2**31
MAX_HEADER = 1 << 20
# Deflate packs at most 1032 bytes into one (258 bytes in two bits).
DEFLATE_RATIO = 1032


@dataclass(frozen=True)
class Declared:
    """What a header says of the voxels, checked for sense but not yet against the voxels.

    Parameters
    ----------
    data : Path
        File that holds the voxels; often the header's own.
    dtype : numpy.dtype
        Type of one voxel's component as stored, with its byte order.
    size : tuple of int
        Number of voxels along x, y, z and any further axis, components included.
    start : int
        Byte of the file at which the voxels, or the compressed stream with them, begin; negative
        where the voxels are the end of the file.
    skip : int
        Bytes of the decompressed stream before the voxels.
    compressed : bool
        Whether the stream is gzip or zlib.
    scale : tuple of float, optional
        Slope and intercept that make intensities of stored numbers.
    geometry : Geometry, optional
        Where ITK cannot read this header, the grid.
    notes : tuple of str
        What the reader of the image must know.
    """

    data: Path
    dtype: np.dtype[Any]
    size: tuple[int, ...]
    start: int = 0
    skip: int = 0
    compressed: bool = False
    scale: tuple[float, float] | None = None
    geometry: Geometry | None = None
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes that the voxels take, decompressed."""
        return math.prod(self.size) * self.dtype.itemsize

    def describe(self) -> str:
        """Return size and type in words."""
        return f"{' x '.join(map(str, self.size))} voxels of {self.dtype.name}"


def require_possible(declared: Declared, limit: int = MAX_VOXELS) -> None:
    """Refuse what is too large to be read, without reading or allocating any of it.

    Raises
    ------
    ImageError
        SIZE_MISMATCH if a file of this length cannot hold so much, else TOO_LARGE.
    """
    if math.prod(declared.size) <= limit:
        return
    length = declared.data.stat().st_size
    most = length * DEFLATE_RATIO if declared.compressed else length
    if declared.nbytes > most:
        raise ImageError(
            "SIZE_MISMATCH",
            f"{declared.data.name}: the header declares {declared.describe()}, which a file of "
            f"{length} bytes cannot hold; the header is wrong",
        )
    raise ImageError(
        "TOO_LARGE",
        f"{declared.data.name}: the header declares {declared.describe()}, at most {limit} voxels "
        "are read; crop or resample the image",
    )


def bad_header(path: Path, reason: str) -> ImageError:
    """Return the error for a header that makes no sense."""
    return ImageError("BAD_HEADER", f"{path.name}: {reason}; export the image again")


def other_file(path: Path, name: str) -> Path:
    """Return the one file that a header names as that of its voxels.

    Raises
    ------
    ImageError
        BAD_HEADER if it names none or several.
    """
    if not name or not name.isprintable():
        raise bad_header(path, "expected the name of one data file")
    if name.upper().startswith("LIST") or "%" in name:
        raise bad_header(path, "expected the name of one data file, got a list; join the parts")
    return path.parent / name


def require_sizes(path: Path, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes if each is at least 1, else raise ImageError (BAD_HEADER)."""
    if not sizes or min(sizes) < 1:
        raise bad_header(path, f"expected at least one voxel along each axis, got size {sizes}")
    return sizes


def spacing_notes(path: Path, spacing: tuple[float, ...]) -> tuple[str, ...]:
    """Return what must be known about a declared spacing in mm.

    Raises
    ------
    ImageError
        BAD_HEADER if a distance is zero or not finite, for which ITK would make up 1 mm.
    """
    if not all(math.isfinite(step) and step != 0 for step in spacing):
        listed = ", ".join(f"{step:g}" for step in spacing)
        raise bad_header(path, f"expected distances between voxels in mm, got spacing ({listed})")
    if min(spacing) < 0:
        return ("negative voxel spacing in the header, read as positive with the axis reversed",)
    return ()


def geometry_notes(path: Path, geometry: Geometry) -> tuple[str, ...]:
    """Return what must be known about a grid as ITK understood it.

    Raises
    ------
    ImageError
        BAD_HEADER if spacing, origin or direction are no grid of voxels.
    """
    numbers = (*geometry.spacing, *geometry.origin, *geometry.direction)
    if not all(map(math.isfinite, numbers)):
        raise bad_header(path, "spacing, origin or direction are not finite")
    if not all(1e-6 <= step <= 1e6 for step in geometry.spacing):
        raise bad_header(path, f"spacing {geometry.spacing} is no distance of voxels in mm")
    direction = np.asarray(geometry.direction).reshape(3, 3)
    if abs(float(np.linalg.det(direction))) < 1e-3:
        raise bad_header(path, "two axes of the image point into one direction")
    if float(np.abs(direction.T @ direction - np.eye(3)).max()) > 1e-3:
        return ("the axes are not orthogonal, but features take voxels as boxes",)
    return ()
