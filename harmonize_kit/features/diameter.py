"""The largest distance between points of a surface, in space and within planes, exactly.

PyRadiomics compares all pairs of vertices, which takes minutes for a whole organ. The two points
of a largest distance are corners of the convex hull, so only corners are compared:

- A point of largest distance sees every other point within a ball around its partner. It therefore
  sticks out of the hull of the others by at least h**2 / 2D, with h the distance to its nearest
  neighbour and D the diameter: some 1e-4 mm for voxels, far above the 1e-12 at which a hull in
  double precision could lose it.
- In a plane, the corner of a hull is also the first or last point of its row and of its column.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

# Below this many points all pairs are quicker than a hull.
FEW = 100


def mesh_diameters(
    region: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Return the largest distances of mesh vertices with equal z, y, x, and of all, in mm.

    These are PyRadiomics' Maximum2DDiameterSlice, Maximum2DDiameterColumn, Maximum2DDiameterRow
    and Maximum3DDiameter; 0 where no plane holds two points.

    Parameters
    ----------
    region : ndarray of bool, shape (z, y, x)
        With a border of one voxel that is outside.
    spacing : ndarray, shape (3,)
        Along z, y, x, in mm.
    """
    half_steps = _vertices(region)
    planar: list[float] = []
    corners = np.ones(len(half_steps), dtype=bool)
    for normal in range(3):
        outer = _ends_of_lines(half_steps, normal)
        corners &= outer
        planar.append(_largest_in_planes(half_steps[outer], spacing, normal))
    points = half_steps[corners] * 0.5 * spacing
    slice_, column, row = planar
    return slice_, column, row, _largest_distance(points)


def _vertices(region: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the vertices of the mesh, halfway between voxels in and out, in halves of a voxel."""
    vertices = [2 * np.argwhere(np.diff(region, axis=axis)) for axis in range(3)]
    for axis in range(3):
        vertices[axis][:, axis] += 1
    return np.concatenate(vertices)


def _ends_of_lines(points: NDArray[np.int64], normal: int) -> NDArray[np.bool_]:
    """Tell which points are first or last on their row or their column of a plane."""
    first, second = (axis for axis in range(3) if axis != normal)
    side = int(points.max(initial=0)) + 1
    ends = np.ones(len(points), dtype=bool)
    for along, across in ((first, second), (second, first)):
        line = points[:, normal] * side + points[:, across]
        order = np.argsort(line * side + points[:, along])
        new = np.flatnonzero(np.diff(line[order]))
        here = np.zeros(len(points), dtype=bool)
        here[order[np.concatenate([[0], new, new + 1, [-1]])]] = True
        ends &= here
    return ends


def _largest_in_planes(
    points: NDArray[np.int64], spacing: NDArray[np.float64], normal: int
) -> float:
    """Return the largest distance of two points in one plane, planes of great extent first."""
    if not len(points):
        return 0.0
    ordered = points[np.argsort(points[:, normal], kind="stable")]
    starts = np.flatnonzero(np.diff(ordered[:, normal], prepend=-1))
    ends = np.append(starts[1:], len(ordered))
    placed = np.delete(ordered * 0.5 * spacing, normal, axis=1)
    extent = np.maximum.reduceat(placed, starts) - np.minimum.reduceat(placed, starts)
    reach = np.hypot(extent[:, 0], extent[:, 1])
    largest = 0.0
    for plane in np.argsort(reach)[::-1]:
        # No two points of a plane are farther apart than its extent.
        if reach[plane] < largest:
            break
        largest = max(largest, _largest_distance(placed[starts[plane] : ends[plane]]))
    return largest


def _largest_distance(points: NDArray[np.float64]) -> float:
    """Return the largest distance between points, shape (n, 2) or (n, 3)."""
    if len(points) < 2:
        return 0.0
    if len(points) > FEW:
        # Points on one line or plane have no hull; few enough are left to compare them all.
        with suppress(QhullError):
            corners: NDArray[np.int32] = ConvexHull(points).vertices
            points = points[corners]
    if len(points) <= FEW:
        apart = points.T[:, :, None] - points.T[:, None]
        return float(np.sqrt((apart * apart).sum(axis=0).max()))
    return float(np.sqrt(pdist(points, "sqeuclidean").max()))
