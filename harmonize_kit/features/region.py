"""Whether a region of interest can be measured at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ExtractionError, ImageError, MaskError

GREY_LEVEL_CAP = 4096


def labels_of(volume: Volume) -> tuple[int, ...]:
    """Return the labels of the mask, from 1 on, in order.

    Raises
    ------
    MaskError
        EMPTY_MASK if there is none, MASK_NOT_LABELS if the mask holds fractions.
    """
    mask = _mask(volume)
    if mask.dtype.kind == "f":
        fraction = mask[(mask != np.floor(mask)) | ~np.isfinite(mask)]
        if fraction.size:
            raise MaskError(
                "MASK_NOT_LABELS",
                f"expected whole-number labels in the mask, got {fraction.flat[0]:.4g}; "
                "is it a probability map? threshold it, at 0.5 say, and save it as integers",
            )
    found = tuple(int(value) for value in np.unique(mask) if value > 0)
    if not found:
        raise MaskError("EMPTY_MASK", "the mask has no voxel above 0; draw the region again")
    return found


def require_region(volume: Volume, label: int, *, bin_width: float | None) -> tuple[str, ...]:
    """Prove that the region of ``label`` can be measured, and return what its reader must know.

    Parameters
    ----------
    volume : Volume
        With its mask.
    label : int
    bin_width : float, optional
        Width of the grey-level bins on the unfiltered image, where it is known beforehand.

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
    count = int(inside.sum())
    if count == 0:
        known = ", ".join(map(str, labels_of(volume)))
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
    if low == high:
        return (f"constant region: every intensity is {low:g}",)
    if bin_width is not None and (high - low) / bin_width > GREY_LEVEL_CAP:
        raise ExtractionError(
            "BINS",
            f"intensities from {low:g} to {high:g} in bins of {bin_width:g} make "
            f"{(high - low) / bin_width:.0f} grey levels, at most {GREY_LEVEL_CAP} are sensible; "
            "raise binWidth, set binCount, or normalize",
        )
    return ()


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
    voxels = np.argwhere(mask.array > 0)[:, ::-1]
    if not voxels.size:
        return
    ends = np.stack([voxels.min(axis=0), voxels.max(axis=0)])
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
