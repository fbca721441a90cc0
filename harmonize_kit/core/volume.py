"""A three-dimensional image with its geometry and, where there is one, its mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import GeometryError

IDENTITY_DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """Where the voxels lie in the patient, in the ITK (LPS) convention.

    Parameters
    ----------
    size : tuple of int
        Number of voxels along x, y, z. The array of the volume has shape (z, y, x).
    spacing : tuple of float
        Distance of voxel centres along x, y, z, in mm.
    origin : tuple of float
        Position of the centre of the first voxel, in mm.
    direction : tuple of float
        Direction cosines, 3 x 3, row by row.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY_DIRECTION

    def difference(self, other: Geometry, tolerance: float = 1e-6) -> str | None:
        """Say how another grid differs from this one, or return None where they agree.

        Origin and spacing are compared relative to this grid's spacing, direction cosines
        absolutely, as ITK does; ``tolerance`` is PyRadiomics' ``geometryTolerance``. The last bit
        of a position as NIfTI stores it, in float32, never makes a difference.
        """
        if self.size != other.size:
            return f"size (x, y, z) {self.size} against {other.size}"
        scale = np.asarray(self.spacing)
        last_bit = np.spacing(np.maximum(np.abs(self.origin), 16.0).astype(np.float32))
        for name, allowed in (
            ("spacing", tolerance * scale),
            ("origin", np.maximum(tolerance * scale, last_bit)),
            ("direction", np.full(9, tolerance)),
        ):
            mine, theirs = np.asarray(getattr(self, name)), np.asarray(getattr(other, name))
            if np.any(np.abs(mine - theirs) > allowed):
                return f"{name} {_numbers(mine)} against {_numbers(theirs)}"
        return None


@dataclass(frozen=True)
class Volume:
    """An image, its geometry, and optionally the mask that travels with it.

    The array keeps the type it was stored with, because PyRadiomics' numbers depend on it in the
    last bits; ``as_float`` gives float64 where arithmetic needs it.

    Parameters
    ----------
    array : ndarray, shape (z, y, x)
        Real-valued intensities.
    geometry : Geometry
        Grid of the array.
    mask : ndarray of int, shape (z, y, x), optional
        Label of each voxel on the same grid, 0 outside every region of interest.

    Raises
    ------
    GeometryError
        If array, geometry and mask do not describe one grid.
    """

    array: NDArray[Any]
    geometry: Geometry
    mask: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        expected = self.geometry.size[::-1]
        if self.array.shape != expected:
            raise GeometryError(
                f"expected an array of shape (z, y, x) = {expected} as the geometry says, "
                f"got {self.array.shape}"
            )
        if self.mask is not None and self.mask.shape != expected:
            raise GeometryError(
                f"expected a mask of shape (z, y, x) = {expected} as the image has, "
                f"got {self.mask.shape}"
            )

    def as_float(self) -> NDArray[np.float64]:
        """Return the intensities as float64, shape (z, y, x)."""
        return self.array.astype(np.float64)

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return the same grid and mask with other intensities, shape (z, y, x)."""
        return replace(self, array=array)

    def with_mask(self, mask: Volume, tolerance: float = 1e-6) -> Volume:
        """Return this volume carrying the labels of ``mask``.

        Raises
        ------
        GeometryError
            If the two grids differ by more than ``tolerance`` (see :meth:`Geometry.difference`).
        """
        difference = self.geometry.difference(mask.geometry, tolerance)
        if difference is not None:
            raise GeometryError(
                f"image and mask must lie on one grid, got {difference}; resample the mask to the "
                "image, set correctMask: true, or raise geometryTolerance if they truly agree"
            )
        return replace(self, mask=mask.array)


def _numbers(values: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"
