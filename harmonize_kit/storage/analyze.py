"""What SPM wrote into Analyze 7.5 images: a scale, an origin, and a position in a .mat file.

The format itself knows no position in the patient, and its code of orientation is obeyed by no
reader of today. ITK takes the first voxel for the origin and ignores all of the above; nibabel,
which is followed here, reads what SPM added.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry
from harmonize_kit.storage.declared import bad_header
from harmonize_kit.storage.grid_order import grid_of_affine
from harmonize_kit.storage.voxels import first_bytes

UNKNOWN = "Analyze header without orientation: left and right cannot be told"
MARKS = (b"ni1\0", b"n+1\0")


class Placed(NamedTuple):
    """What an Analyze image says of itself beyond size, type and spacing."""

    geometry: Geometry | None
    scale: tuple[float, float] | None
    notes: tuple[str, ...]


def position_file(header: Path) -> Path | None:
    """Return SPM's .mat file of an Analyze header, or None where there is none."""
    name = header.name.removesuffix(".gz").removesuffix(".GZ")
    if not name.lower().endswith(".hdr"):
        return None
    path = header.with_name(name[:-4] + ".mat")
    if not path.is_file():
        return None
    head = first_bytes(header, 348)
    return None if head[344:348] in MARKS else path


def place_analyze(path: Path, size: tuple[int, ...]) -> Placed:
    """Return grid and scale of an Analyze header.

    Parameters
    ----------
    path : Path
        Of the header.
    size : tuple of int
        Voxels along x, y, z.

    Returns
    -------
    Placed
        ``geometry`` is None where nothing tells the position; then it is that of ITK.

    Raises
    ------
    ImageError
        BAD_HEADER if the .mat file or the scale makes no sense.
    """
    vendor = cast(Any, nibabel)
    try:
        image = vendor.Spm2AnalyzeImage.from_filename(path)
        header = image.header
        # The header forgets them on loading; what gives the voxels keeps them.
        slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise bad_header(path, f"SPM's scale or .mat file cannot be read ({reason})") from error
    scale, notes = None, ()
    if (slope, intercept) != (1.0, 0.0):
        scale = (slope, intercept)
        notes += (f"voxels are multiplied by {slope:g}, the scale in the header as SPM means it",)
    if code := header["orient"].item().strip(b"\0"):
        notes += (f"the code of orientation, {code[0]}, is read by no program and was ignored",)
    if position_file(path) is not None:
        affine = np.asarray(image.affine, dtype=np.float64)
        notes += ("the position in the patient is that of SPM's .mat file",)
    elif np.any(header["origin"][:3]):
        affine = np.asarray(header.get_origin_affine(), dtype=np.float64)
        notes += (UNKNOWN, "the position in the patient is that of SPM's origin")
    else:
        return Placed(None, scale, (*notes, UNKNOWN))
    if not _invertible(affine):
        raise bad_header(path, "SPM's position is no grid of voxels")
    return Placed(grid_of_affine(affine, (size[0], size[1], size[2])), scale, notes)


def _invertible(affine: NDArray[np.float64]) -> bool:
    determinant = float(np.linalg.det(affine[:3, :3]))
    return bool(np.isfinite(affine).all()) and math.isfinite(determinant) and determinant != 0
