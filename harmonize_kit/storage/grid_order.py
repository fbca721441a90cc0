"""Grids in the patient: made of an affine, and one image stored in two orders of its axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume

TO_LPS = np.array([-1.0, -1.0, 1.0])


def grid_of_affine(affine: NDArray[np.float64], size: tuple[int, int, int]) -> Geometry:
    """Return the grid whose voxel x, y, z lies at ``affine`` of it, in the ITK (LPS) convention.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        To millimetres in nibabel's convention (RAS). A column of zeros gives a direction that is
        not finite, which readers refuse.
    size : tuple of int
        Voxels along x, y, z.
    """
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        direction = TO_LPS[:, None] * affine[:3, :3] / spacing
    origin = TO_LPS * affine[:3, 3] + 0.0
    return Geometry(
        size,
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(float(cosine) + 0.0 for cosine in direction.ravel()),
    )


def in_order_of(volume: Volume, grid: Geometry) -> Volume:
    """Return the volume with its axes ordered and directed as those of ``grid``, as near as can be.

    No voxel changes its value or its place in the patient; only the order in which the array
    holds them does.

    Parameters
    ----------
    volume : Volume
    grid : Geometry
        Whose axes are the model; its size, spacing and origin are not looked at.

    Returns
    -------
    Volume
        A mask goes along.
    """
    mine = np.asarray(volume.geometry.direction).reshape(3, 3)
    theirs = np.asarray(grid.direction).reshape(3, 3)
    likeness = theirs.T @ mine
    axes = _pairs(np.abs(likeness))
    signs = [likeness[place, axis] for place, axis in enumerate(axes)]
    size = np.asarray(volume.geometry.size)
    spacing = np.asarray(volume.geometry.spacing)
    origin = np.asarray(volume.geometry.origin)
    direction = np.empty((3, 3))
    for place, axis in enumerate(axes):
        direction[:, place] = mine[:, axis] if signs[place] >= 0 else -mine[:, axis]
        if signs[place] < 0:
            origin = origin + mine[:, axis] * spacing[axis] * (size[axis] - 1)
    # The array counts its axes z, y, x where the grid counts x, y, z.
    order = [2 - axes[2 - place] for place in range(3)]
    turn = tuple(slice(None, None, -1 if signs[2 - place] < 0 else 1) for place in range(3))
    return Volume(
        volume.array.transpose(order)[turn],
        Geometry(
            (int(size[axes[0]]), int(size[axes[1]]), int(size[axes[2]])),
            (float(spacing[axes[0]]), float(spacing[axes[1]]), float(spacing[axes[2]])),
            (float(origin[0]), float(origin[1]), float(origin[2])),
            tuple(float(cosine) + 0.0 for cosine in direction.ravel()),
        ),
        None if volume.mask is None else volume.mask.transpose(order)[turn],
    )


def _pairs(likeness: NDArray[np.float64]) -> list[int]:
    """Return for each axis of the model the axis most like it, each taken once."""
    left = likeness.copy()
    axes = [0, 0, 0]
    for _ in range(3):
        place, axis = np.unravel_index(int(np.argmax(left)), left.shape)
        axes[int(place)] = int(axis)
        left[place, :] = -1
        left[:, axis] = -1
    return axes
