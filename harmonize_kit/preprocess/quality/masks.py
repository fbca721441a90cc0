"""Where the head is, where the brain roughly is, and where the image holds nothing at all."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from harmonize_kit.preprocess.quality.grid import Bool3, Float3
from harmonize_kit.preprocess.quality.morphology import (
    Spacing,
    bounding_box,
    dilate,
    distance_to,
    erode,
    fill_slices,
    largest_part,
    otsu,
)

SMOOTHING_MM = 3.0
CLOSING_MM = 6.0
BRAIN_EROSIONS_MM = (4.0, 6.0, 8.0, 10.0)


def head_mask(image: Float3, spacing: Spacing) -> Bool3:
    """Return the head, or the body: what is brighter than air, closed and filled.

    The threshold lies half-way from the median of the dark to Otsu's threshold of the smoothed
    image, since skin, muscle and skull shall belong to the head as well; the mask is closed by
    6 mm and filled plane by plane.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities on a coarse grid.
    spacing : tuple of float
        In mm along z, y, x.
    """
    low, high = min(float(np.percentile(image, 0.5)), 0.0), float(np.percentile(image, 99.5))
    if high <= low:
        return np.zeros(image.shape, dtype=bool)
    relative = np.clip((image - low) / (high - low), 0.0, 1.0)
    smooth = ndimage.gaussian_filter(relative, [SMOOTHING_MM / step for step in spacing])
    middle = otsu(smooth)
    threshold = (float(np.median(smooth[smooth <= middle])) + middle) / 2.0
    bright = largest_part(dilate(smooth > threshold, CLOSING_MM, spacing))
    return largest_part(erode(fill_slices(bright), CLOSING_MM, spacing))


def rough_brain(
    image: Float3, head: Bool3, spacing: Spacing, volume_ml: tuple[float, float]
) -> Bool3 | None:
    """Return the brain by its place and darkness around it, or None where that fails.

    Skull and fluid part the brain from the scalp. So what is bright inside the head is eroded
    until the largest part that is left, grown back, has the volume of a brain: with too small an
    erosion it hangs together with the scalp and is too large. On T1-weighted heads this finds
    nine tenths of the brain, enough for the statistics of its tissues; it is no skull strip.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities on a coarse grid.
    head : ndarray of bool, shape (z, y, x)
    spacing : tuple of float
        In mm along z, y, x.
    volume_ml : tuple of float
        Smallest and largest volume of a brain, in ml.
    """
    if not head.any():
        return None
    box = bounding_box(head)
    found = _brain_within(image[box], head[box], spacing, volume_ml)
    if found is None:
        return None
    brain = np.zeros(head.shape, dtype=bool)
    brain[box] = found
    return brain


def _brain_within(
    image: Float3, head: Bool3, spacing: Spacing, volume_ml: tuple[float, float]
) -> Bool3 | None:
    smooth = ndimage.gaussian_filter(image, [1.0 / step for step in spacing])
    inside = smooth[head]
    bright = head & (smooth > 0.75 * otsu(np.minimum(inside, np.percentile(inside, 98.0))))
    depth = distance_to(~bright, spacing)
    for radius in BRAIN_EROSIONS_MM:
        core = largest_part(depth > radius)
        if not core.any():
            return None
        grown = core | (dilate(core, radius + 1.0, spacing) & bright)
        brain = erode(fill_slices(dilate(grown, CLOSING_MM, spacing)), CLOSING_MM, spacing)
        millilitres = brain.sum() * float(np.prod(spacing)) / 1000.0
        if millilitres < volume_ml[0]:
            return None
        if millilitres <= volume_ml[1]:
            return brain
    return None


def empty_border(largest: Float3) -> Bool3:
    """Return the solid regions of zeros that touch the border: filled in by a rotation, no signal.

    As in MRIQC, which leaves them out of its measures of the background: single zeros, which
    noise has too, are removed by an opening.

    Parameters
    ----------
    largest : ndarray, shape (z, y, x)
        Largest intensity of each block of a coarse grid.
    """
    zeros = np.pad(largest <= 0.0, 1, constant_values=True)
    opened = ndimage.binary_opening(zeros, ndimage.generate_binary_structure(3, 2))
    opened = np.asarray(opened, dtype=bool)
    seed = np.zeros(opened.shape, dtype=bool)
    seed[0], seed[-1], seed[:, 0], seed[:, -1], seed[..., 0], seed[..., -1] = (True,) * 6
    reached = ndimage.binary_propagation(seed & opened, mask=opened)
    return np.asarray(reached, dtype=bool)[1:-1, 1:-1, 1:-1]
