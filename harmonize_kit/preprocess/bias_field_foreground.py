"""The voxels that N4 looks at."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.storage.itk import one_thread

OTSU_BINS = 200


def foreground_of(volume: Volume, array: NDArray[Any]) -> tuple[NDArray[np.bool_], str]:
    """Return where the mask of a volume is, or what lies above Otsu's threshold without one.

    Parameters
    ----------
    volume : Volume
    array : ndarray, shape (z, y, x)
        Its intensities.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
    {"given", "otsu"}
    """
    bad = np.count_nonzero(~np.isfinite(array))
    if bad:
        raise PreprocessingError(f"expected finite intensities for N4, got {bad} that are not")
    if volume.mask is not None:
        inside, taken = volume.mask != 0, "given"
    else:
        # One bright vessel or spike must not set the width of the histogram's bins.
        clipped = np.minimum(array, np.percentile(array, 99.9)).astype(np.float32)
        with one_thread():
            threshold = sitk.OtsuThreshold(sitk.GetImageFromArray(clipped), 0, 1, OTSU_BINS)
        inside, taken = sitk.GetArrayFromImage(threshold) != 0, "otsu"
    if not inside.any():
        raise PreprocessingError("expected a foreground for N4, got none; check image and mask")
    return inside, taken


def positive_part(array: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels inside that have a logarithm; most must, and not all the same."""
    positive = inside & (array > 0)
    share = np.count_nonzero(positive) / np.count_nonzero(inside)
    if share < 0.5:
        raise PreprocessingError(
            f"expected positive intensities for N4, got {1 - share:.0%} of the foreground at or "
            "below 0; correct the bias field before intensities are normalised, and not of CT"
        )
    values = array[positive]
    if values.min() == values.max():
        raise PreprocessingError(
            f"expected intensities that differ for N4, got {values[0]:.6g} in the whole foreground"
        )
    return positive
