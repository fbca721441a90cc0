"""Labels at another voxel spacing: every value that comes out went in."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np
from scipy import ndimage

from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.resampling_grid import new_grid


def resample_labels(
    labels: Volume,
    spacing: tuple[float, float, float],
    rule: Literal["nearest", "majority"] = "nearest",
) -> Volume:
    """Return labels at another spacing, with the type they had.

    Parameters
    ----------
    labels : Volume
        Whole numbers; 0 is background. Its own mask is not looked at.
    spacing : tuple of float
        Along x, y, z, in mm; 0 keeps that of the axis.
    rule : {"nearest", "majority"}
        ``nearest``: the label of the nearest voxel, the lower of two as near. When the spacing
        doubles every new centre lies halfway between old ones, and labels move by half an old
        voxel. ``majority``: the label whose indicator, interpolated linearly, is largest (the
        lowest label of equals), which does not move them.
    """
    grid = new_grid(labels.geometry, spacing)
    if grid is None:
        return labels
    array = labels.array
    if rule == "nearest":
        z, y, x = (grid.nearest(axis, size) for axis, size in enumerate(array.shape))
        return Volume(array[np.ix_(z, y, x)], grid.geometry)
    best = np.zeros(grid.geometry.size[::-1], dtype=np.float32)
    moved = np.zeros(best.shape, dtype=array.dtype)
    for label in np.unique(array):
        share = ndimage.affine_transform(
            (array == label).astype(np.float32), np.array(grid.factor), np.array(grid.offset),
            grid.geometry.size[::-1], order=1, mode="nearest",
        )  # fmt: skip
        # Shares are sums of products in float32: a tie differs by their last bits.
        larger = share > best + 1e-5
        moved[larger] = label
        best[larger] = share[larger]
    return Volume(moved, grid.geometry)


def label_volumes_ml(labels: Volume) -> dict[int, float]:
    """Return the volume of each label but 0, in ml."""
    found, counts = np.unique(labels.array, return_counts=True)
    voxel = prod(labels.geometry.spacing) / 1000.0
    return {
        int(label): float(count * voxel)
        for label, count in zip(found, counts, strict=True)
        if label != 0
    }
