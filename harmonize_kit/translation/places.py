"""Where a voxel lies in the head, for networks that treat alike intensities differently by place.

A place has three numbers, along the patient's z, y and x: -1 and 1 are the ends of the bounding box
of the brain mask. It is the head's and not the picture's: crops, padding, grids of other sizes and
slices cut along other axes all tell the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PLACES = 3
"""Channels that places take, of slices and of patches alike."""
Box = tuple[int, int, int, int, int, int]


def head_box(mask: NDArray[np.bool_]) -> Box:
    """Return z0, z1, y0, y1, x0, x1: the first voxels of the head, and those after its last.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        Where it is empty, the box is the whole grid.
    """
    ends: list[int] = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(mask.any(axis=others))
        first, last = (int(found[0]), int(found[-1])) if len(found) else (0, mask.shape[axis] - 1)
        ends += [first, last + 1]
    return ends[0], ends[1], ends[2], ends[3], ends[4], ends[5]


def places_along(box: Box, axis: int, start: int, stop: int) -> NDArray[np.float32]:
    """Return the places of the middles of voxels ``start`` to ``stop`` along one axis.

    Examples
    --------
    >>> places_along((0, 2, 0, 4, 0, 4), 1, -1, 5).tolist()
    [-1.25, -0.75, -0.25, 0.25, 0.75, 1.25]
    """
    low, high = box[2 * axis], box[2 * axis + 1]
    middles = np.arange(start, stop) + 0.5
    return ((2 * middles - low - high) / (high - low)).astype(np.float32)


def places_on(
    along: Sequence[NDArray[np.float32]], order: Sequence[int] = (0, 1, 2)
) -> NDArray[np.float32]:
    """Return the places of a grid, shape (3, ...), the channels always z, y and x.

    Parameters
    ----------
    along : three ndarrays
        Places along the patient's z, y and x.
    order : three int
        Which of them each axis of the grid runs along.
    """
    shape = tuple(len(along[axis]) for axis in order)
    channels = np.empty((PLACES, *shape), dtype=np.float32)
    for channel in range(PLACES):
        where = order.index(channel)
        channels[channel] = along[channel].reshape([-1 if n == where else 1 for n in range(3)])
    return channels
