"""Smoothness of an image along each axis."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from harmonize_kit.preprocess.quality.grid import Bool3, Float3

FWHM_PER_SD = 2.0 * sqrt(2.0 * log(2.0))


def fwhm(image: Float3, mask: Bool3) -> tuple[float | None, float | None, float | None]:
    """Return the full width at half maximum of the blur along each axis (z, y, x), in voxels.

    White noise blurred by a Gaussian of SD s has var(difference of neighbours) = 2 var (1 -
    exp(-1 / (4 s^2))); solved for s (Forman et al. 1995, Magn Reson Med 33:636; 3dFWHMx of AFNI
    in its classic form, which MRIQC uses). Anatomy is no white noise, so the figure is larger than
    the point spread and compares scans of one contrast and spacing only. None along an axis where
    neighbours are independent or opposed, or where there are none.

    Parameters
    ----------
    image, mask : ndarray, shape (z, y, x)
        Differences are taken between neighbours that both lie in the mask.
    """
    variance = float(image[mask].var()) if mask.any() else 0.0
    return (
        _along(image, mask, variance, 0),
        _along(image, mask, variance, 1),
        _along(image, mask, variance, 2),
    )


def _along(image: Float3, mask: Bool3, variance: float, axis: int) -> float | None:
    image, mask = np.moveaxis(image, axis, 0), np.moveaxis(mask, axis, 0)
    steps = (image[1:] - image[:-1])[mask[1:] & mask[:-1]]
    if steps.size < 2 or variance == 0.0:
        return None
    correlation = 1.0 - float(steps.var()) / (2.0 * variance)
    if not 0.0 < correlation < 1.0:
        return None
    return FWHM_PER_SD * sqrt(-1.0 / (4.0 * log(correlation)))
