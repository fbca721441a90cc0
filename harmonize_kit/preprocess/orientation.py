"""The order of a volume's axes in the patient, whatever order they are stored in.

A file may hold its slices from left to right, from the front or from the feet. Here axes are
reordered and flipped, never interpolated, so that every array runs (z, y, x) to the head, to the
back and to the left of the patient: the LPS order, in which an axial slice lies as radiologists
look at it. An oblique grid is taken by the axes it is nearest to.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry


@dataclass(frozen=True)
class AxisOrder:
    """How the axes of a grid lie in the patient.

    Parameters
    ----------
    axes : tuple of int
        Axis of the grid (0, 1, 2 for its x, y, z) that runs along the patient's x (left), y (back)
        and z (head).
    backwards : tuple of bool
        Whether it runs the other way: right, front, feet.
    """

    axes: tuple[int, int, int]
    backwards: tuple[bool, bool, bool]

    @classmethod
    def of(cls, geometry: Geometry) -> AxisOrder:
        """Return the order of a grid: the one whose axes lean least from those of the patient."""
        cosines = np.array(geometry.direction).reshape(3, 3)
        # Rows are axes of the patient, columns those of the grid.
        best = max(
            permutations(range(3)), key=lambda axes: float(np.abs(cosines[range(3), axes]).sum())
        )
        signs = cosines[range(3), best]
        return cls(
            (best[0], best[1], best[2]),
            (bool(signs[0] < 0), bool(signs[1] < 0), bool(signs[2] < 0)),
        )

    def to_patient(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of an array (z, y, x) of the grid, in the order of the patient."""
        turned = array.transpose([2 - axis for axis in self.axes[::-1]])
        return turned[tuple(slice(None, None, -1 if b else 1) for b in self.backwards[::-1])]

    def to_grid(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of an array in the order of the patient, back in that of the grid."""
        flipped = array[tuple(slice(None, None, -1 if b else 1) for b in self.backwards[::-1])]
        places = [2 - axis for axis in self.axes[::-1]]
        return flipped.transpose([places.index(axis) for axis in range(3)])

    def geometry(self, geometry: Geometry) -> Geometry:
        """Return the geometry of :meth:`to_patient`'s arrays: every voxel stays where it is."""
        matrix = np.array(geometry.direction).reshape(3, 3)
        axes, signs = list(self.axes), np.where(self.backwards, -1.0, 1.0)
        size = [geometry.size[axis] for axis in axes]
        spacing = [geometry.spacing[axis] for axis in axes]
        origin = np.array(geometry.origin)
        for axis, back in zip(axes, self.backwards, strict=True):
            if back:
                length = (geometry.size[axis] - 1) * geometry.spacing[axis]
                origin = origin + matrix[:, axis] * length
        direction = matrix[:, axes] * signs
        return Geometry(
            (size[0], size[1], size[2]),
            (spacing[0], spacing[1], spacing[2]),
            (float(origin[0]), float(origin[1]), float(origin[2])),
            tuple(float(cosine) for cosine in direction.ravel()),
        )
