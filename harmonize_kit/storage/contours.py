"""Closed planar contours, as radiotherapy draws regions, filled on the grid of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import GeometryError, MaskError

# How far, in slices, a contour may lie off the middle of its slice.
OFF_PLANE = 0.1


def fill_contours(
    contours: Sequence[NDArray[np.float64]], grid: Geometry, where: str
) -> NDArray[np.bool_]:
    """Return the voxels whose centres lie inside the contours.

    Contours of one slice combine by exclusive or, as DICOM defines it (PS3.3 C.8.8.6.3): an inner
    one cuts a hole.

    Parameters
    ----------
    contours : sequence of ndarray, shape (n_points, 3)
        Positions in mm, in the coordinates of the patient (LPS).
    grid : Geometry
    where : str
        What is filled, for messages.

    Returns
    -------
    ndarray of bool, shape (z, y, x)

    Raises
    ------
    GeometryError
        If a contour lies across or between the slices.
    MaskError
        OUTSIDE_IMAGE if a contour leaves the image, EMPTY_MASK if no voxel's centre is inside.
    """
    filled = np.zeros(grid.size[::-1], bool)
    direction = np.asarray(grid.direction).reshape(3, 3)
    for points in contours:
        offset = np.linalg.solve(direction, (points - np.asarray(grid.origin)).T).T
        index = np.asarray(offset / np.asarray(grid.spacing), dtype=np.float64)
        level = round(float(index[:, 2].mean()))
        if np.abs(index[:, 2] - level).max() > OFF_PLANE:
            raise GeometryError(
                f"{where}: a contour does not lie in a slice of the image (slice "
                f"{index[:, 2].min():.2f} to {index[:, 2].max():.2f}); give the image that it was "
                "drawn on"
            )
        low, high = index[:, :2].min(axis=0), index[:, :2].max(axis=0)
        size = np.asarray(grid.size[:2])
        if not 0 <= level < grid.size[2] or (low < -0.5).any() or (high > size - 0.5).any():
            raise MaskError("OUTSIDE_IMAGE", f"{where}: a contour leaves the image")
        _fill(filled[level], index[:, :2])
    if not filled.any():
        raise MaskError("EMPTY_MASK", f"{where}: no voxel's centre lies inside the contours")
    return filled


def _fill(plane: NDArray[np.bool_], corners: NDArray[np.float64]) -> None:
    """Flip the pixels (y, x) whose centres lie inside the polygon of ``corners`` (x, y)."""
    # Loaded where it is used: it takes a while, and few masks are contours.
    from matplotlib.path import Path as Polygon

    start = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    stop = np.ceil(corners.max(axis=0)).astype(int) + 1
    part = plane[start[1] : stop[1], start[0] : stop[0]]
    y, x = np.mgrid[: part.shape[0], : part.shape[1]]
    centres = np.column_stack([x.ravel() + start[0], y.ravel() + start[1]])
    part ^= Polygon(corners).contains_points(centres).reshape(part.shape)
