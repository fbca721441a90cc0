"""A deformation and an affine transform in one: what takes a template's points to a scan's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry
from harmonize_kit.preprocess.registration_carry import Transform
from harmonize_kit.preprocess.transforms import HEADER, Affine, Array
from harmonize_kit.preprocess.warp import Warp

COMPOSITE = "#Transform 0\nTransform: CompositeTransform_double_3_3\n"


@dataclass(frozen=True)
class Deformation:
    """``y = affine(forward(x))``: the template is bent first, then laid on the scan.

    Parameters
    ----------
    forward, backward : Warp
        The second undoes the first, but for what a spline of these knots cannot follow; see
        :func:`~harmonize_kit.preprocess.registration_deformable.deform`, which measures it.
    affine : Affine
    """

    forward: Warp
    backward: Warp
    affine: Affine

    @property
    def is_identity(self) -> bool:
        """Whether no point moves: never by design."""
        return False

    def apply(self, points: Array) -> Array:
        """Map points, shape (n, 3) in mm, x y z."""
        return self.affine.apply(self.forward.apply(points))

    def apply_inverse(self, points: Array) -> Array:
        """Map points back, by what :meth:`inverse_text` writes."""
        return self.backward.apply(self.affine.inverse().apply(points))

    def then(self, later: Affine) -> Deformation:
        """Return the one transform that applies this one first and ``later`` second."""
        return replace(self, affine=self.affine.then(later))

    def to_itk(self) -> sitk.CompositeTransform:
        """Return the transform as ITK has it, whose composites apply the last one first."""
        whole = sitk.CompositeTransform(3)
        whole.AddTransform(self.affine.to_itk())
        whole.AddTransform(self.forward.to_itk())
        return whole

    def text(self) -> str:
        """Return the transform as an ITK transform file (.tfm)."""
        return f"{HEADER}\n{COMPOSITE}{self.affine.block(1)}{self.forward.block(2)}"

    def inverse_text(self) -> str:
        """Return what leads back as an ITK transform file (.tfm)."""
        back = self.affine.inverse()
        return f"{HEADER}\n{COMPOSITE}{self.backward.block(1)}{back.block(2)}"

    def volume_change_on(self, grid: Geometry) -> NDArray[Any]:
        """Return the determinant of the Jacobian at every voxel of a grid, (z, y, x).

        The grid's axes must be parallel to the template's.
        """
        return self.forward.jacobian_on(grid) * np.linalg.det(self.affine.linear)


@dataclass(frozen=True)
class OnGrid:
    """A deformation known at every voxel of one grid, and thus quick to follow from there."""

    bent: sitk.Transform
    affine: Affine
    is_identity: bool = False

    def to_itk(self) -> sitk.CompositeTransform:
        """Return the transform as ITK has it."""
        whole = sitk.CompositeTransform(3)
        whole.AddTransform(self.affine.to_itk())
        whole.AddTransform(self.bent)
        return whole


def on_grid(transforms: Mapping[str, Affine | Deformation], grid: Geometry) -> dict[str, Transform]:
    """Return transforms that share one deformation so that they are quick on one grid.

    A spline is evaluated in three passes over a grid, one an axis; at single points, as ITK would
    do for every voxel of every image and mask, it costs twenty times as much.
    """
    found: dict[str, Transform] = {}
    bent: sitk.Transform | None = None
    for name, transform in transforms.items():
        if isinstance(transform, Affine):
            found[name] = transform
            continue
        bent = bent or _displacement(transform.forward, grid)
        found[name] = OnGrid(bent, transform.affine)
    return found


def _displacement(warp: Warp, grid: Geometry) -> sitk.DisplacementFieldTransform:
    field = sitk.GetImageFromArray(warp.displacement_on(grid), isVector=True)
    field.SetSpacing(grid.spacing)
    field.SetOrigin(grid.origin)
    field.SetDirection(grid.direction)
    return sitk.DisplacementFieldTransform(field)
