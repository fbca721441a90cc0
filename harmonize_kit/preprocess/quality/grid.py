"""A coarse copy of a grid, on which masks of the head and the air are found fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry

Bool3 = NDArray[np.bool_]
Float3 = NDArray[np.float64]


@dataclass(frozen=True)
class CoarseGrid:
    """Blocks of whole voxels, as close to one edge length as they come.

    Parameters
    ----------
    shape : tuple of int
        Shape (z, y, x) of the full grid.
    factors : tuple of int
        Voxels of a block along each axis of the array.
    spacing : tuple of float
        Edge lengths of a block along each axis of the array, in mm.
    """

    shape: tuple[int, int, int]
    factors: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, shape: tuple[int, ...], spacing: tuple[float, ...], edge_mm: float) -> CoarseGrid:
        """Return blocks of about ``edge_mm`` for a shape and spacing given as (z, y, x)."""
        factors = tuple(max(1, round(edge_mm / step)) for step in spacing)
        a, b, c = (step * factor for step, factor in zip(spacing, factors, strict=True))
        return cls((shape[0], shape[1], shape[2]), (factors[0], factors[1], factors[2]), (a, b, c))

    def mean(self, array: NDArray[Any]) -> Float3:
        """Return the mean of each block."""
        return self._blocks(array.astype(np.float64)).mean(axis=(1, 3, 5))

    def largest(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the largest value of each block."""
        return self._blocks(array).max(axis=(1, 3, 5))

    def spread(self, coarse: NDArray[Any]) -> NDArray[Any]:
        """Return an array on the full grid that gives each voxel the value of its block."""
        for axis, factor in enumerate(self.factors):
            coarse = np.repeat(coarse, factor, axis=axis) if factor > 1 else coarse
        return coarse[tuple(slice(count) for count in self.shape)]

    def _blocks(self, array: NDArray[Any]) -> NDArray[Any]:
        missing = [(0, -n % factor) for n, factor in zip(self.shape, self.factors, strict=True)]
        if any(after for _, after in missing):
            array = np.pad(array, missing, mode="edge")
        sides = [
            side
            for n, factor in zip(array.shape, self.factors, strict=True)
            for side in (n // factor, factor)
        ]
        return array.reshape(sides)


def array_spacing(geometry: Geometry) -> tuple[float, float, float]:
    """Return the spacing along the axes (z, y, x) of the array, in mm."""
    return geometry.spacing[2], geometry.spacing[1], geometry.spacing[0]


def anatomical_axes(geometry: Geometry) -> tuple[int, int, int]:
    """Return which axis of the array runs left-right, front-back and up-down, most nearly.

    MRIQC reorients images before it measures, so that its x, y and z are these; here the array is
    left as it is and the axes are named instead.
    """
    cosines = np.abs(np.asarray(geometry.direction).reshape(3, 3))
    found = [0, 0, 0]
    for _ in range(3):
        world, index = np.unravel_index(int(cosines.argmax()), (3, 3))
        found[int(world)] = 2 - int(index)
        cosines[world, :] = cosines[:, index] = -1.0
    return found[0], found[1], found[2]


def height(geometry: Geometry) -> Float3:
    """Return how far up each voxel lies in the patient, in mm, shape (z, y, x)."""
    upwards = np.asarray(geometry.direction).reshape(3, 3)[2] * np.asarray(geometry.spacing)
    x, y, z = (step * np.arange(n) for step, n in zip(upwards, geometry.size, strict=True))
    return geometry.origin[2] + (z[:, None, None] + y[:, None] + x)
