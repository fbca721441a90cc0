"""What ITK does not tell of a NIfTI file: that it is cut short, and that voxels are not finite.

ITK's reader fills missing voxels with zeros and turns NaN and infinity into zeros, both without a
word. nibabel reads the header and, where voxels are stored as floats, the voxels too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ImageError


def is_nifti(path: Path) -> bool:
    """Tell whether a path names a single-file NIfTI image."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def prove_nifti(path: Path, length: int) -> None:
    """Prove that a file holds as many bytes as its header declares.

    Parameters
    ----------
    path : Path
    length : int
        Bytes of the (decompressed) content.

    Raises
    ------
    ImageError
        NOT_AN_IMAGE or BAD_HEADER if the header cannot be read, SHORT_DATA if bytes are missing.
    """
    image = _load(path)
    header = image.header
    try:
        voxels = int(np.prod([int(size) for size in header.get_data_shape()], dtype=object))
        start = int(image.dataobj.offset)
        needed = start + voxels * int(header.get_data_dtype().itemsize)
    except (ValueError, TypeError, OverflowError) as error:
        raise ImageError("BAD_HEADER", f"{path.name}: the header is damaged ({error})") from error
    if length < needed:
        raise ImageError(
            "SHORT_DATA",
            f"{path.name}: the header declares {needed} bytes, the file holds {length}; "
            "copy it again",
        )


def restore_nonfinite(volume: Volume, path: Path) -> Volume:
    """Return the volume with NaN and infinity where the file has them, for float voxels."""
    image = _load(path)
    if np.dtype(image.header.get_data_dtype()).kind != "f":
        return volume
    stored = np.asarray(image.dataobj.get_unscaled()).T.reshape(volume.array.shape)
    strange = ~np.isfinite(stored)
    if not strange.any():
        return volume
    array = volume.array.copy()
    array[strange] = stored[strange]
    return volume.with_array(array)


def _load(path: Path) -> Any:
    try:
        return cast(Any, nibabel).load(path)
    except Exception as error:
        raise ImageError(
            "NOT_AN_IMAGE", f"expected a NIfTI file, got something else: {path.name} ({error})"
        ) from error
