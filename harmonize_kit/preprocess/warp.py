"""A smooth deformation of space as a cubic B-spline: applied, inverted, measured and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.transforms import Array, transform_block
from harmonize_kit.storage.itk import to_itk

# Knots beyond the box on each side. The outer two stay 0, so that space is still where the spline
# ends; a third lets it fall.
BEYOND = 4
STILL = 2
# Of coefficients, in mm: what is used is what is written, in few characters.
DECIMALS = 4
EXACT_MM = 1e-4
TRIES = 200
# Share of the remaining way that one step of the inversion goes; full steps swing where space is
# stretched to more than twice its length.
STEP = 0.7


@dataclass(frozen=True)
class Warp:
    """``y = x + u(x)``, with u a cubic B-spline, and ``y = x`` outside of its knots.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (3, z, y, x)
        Of the displacement along x, y and z, in mm; 0 at the border.
    knots : Geometry
        Their grid.
    """

    coefficients: Array
    knots: Geometry

    @classmethod
    def fit(cls, displacement: NDArray[Any], grid: Geometry, spacing_mm: float) -> Warp:
        """Return the spline through a displacement at knots ``spacing_mm`` apart.

        It follows what is smooth over two knots; finer waves must be smoothed away before.

        Parameters
        ----------
        displacement : ndarray, shape (z, y, x, 3)
            In mm, along x y z; taken as 0 outside of the grid.
        grid : Geometry
        spacing_mm : float
        """
        knots = _knots(grid, spacing_mm)
        places = np.stack(np.meshgrid(*_axes(knots, grid)[::-1], indexing="ij"))
        values = [
            ndimage.map_coordinates(displacement[..., axis], places, order=1, mode="constant")
            for axis in range(3)
        ]
        return cls(_coefficients(np.asarray(values, np.float64)), knots)

    def apply(self, points: Array) -> Array:
        """Map points, shape (n, 3) in mm, x y z."""
        return points + self._displacement_at(points)

    def inverse(self) -> Warp:
        """Return the spline that leads back, through the exact way back at every knot.

        Raises
        ------
        PreprocessingError
            If the way back cannot be found, as where space is folded.
        """
        z, y, x = np.indices(self.coefficients.shape[1:]).reshape(3, -1)
        direction = np.reshape(self.knots.direction, (3, 3))
        steps = np.stack([x, y, z], axis=1) * self.knots.spacing
        points = np.add(steps @ direction.T, self.knots.origin, dtype=np.float64)
        back = self.undo(points) - points
        values = back.T.reshape(self.coefficients.shape)
        return Warp(_coefficients(values), self.knots)

    def undo(self, points: Array) -> Array:
        """Return the points that :meth:`apply` maps to ``points``, to 0.0001 mm.

        Raises
        ------
        PreprocessingError
            As :meth:`inverse`.
        """
        found, open_ = points.copy(), np.arange(len(points))
        for _ in range(TRIES):
            miss = points[open_] - self.apply(found[open_])
            found[open_] += STEP * miss
            open_ = open_[np.linalg.norm(miss, axis=1) > EXACT_MM]
            if len(open_) == 0:
                return found
        raise PreprocessingError(
            f"expected a deformation with a way back, but none was found for {len(open_)} of "
            f"{len(points)} points; raise register.deformable.smoothing"
        )

    def displacement_on(self, grid: Geometry) -> Array:
        """Return u at every voxel of a grid whose axes are parallel to the knots', (z, y, x, 3)."""
        bases = [_basis(at, n) for at, n in zip(*self._along(grid), strict=True)]
        return np.moveaxis(_spread(self.coefficients, bases), 0, -1)

    def jacobian_on(self, grid: Geometry) -> Array:
        """Return the determinant of the Jacobian at every voxel of such a grid, (z, y, x).

        The volume that a small cube has after :meth:`apply`, over that before. At or below 0 space
        is folded. Exact: the derivative of a spline is a spline.
        """
        along, counts = self._along(grid)
        plain = [_basis(at, n) for at, n in zip(along, counts, strict=True)]
        steep = [_basis(at, n, derivative=True) for at, n in zip(along, counts, strict=True)]
        columns = [
            _spread(self.coefficients, [steep[a] if a == axis else plain[a] for a in range(3)])
            / self.knots.spacing[axis]
            for axis in range(3)
        ]
        direction = np.reshape(self.knots.direction, (3, 3))
        slope = np.einsum("aiZYX,ja->ZYXij", np.asarray(columns), direction)
        return np.linalg.det(slope + np.eye(3))

    def to_itk(self) -> sitk.BSplineTransform:
        """Return the transform as ITK has it."""
        images = [to_itk(Volume(part, self.knots)) for part in self.coefficients]
        return sitk.BSplineTransform(images, 3)

    def block(self, number: int) -> str:
        """Return the lines of this transform in an ITK transform file."""
        knots = self.knots
        fixed = (*knots.size, *knots.origin, *knots.spacing, *knots.direction)
        return transform_block(
            number, "BSplineTransform", self.coefficients.ravel().tolist(), fixed
        )

    def _displacement_at(self, points: Array) -> Array:
        direction = np.reshape(self.knots.direction, (3, 3))
        places = ((points - self.knots.origin) @ direction / self.knots.spacing).T[::-1]
        moved = [
            ndimage.map_coordinates(part, places, order=3, mode="constant", prefilter=False)
            for part in self.coefficients
        ]
        return np.stack(moved, axis=1)

    def _along(self, grid: Geometry) -> tuple[list[Array], list[int]]:
        """Return where the voxels of a grid lie along x, y, z, in knots, and how many knots."""
        return _axes(grid, self.knots), list(self.knots.size)


