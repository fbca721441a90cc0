"""A mask that is drawn a little wider or narrower."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.errors import MaskError
from harmonize_kit.features.box import Box


def change_volume(
    inside: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Return a region grown by a fraction of its volume, or shrunk where that is negative.

    The voxels that lie nearest to the rim, in mm, are gained or lost, and of equally near ones as
    many as are wanted, drawn at random: so the volume changes by the fraction itself (to within
    half a voxel), whatever the size of the region.

    Parameters
    ----------
    inside : ndarray of bool, shape (z, y, x)
    spacing : tuple of float
        Along x, y, z, in mm.
    fraction : float
        Above -1.
    rng : Generator

    Raises
    ------
    MaskError
        EMPTY_MASK if nothing would be left, OUTSIDE_IMAGE if the image has no room to grow.
    """
    count = int(inside.sum())
    wanted = round(count * (1 + fraction))
    if wanted < 1 or count == 0:
        raise MaskError("EMPTY_MASK", f"nothing is left of a region of {count} voxels")
    if wanted > inside.size:
        raise MaskError("OUTSIDE_IMAGE", f"the image has no room for a region of {wanted} voxels")
    if wanted < count:
        return _without(inside, spacing, count - wanted, rng)
    return _with(inside, spacing, wanted - count, rng)


def _without(
    inside: NDArray[np.bool_], spacing: tuple[float, ...], loss: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    # A layer around, so that the border of the image is a rim too.
    padded = np.pad(_crop(inside, (0, 0, 0)).view(inside), 1)
    depth = _distance(padded, spacing)
    lost = _nearest(depth, padded, loss, rng)
    padded[lost] = False
    left = np.zeros_like(inside)
    _crop(inside, (0, 0, 0)).view(left)[...] = padded[1:-1, 1:-1, 1:-1]
    return left


def _with(
    inside: NDArray[np.bool_], spacing: tuple[float, ...], gain: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    margin = 2
    while True:
        box = _crop(inside, (margin, margin, margin))
        near = box.view(inside)
        gap = _distance(~near, spacing)
        if box.voxels == inside.size or int((~near).sum()) >= gain:
            gained = _nearest(gap, ~near, gain, rng)
            # Beyond the box lies nothing nearer than its margin.
            if box.voxels == inside.size or gap[gained].max(initial=0) < margin * min(spacing):
                grown = inside.copy()
                box.view(grown)[gained] = True
                return grown
        margin *= 2


def _crop(inside: NDArray[np.bool_], margin: tuple[int, int, int]) -> Box:
    box = Box.around(inside)
    if box is None:
        raise MaskError("EMPTY_MASK", "expected a region to grow or shrink")
    return box.grown(margin, inside.shape[::-1])


def _distance(region: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Return for each voxel of ``region`` its distance to the nearest outside of it, in mm."""
    found: Any = ndimage.distance_transform_edt(region, sampling=spacing[::-1])
    return found


def _nearest(
    distance: NDArray[np.float64],
    candidates: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], ...]:
    """Return the indices of the ``count`` nearest candidates; ties are drawn."""
    places = np.nonzero(candidates)
    # Rounded, so that equal distances by different sums of squares tie.
    near = np.round(distance[places], 9)
    order = np.lexsort((rng.random(len(near)), near))[:count]
    return tuple(axis[order] for axis in places)
