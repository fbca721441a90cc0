"""Smooth random fields that do not depend on the voxel grid: cubic B-splines of random knots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def random_field(
    extent_mm: tuple[float, float, float],
    spacing: float,
    knots_mm: float,
    rng: np.random.Generator,
) -> Field:
    """Draw a smooth random field of mean 0 and variance about 1, shape (z, y, x).

    Independent normal values on a lattice of knots are spread by cubic B-splines, the free-form
    deformation of Rueckert et al. 1999 (IEEE TMI 18:712). The lattice is laid out in millimetres
    over a box that all voxel grids share, so one draw is one field at any spacing; and the basis
    is a product of three one-dimensional ones, so three small matrix products evaluate it.

    Parameters
    ----------
    extent_mm : tuple of float
        Length of the box along z, y, x.
    spacing : float
        Distance of voxel centres in mm; the first lies in the corner of the box.
    knots_mm : float
        Distance of the knots, which is about the size of the blobs.
    rng : Generator
    """
    shape = tuple(int(np.ceil(length / knots_mm)) + 4 for length in extent_mm)
    field = rng.standard_normal(shape)  # (knots z, knots y, knots x)
    for axis, length in enumerate(extent_mm):
        basis = _basis(grid_points(length, spacing) / knots_mm, shape[axis])  # (voxels, knots)
        field = np.moveaxis(np.tensordot(basis, field, axes=(1, axis)), 0, axis)
    return field.astype(np.float32)


def grid_points(length_mm: float, spacing: float) -> NDArray[np.float64]:
    """Return the positions of the voxel centres along one side of the box, in mm."""
    return np.arange(int(np.floor(length_mm / spacing)) + 1, dtype=np.float64) * spacing


def _basis(position: NDArray[np.float64], knots: int) -> NDArray[np.float64]:
    """Return cubic B-spline weights, shape (n_positions, knots), for positions in knot units.

    Rows are scaled so that the three-dimensional field has variance near 1: the squared weights
    of one row sum to between 0.46 and 0.50 along each axis.
    """
    start = np.floor(position).astype(np.intp)
    u = position - start
    weights = np.column_stack(
        [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]
    )
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    basis = np.zeros((len(position), knots))
    rows = np.arange(len(position))[:, np.newaxis]
    basis[rows, start[:, np.newaxis] + np.arange(4)] = weights
    return basis
