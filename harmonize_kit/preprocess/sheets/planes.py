"""Planes through a volume along the axes of the patient, whatever order and angle it is stored in.

Pictures follow the radiological convention: on axial and coronal planes the patient's right is on
the left, as if seen from the feet and from the front; sagittal planes look towards the patient's
right with the face to the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Geometry, Volume

Point = NDArray[np.float64]

# Directions in LPS (x to the left, y to the back, z to the head) of a picture's columns and rows.
_COLUMNS_ROWS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
PLANES = tuple(_COLUMNS_ROWS)
# What is seen at the left, right, top and bottom of a picture.
SIDES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}
_MARGIN_MM = 6.0
_MOST_SAMPLES = 640  # along a side of a plane; finer grids are cut more coarsely


@dataclass(frozen=True)
class View:
    """Where the three planes cut, how far they reach, and how finely they are cut.

    Parameters
    ----------
    centre : ndarray, shape (3,)
        The point all three planes go through, in LPS mm.
    low, high : ndarray, shape (3,)
        Corners of the box that is shown, in LPS mm.
    pixel : float
        Side of a pixel in mm.
    """

    centre: Point
    low: Point
    high: Point
    pixel: float

    def extent(self, plane: str) -> tuple[float, float]:
        """Return width and height of a plane in mm."""
        columns, rows = np.abs(np.array(_COLUMNS_ROWS[plane]))
        size = self.high - self.low
        return float(columns @ size), float(rows @ size)


def view_of(volume: Volume, inside: NDArray[np.bool_], centre: Point | None = None) -> View:
    """Return a view of what lies ``inside`` (z, y, x), with a margin.

    The planes go through ``centre`` (LPS mm), else through the middle of the box, moved to the
    nearest voxel, so that an image that is not oblique is cut without interpolation across slices.
    """
    geometry = volume.geometry
    first, last = _bounds(inside)
    corners = np.array(np.meshgrid(*zip(first - 0.5, last + 0.5, strict=True))).reshape(3, -1)
    box = _to_patient(geometry, corners)
    low, high = box.min(axis=1) - _MARGIN_MM, box.max(axis=1) + _MARGIN_MM
    wanted = (low + high) / 2 if centre is None else centre
    index = np.clip(np.rint(_to_index(geometry, wanted[:, None]))[:, 0], first, last)
    pixel = max(min(geometry.spacing), float((high - low).max()) / _MOST_SAMPLES)
    return View(_to_patient(geometry, index[:, None])[:, 0], low, high, pixel)


def cut(
    array: NDArray[Any],
    geometry: Geometry,
    view: View,
    plane: str,
    *,
    nearest: bool = False,
    outside: float = 0.0,
) -> NDArray[np.float32]:
    """Return one plane of an array, shape (rows, columns).

    By linear interpolation, or from the nearest voxel for masks and labels; ``outside`` stands
    where the array does not reach, or is not finite.
    """
    points = _points(view, plane)
    index = _to_index(geometry, points.reshape(3, -1)).reshape(points.shape)
    size = np.array(geometry.size)[:, None, None]
    reached = ((index > -0.5) & (index < size - 0.5)).all(axis=0)
    values = ndimage.map_coordinates(
        array, index[::-1], output=np.float32, order=0 if nearest else 1, mode="nearest"
    )
    return np.where(reached & np.isfinite(values), values, np.float32(outside))


def _points(view: View, plane: str) -> Point:
    """Return the middles of a plane's pixels in LPS mm, shape (3, rows, columns)."""
    columns, rows = np.array(_COLUMNS_ROWS[plane], dtype=np.float64)
    width, height = (max(1, round(length / view.pixel)) for length in view.extent(plane))
    right, down = ((np.arange(count) + 0.5) * view.pixel for count in (width, height))
    along = columns + rows  # 0 along the one axis that the plane stands still on
    start = np.where(along == 0, view.centre, np.where(along < 0, view.high, view.low))
    return (
        start[:, None, None]
        + columns[:, None, None] * right[None, None, :]
        + rows[:, None, None] * down[None, :, None]
    )


def centre_of(mask: NDArray[Any], geometry: Geometry) -> Point | None:
    """Return the median place of what is not 0, in LPS mm, or None where all is 0."""
    places = np.nonzero(mask)
    if not places[0].size:
        return None
    index = np.array([np.median(along) for along in places[::-1]])
    return _to_patient(geometry, index[:, None])[:, 0]


def tilt(geometry: Geometry) -> float:
    """Return by how many degrees the axes of the grid lean from those of the patient, at most."""
    cosines = np.abs(np.array(geometry.direction).reshape(3, 3)).max(axis=0)
    return float(np.degrees(np.arccos(np.clip(cosines, 0.0, 1.0))).max())


def _to_patient(geometry: Geometry, index: Point) -> Point:
    return _matrix(geometry) @ index + np.array(geometry.origin)[:, None]


def _to_index(geometry: Geometry, points: Point) -> Point:
    return np.linalg.inv(_matrix(geometry)) @ (points - np.array(geometry.origin)[:, None])


def _matrix(geometry: Geometry) -> Point:
    return np.array(geometry.direction).reshape(3, 3) * np.array(geometry.spacing)


def _bounds(inside: NDArray[np.bool_]) -> tuple[Point, Point]:
    """Return first and last index of what is inside along x, y and z; all where nothing is."""
    first: list[int] = []
    last: list[int] = []
    for axis in (2, 1, 0):
        found = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        first.append(int(found[0]) if found.size else 0)
        last.append(int(found[-1]) if found.size else inside.shape[axis] - 1)
    return np.array(first, dtype=np.float64), np.array(last, dtype=np.float64)