def _knots(grid: Geometry, spacing_mm: float) -> Geometry:
    extent = np.multiply(grid.size, grid.spacing)
    count = np.ceil(extent / spacing_mm).astype(int) + 1 + 2 * BEYOND
    direction = np.reshape(grid.direction, (3, 3))
    middle = direction @ ((np.asarray(grid.size) - 1) / 2 * grid.spacing) + grid.origin
    x, y, z = (float(v) for v in middle - direction @ ((count - 1) / 2 * spacing_mm))
    size = (int(count[0]), int(count[1]), int(count[2]))
    return Geometry(size, (spacing_mm, spacing_mm, spacing_mm), (x, y, z), grid.direction)


def _axes(of: Geometry, within: Geometry) -> list[Array]:
    """Return the positions of the voxels of one grid along x, y, z, in voxels of another.

    Raises
    ------
    PreprocessingError
        If the axes of the two are not parallel.
    """
    if not np.allclose(of.direction, within.direction, atol=1e-6):
        raise PreprocessingError(
            f"expected a grid along the axes of the template {within.direction}, got {of.direction}"
        )
    direction = np.reshape(within.direction, (3, 3))
    offset = np.subtract(of.origin, within.origin) @ direction
    return [
        (offset[axis] + np.arange(of.size[axis]) * of.spacing[axis]) / within.spacing[axis]
        for axis in range(3)
    ]


def _coefficients(values: Array) -> Array:
    """Return the coefficients of the spline through values at its knots, (3, z, y, x)."""
    found = np.zeros(values.shape)
    inner = (slice(None), *(slice(STILL, -STILL),) * 3)
    for part, value in zip(found[inner], values[inner], strict=True):
        part[:] = ndimage.spline_filter(value, order=3, mode="mirror")
    return np.round(found, DECIMALS) + 0.0


def _basis(places: Array, knots: int, derivative: bool = False) -> Array:
    """Return the weight of each knot at each place along one axis, shape (places, knots)."""
    distance = places[:, None] - np.arange(knots)
    d = np.abs(distance)
    if derivative:
        near, far = d * (1.5 * d - 2.0), -0.5 * (2.0 - d) ** 2
        weight = np.where(d < 1, near, np.where(d < 2, far, 0.0)) * np.sign(distance)
    else:
        near, far = 2.0 / 3.0 - d**2 * (1.0 - d / 2.0), (2.0 - d) ** 3 / 6.0
        weight = np.where(d < 1, near, np.where(d < 2, far, 0.0))
    return weight


def _spread(coefficients: Array, bases: list[Array]) -> Array:
    """Return the spline at the voxels of a grid: one axis after the other, shape (3, z, y, x)."""
    x, y, z = bases
    rows = np.matmul(y, coefficients @ x.T)
    return np.einsum("zk,ckyx->czyx", z, rows, optimize=True)
