"""Whether a region of interest can be measured at all."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ExtractionError, ImageError, MaskError
from harmonize_kit.features.box import Box

GREY_LEVEL_CAP = 4096


def labels_of(volume: Volume) -> tuple[int, ...]:
    """Return the labels of the mask, from 1 on, in order.

    Raises
    ------
    MaskError
        EMPTY_MASK if there is none, MASK_NOT_LABELS if the mask holds fractions.
    """
    found: set[int] = set()
    # Slice by slice, and where the mask is not zero, so that a large mask costs one look at it.
    for part in _mask(volume):
        values = cast(NDArray[Any], pd.unique(part[part != 0]))
        if values.dtype.kind == "f":
            fraction = values[~np.isfinite(values) | (values != np.floor(values))]
            if fraction.size:
                raise MaskError(
                    "MASK_NOT_LABELS",
                    f"expected whole-number labels in the mask, got {fraction[0]:.4g}; is it a "
                    "probability map? threshold it, at 0.5 say, and save it as integers",
                )
        found.update(int(value) for value in values if value > 0)
    if not found:
        raise MaskError("EMPTY_MASK", "the mask has no voxel above 0; draw the region again")
    return tuple(sorted(found))


def require_region(
    volume: Volume,
    label: int,
    *,
    bin_width: float | None,
    filtered: bool = False,
    planar: bool = False,
) -> tuple[str, ...]:
    """Prove that the region of ``label`` can be measured, and return what its reader must know.

    Parameters
    ----------
    volume : Volume
        With its mask.
    label : int
    bin_width : float, optional
        Width of the grey-level bins on the unfiltered image, where it is known beforehand.
    filtered : bool
        Whether filters look at the surroundings of the region.
    planar : bool
        Whether the region is measured slice by slice, so that one slice is enough.

    Raises
    ------
    MaskError
        LABEL_MISSING, TOO_SMALL.
    ImageError
        NONFINITE, if an intensity in the region is not finite.
    ExtractionError
        BINS, if the region would have more than 4096 grey levels.
    """
    inside = _mask(volume) == label
    count = int(np.count_nonzero(inside))
    if count == 0:
        labels = labels_of(volume)
        known = ", ".join(map(str, labels[:12])) + (", ..." if len(labels) > 12 else "")
        raise MaskError(
            "LABEL_MISSING", f"label {label} does not occur in the mask, which has {known}"
        )
    if count == 1:
        raise MaskError("TOO_SMALL", f"label {label} is a single voxel; nothing can be measured")
    values = volume.array[inside]
    strange = int(np.count_nonzero(~np.isfinite(values)))
    if strange:
        raise ImageError(
            "NONFINITE",
            f"{strange} of {count} intensities of label {label} are not finite (NaN or infinite); "
            "mend the image or draw the region without them",
        )
    low, high = float(values.min()), float(values.max())
    if bin_width is not None and (high - low) / bin_width > GREY_LEVEL_CAP:
        raise ExtractionError(
            "BINS",
            f"intensities from {low:g} to {high:g} in bins of {bin_width:g} make "
            f"{(high - low) / bin_width:.0f} grey levels, at most {GREY_LEVEL_CAP} are sensible; "
            "raise binWidth, set binCount, or normalize",
        )
    notes = _shape_notes(inside, filtered=filtered, planar=planar)
    if low == high:
        notes += (f"constant region: every intensity is {low:g}",)
    if values.dtype.kind in "iu" and max(abs(low), abs(high)) > 2**53:
        notes += ("intensities beyond 2^53 are rounded: float64 cannot tell them apart",)
    return notes


def _shape_notes(inside: NDArray[np.bool_], *, filtered: bool, planar: bool) -> tuple[str, ...]:
    box = Box.around(inside)
    if box is None:
        return ()
    notes: tuple[str, ...] = ()
    if 1 in box.size and not planar:
        notes += ("the region lies in one slice: 3-D shape features tell the slice thickness",)
    if filtered and (0 in box.start or np.any(np.equal(box.stop, inside.shape[::-1]))):
        notes += ("the region touches the border of the image, beyond which filters see nothing",)
    return notes


def require_finite_image(volume: Volume) -> None:
    """Refuse an image that is not finite anywhere, where filters or resampling would spread it.

    Raises
    ------
    ImageError
        NONFINITE.
    """
    strange = int(np.count_nonzero(~np.isfinite(volume.array)))
    if strange:
        raise ImageError(
            "NONFINITE",
            f"{strange} voxels outside the region are not finite (NaN or infinite), and filters, "
            "resampling or normalisation would spread them; mend the image",
        )


def require_inside(image: Volume, mask: Volume) -> None:
    """Refuse a mask on another grid of which a part lies outside the image.

    Raises
    ------
    MaskError
        OUTSIDE_IMAGE.
    """
    box = Box.around(mask.array > 0)
    if box is None:
        return
    ends = np.stack([np.array(box.start), np.array(box.stop) - 1])
    corners = np.array(np.meshgrid(*ends.T)).reshape(3, -1).T
    index = _to_index(image, _to_position(mask, corners))
    size = np.asarray(image.geometry.size)
    if (index < -0.5 - 1e-6).any() or (index > size - 0.5 + 1e-6).any():
        raise MaskError(
            "OUTSIDE_IMAGE",
            "a part of the mask lies outside the image, so correctMask would cut the region; "
            "draw the mask on this image",
        )


def _to_position(volume: Volume, index: NDArray[Any]) -> NDArray[np.float64]:
    """Return positions in mm, shape (n, 3), of voxel indices x, y, z."""
    geometry = volume.geometry
    direction = np.asarray(geometry.direction).reshape(3, 3)
    return np.asarray(geometry.origin) + (index * np.asarray(geometry.spacing)) @ direction.T


def _to_index(volume: Volume, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return continuous voxel indices x, y, z, shape (n, 3), of positions in mm."""
    geometry = volume.geometry
    direction = np.asarray(geometry.direction).reshape(3, 3)
    offset = position - np.asarray(geometry.origin)
    return np.linalg.solve(direction, offset.T).T / np.asarray(geometry.spacing)


def _mask(volume: Volume) -> NDArray[Any]:
    if volume.mask is None:
        raise MaskError("EMPTY_MASK", "expected a volume that carries a mask")
    return volume.mask
