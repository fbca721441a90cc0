"""Whether an image is whole: no voxel, slice, or part of the head is missing or clipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.preprocess.quality.grid import Bool3
from harmonize_kit.preprocess.quality.slices import duplicated_slices, missing_slices


def intensity_faults(array: NDArray[Any]) -> dict[str, float]:
    """Return counts and shares of voxels whose stored value cannot be right.

    ``nonfinite``: voxels that are NaN or infinite. ``constant``: 1 where all finite voxels are
    equal. ``saturated``: share of the brightest tenth of the range that sits at the largest value;
    see `saturated`. ``wrapped``: see `wrapped`.
    """
    finite = np.isfinite(array)
    whole = bool(finite.all())
    values = array if whole else array[finite]
    if values.size == 0 or values.min() == values.max():
        return {"nonfinite": float(array.size - values.size), "constant": 1.0}
    return {
        "nonfinite": float(array.size - values.size),
        "constant": 0.0,
        "saturated": saturated(values),
        "wrapped": float(wrapped(array)) if whole else 0.0,
    }


def saturated(values: NDArray[Any]) -> float:
    """Return the share of the bright voxels, above the mean, that hold the largest value.

    A detector or a conversion that clips leaves a spike there; a scan has one brightest voxel, or
    few.

    Parameters
    ----------
    values : ndarray
        Finite intensities.
    """
    largest = values.max()
    bright = int((values > values.mean(dtype=np.float64)).sum())
    held = int((values == largest).sum())
    return held / bright if held > 1 else 0.0


def wrapped(array: NDArray[Any]) -> int:
    """Return the number of neighbours from the one end of an integer type's range to the other.

    Where a value overflows it comes out at the other end: beside voxels in the highest tenth of
    the range lie voxels in the lowest. No tissue border spans nine tenths of what the type holds,
    but for an image stretched to the very range, as 8-bit images are: for those 0 is returned.
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize == 1:
        return 0
    limits = np.iinfo(array.dtype)
    low, high = limits.min, limits.max
    span = float(high) - float(low)
    if float(array.max()) < high - 0.1 * span or float(array.min()) > low + 0.1 * span:
        return 0
    top, bottom = array > high - 0.1 * span, array < low + 0.1 * span
    pairs = 0
    for axis in range(3):
        t, b = np.moveaxis(top, axis, 0), np.moveaxis(bottom, axis, 0)
        pairs += int((t[1:] & b[:-1]).sum()) + int((b[1:] & t[:-1]).sum())
    return pairs


def slice_faults(array: NDArray[Any]) -> dict[str, float]:
    """Return the fewest slices along an axis, and how many are repeated or missing."""
    axes = range(3)
    return {
        "slices": float(min(array.shape)),
        "duplicated_slices": float(sum(len(duplicated_slices(array, axis)) for axis in axes)),
        "missing_slices": float(sum(len(missing_slices(array, axis)) for axis in axes)),
    }


def cut(mask: Bool3, axis: int, end: int) -> float | None:
    """Return the cross-section of a mask at one end of the field of view over its largest.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
    axis : int
        Axis of the array.
    end : {0, -1}
        Which of its two ends.
    """
    areas = np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1).sum(axis=1)
    return float(areas[end]) / float(areas.max()) if areas.max() else None


def cut_anywhere(mask: Bool3) -> float | None:
    """Return the largest `cut` of a mask at any of the six ends."""
    found = [cut(mask, axis, end) for axis in range(3) for end in (0, -1)]
    return max((value for value in found if value is not None), default=None)
