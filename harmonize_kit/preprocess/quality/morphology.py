"""Growing, shrinking and filling of masks by distances in mm, whatever the spacing."""

from __future__ import annotations

from typing import cast

import numpy as np
from scipy import ndimage

from harmonize_kit.preprocess.quality.grid import Bool3, Float3

Spacing = tuple[float, float, float]


def distance_to(mask: Bool3, spacing: Spacing) -> Float3:
    """Return the distance of each voxel to the nearest one of the mask, in mm; inf if empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return ndimage.distance_transform_edt(~mask, sampling=spacing)


def dilate(mask: Bool3, radius_mm: float, spacing: Spacing) -> Bool3:
    """Return all voxels within a radius of the mask."""
    return distance_to(mask, spacing) <= radius_mm


def erode(mask: Bool3, radius_mm: float, spacing: Spacing) -> Bool3:
    """Return the voxels of the mask farther than a radius from all others; the border is inside."""
    return distance_to(~mask, spacing) > radius_mm


def largest_part(mask: Bool3) -> Bool3:
    """Return the largest connected part of a mask; faces connect."""
    labels = cast("np.ndarray[tuple[int, int, int], np.dtype[np.int32]]", ndimage.label(mask)[0])
    sizes = np.bincount(labels.ravel())
    if len(sizes) < 2:
        return mask
    return labels == 1 + sizes[1:].argmax()


def fill_slices(mask: Bool3) -> Bool3:
    """Return a mask without holes in any of its planes, along each of the three axes in turn.

    A cavity that opens at the edge of the field of view (the neck, the mouth) is no hole of the
    volume, but is one of most of its planes.
    """
    for axis in range(3):
        planes = [ndimage.binary_fill_holes(plane) for plane in np.moveaxis(mask, axis, 0)]
        mask = np.moveaxis(np.stack(planes), 0, axis)
    return mask


def otsu(values: Float3, bins: int = 256) -> float:
    """Return the threshold that parts values into two classes of least variance (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[1:] + edges[:-1]) / 2.0
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)[:-1]
    total, mean = counts.sum(), (counts * centres).sum()
    between = (mean * below / total - sums) ** 2 / np.maximum(below * (total - below), 1)
    return float(centres[between.argmax()])


def bounding_box(mask: Bool3, margin: int = 2) -> tuple[slice, slice, slice]:
    """Return the box of a mask that is not empty, with a margin where there is room."""
    sides: list[slice] = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        sides.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1))
    return sides[0], sides[1], sides[2]
