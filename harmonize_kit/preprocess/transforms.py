"""Spatial transforms as plain values: applied, composed, inverted and written.

A transform maps points of the grid that is filled to points of the scan that is read, in mm and
in ITK's LPS convention, as ``sitk.Resample`` and ANTs expect it. The movement of the head itself
is its inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.errors import PreprocessingError

Array = NDArray[np.float64]
Xyz = tuple[float, float, float]

HEADER = "#Insight Transform File V1.0"
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Affine:
    """``y = matrix (x - centre) + centre + translation``, as ITK writes an affine transform.

    Parameters
    ----------
    matrix : tuple of float
        3 x 3, row by row; a rotation for a rigid transform.
    translation : tuple of float
        In mm.
    centre : tuple of float
        Fixed point of the matrix, in mm.
    """

    matrix: tuple[float, ...] = IDENTITY
    translation: Xyz = (0.0, 0.0, 0.0)
    centre: Xyz = (0.0, 0.0, 0.0)

    @property
    def is_identity(self) -> bool:
        """Whether no point moves."""
        return self.matrix == IDENTITY and self.translation == (0.0, 0.0, 0.0)

    @property
    def linear(self) -> Array:
        """The matrix as an array, shape (3, 3)."""
        return np.asarray(self.matrix, dtype=np.float64).reshape(3, 3)

    def apply(self, points: Array) -> Array:
        """Map points, shape (n, 3) in mm, x y z."""
        moved = (points - self.centre) @ self.linear.T
        return moved + np.add(self.centre, self.translation)

    def inverse(self) -> Affine:
        """Return the transform that undoes this one, about the same centre.

        Raises
        ------
        PreprocessingError
            If the matrix flattens space, so that there is no way back.
        """
        if abs(np.linalg.det(self.linear)) < 1e-9:
            raise PreprocessingError(
                "expected an affine transform that can be inverted, got a matrix with determinant 0"
            )
        back = np.linalg.inv(self.linear)
        return Affine(_nine(back), _xyz(-back @ np.asarray(self.translation)), self.centre)

    def then(self, later: Affine) -> Affine:
        """Return the one transform that applies this one first and ``later`` second."""
        matrix = later.linear @ self.linear
        image = later.apply(self.apply(np.asarray([self.centre])))[0]
        return Affine(_nine(matrix), _xyz(image - self.centre), self.centre)

    def rotation(self) -> Xyz:
        """Return the angles of the nearest rotation about x, y, z, in degrees (R = Rz Ry Rx)."""
        left, _, right = np.linalg.svd(self.linear)
        turned = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
        y = np.arcsin(np.clip(-turned[2, 0], -1.0, 1.0))
        angles = (
            np.arctan2(turned[2, 1], turned[2, 2]), y, np.arctan2(turned[1, 0], turned[0, 0])
        )  # fmt: skip
        return _xyz(np.rad2deg(angles))

    def stretches(self) -> Xyz:
        """Return how far lengths grow along the three principal directions, falling."""
        return _xyz(np.linalg.svd(self.linear, compute_uv=False))

    def to_itk(self) -> sitk.AffineTransform:
        """Return the transform as ITK has it."""
        affine = sitk.AffineTransform(3)
        affine.SetMatrix(self.matrix)
        affine.SetTranslation(self.translation)
        affine.SetCenter(self.centre)
        return affine

    def text(self) -> str:
        """Return the transform as an ITK transform file (.tfm).

        The numbers are the shortest that read back as the same float64. ``sitk.ReadTransform``,
        ANTs and 3D Slicer read it.
        """
        return f"{HEADER}\n{self.block(0)}"

    def block(self, number: int) -> str:
        """Return the lines of one transform in an ITK transform file."""
        return transform_block(
            number, "AffineTransform", (*self.matrix, *self.translation), self.centre
        )


def transform_block(
    number: int, kind: str, parameters: Sequence[float], fixed: Sequence[float]
) -> str:
    """Return the lines of one transform of three dimensions in an ITK transform file."""
    return (
        f"#Transform {number}\nTransform: {kind}_double_3_3\n"
        f"Parameters: {_numbers(parameters)}\nFixedParameters: {_numbers(fixed)}\n"
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(repr(float(value)) for value in values)


def _nine(matrix: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in matrix.ravel())


def _xyz(values: Sequence[float] | NDArray[Any]) -> Xyz:
    return cast(Xyz, tuple(float(value) for value in values))
