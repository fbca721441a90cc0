"""Intensity nonuniformity: how unevenly one tissue shines over the brain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from harmonize_kit.preprocess.quality.grid import Bool3, CoarseGrid, Float3
from harmonize_kit.preprocess.quality.morphology import Spacing

EDGE_MM = 8.0
ITERATIONS = (50, 50)
THRESHOLD = 1e-3
FEWEST = 4


@dataclass(frozen=True)
class Nonuniformity:
    """The bias field of a brain.

    Parameters
    ----------
    field : ndarray, shape (z, y, x)
        Factor that each voxel is brighter by; its geometric mean over the brain is 1.
    median, spread : float
        Median over the brain, and 95th less 5th percentile: ``inu_med`` and ``inu_range``.
    """

    field: Float3
    median: float
    spread: float


def nonuniformity(image: Float3, brain: Bool3, spacing: Spacing) -> Nonuniformity | None:
    """Return the bias field as N4 finds it on blocks of 8 mm, or None where there is too little.

    Coarse and cut short on purpose (two levels of 50 iterations): four fifths of a field planted
    in a head are found, in a second, while finer levels begin to take anatomy for a field.
    Correcting an image is the business of the stage made for it.

    N4 knows the field but for a factor, here fixed by a geometric mean of 1 over the brain, so
    ``inu_med`` stays near 1, while that of MRIQC also holds the factor N4 ended with.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities, cropped to the brain: the knots of the spline span the whole array.
    brain : ndarray of bool, shape (z, y, x)
    spacing : tuple of float
        In mm along z, y, x.
    """
    grid = CoarseGrid.of(image.shape, spacing, EDGE_MM)
    share = grid.mean(brain & (image > 0.0))
    inside = share > 0.5
    if min(inside.shape) < FEWEST or inside.sum() < FEWEST**3:
        return None
    sums = grid.mean(np.where(brain & (image > 0.0), image, 0.0))
    coarse = np.divide(sums, share, out=np.zeros_like(sums), where=inside)
    if float(np.ptp(coarse[inside])) == 0.0:
        return Nonuniformity(np.ones(image.shape), 1.0, 0.0)
    log_field = _n4(coarse, inside, grid.spacing)
    whole = ndimage.zoom(log_field, grid.factors, order=1, mode="nearest", grid_mode=True)
    full = whole[tuple(slice(n) for n in image.shape)]
    field = np.exp(full - full[brain].mean())
    low, median, high = (float(q) for q in np.percentile(field[brain], (5.0, 50.0, 95.0)))
    return Nonuniformity(field, median, high - low)


def _n4(image: Float3, inside: Bool3, spacing: Spacing) -> Float3:
    itk = sitk.GetImageFromArray(image.astype(np.float32))
    itk.SetSpacing(spacing[::-1])
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.SetSpacing(spacing[::-1])
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetNumberOfThreads(1)  # sums over threads differ in the last bits
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.SetConvergenceThreshold(THRESHOLD)
    n4.Execute(itk, mask)
    return sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(itk)).astype(np.float64)
