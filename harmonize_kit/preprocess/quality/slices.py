"""Slices that are missing, repeated, or out of line with their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.preprocess.quality.grid import Bool3, Float3

FULL = 0.5
"""Share of the largest cross-section from which the mean of a slice is compared."""
CONTENT = 0.1
FEWEST = 8


def duplicated_slices(array: NDArray[Any], axis: int) -> list[int]:
    """Return the slices that equal the one before bit for bit, and are not constant.

    Noise alone makes that impossible in a scan; a converter that read a file twice does it.
    """
    slices = np.moveaxis(array, axis, 0)
    return [
        index
        for index in range(1, len(slices))
        if np.array_equal(slices[index], slices[index - 1]) and np.ptp(slices[index]) > 0
    ]


def missing_slices(array: NDArray[Any], axis: int) -> list[int]:
    """Return the constant slices amid the head or body: their data never arrived.

    Amid it are the slices between the first and the last whose mean is a tenth of the largest;
    beyond them constant slices are padding, or air that a scanner wrote as zero.
    """
    slices = np.moveaxis(array, axis, 0)
    constant = np.array([np.ptp(plane) == 0 for plane in slices])
    means = np.array([plane.mean(dtype=np.float64) for plane in slices])
    means -= min(0.0, float(means.min()))
    filled = np.flatnonzero(~constant & (means >= CONTENT * means.max()))
    if len(filled) == 0:
        return []
    return [int(index) for index in np.flatnonzero(constant) if filled[0] < index < filled[-1]]


def slice_steps(image: Float3, mask: Bool3, axis: int) -> tuple[float, float] | None:
    """Return how far a slice is from its neighbours, and odd slices from even ones.

    Of the mean of each slice within the mask, less that of its two neighbours, over the median of
    all: first the largest step of any one slice (a lost or spoilt slice), then the mean step with
    alternating sign (interleaved slices of unequal brightness). Slices of less than half the
    largest cross-section are left out, since their anatomy changes fast.

    Returns
    -------
    tuple of float, or None
        None with fewer than eight slices to compare.
    """
    weights = np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1)
    values = np.moveaxis(image, axis, 0).reshape(mask.shape[axis], -1)
    counts = weights.sum(axis=1)
    taken = counts >= FULL * counts.max()
    if counts.max() == 0 or taken.sum() < FEWEST:
        return None
    first, last = np.flatnonzero(taken)[[0, -1]]
    sums = np.where(weights, values, 0.0).sum(axis=1)
    means = (sums / np.maximum(counts, 1))[first : last + 1]
    level = float(np.median(means))
    if level <= 0.0:
        return None
    steps = means[1:-1] - (means[2:] + means[:-2]) / 2.0
    sign = np.where(np.arange(len(steps)) % 2, -1.0, 1.0)
    return float(np.abs(steps).max()) / level, abs(float((sign * steps).mean())) / level
