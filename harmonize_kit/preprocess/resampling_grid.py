"""The grid of another spacing over the same part of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import PreprocessingError

# Relative difference of spacing that is that of a number written to a header in float32.
SAME = 1e-5
# A voxel centre that falls between two goes to the lower, whatever the last bit says.
TIE = 1e-6
MOST_VOXELS = 2**30


@dataclass(frozen=True)
class NewGrid:
    """A grid and how its voxels lie among those of the old one.

    Parameters
    ----------
    geometry : Geometry
    factor : tuple of float
        New over old spacing along z, y, x.
    offset : tuple of float
        Place of the first new voxel among the old ones along z, y, x.
    """

    geometry: Geometry
    factor: tuple[float, ...]
    offset: tuple[float, ...]

    def places(self, axis: int) -> NDArray[np.float64]:
        """Return where the new voxels lie along an axis of the array, in old voxels."""
        count = self.geometry.size[2 - axis]
        return self.offset[axis] + self.factor[axis] * np.arange(count, dtype=np.float64)

    def nearest(self, axis: int, size: int) -> NDArray[np.intp]:
        """Return the old voxel nearest to each new one, of ``size`` along an axis."""
        places = np.ceil(self.places(axis) - 0.5 - TIE).astype(np.intp)
        return np.clip(places, 0, size - 1)


def new_grid(old: Geometry, spacing: tuple[float, float, float]) -> NewGrid | None:
    """Return the grid of another spacing, or None where the old one has it already.

    The centre of the volume stays where it is and the number of voxels is rounded up, as the IBSI
    reference manual has it (Zwanenburg et al. 2020, Radiology 295:328; "align grid centres"). The
    volume grows by less than a voxel, shared by both of its ends, so that every new voxel centre
    lies within an old voxel and nothing is extrapolated. PyRadiomics aligns the corners, and ITK's
    and nilearn's examples the first voxel centres, which move the centre by up to half a voxel.

    Parameters
    ----------
    old : Geometry
    spacing : tuple of float
        Along x, y, z, in mm; 0 keeps that of the axis.

    Raises
    ------
    PreprocessingError
        If the grid would have more than 2 ** 30 voxels.
    """
    wanted = [
        have if new == 0 or abs(new - have) <= SAME * have else new
        for have, new in zip(old.spacing, spacing, strict=True)
    ]
    if tuple(wanted) == old.spacing:
        return None
    factor = [new / have for have, new in zip(old.spacing, wanted, strict=True)]
    size = [max(1, ceil(n / f - SAME)) for n, f in zip(old.size, factor, strict=True)]
    if prod(size) > MOST_VOXELS:
        raise PreprocessingError(
            f"a spacing of {wanted} mm would make {size} voxels of this volume of {old.size}; "
            "choose a wider one"
        )
    offset = [0.5 * (n - 1 - (m - 1) * f) for n, m, f in zip(old.size, size, factor, strict=True)]
    cosines = np.array(old.direction).reshape(3, 3)
    origin = np.array(old.origin) + cosines @ (np.array(offset) * np.array(old.spacing))
    geometry = Geometry(
        (size[0], size[1], size[2]),
        (wanted[0], wanted[1], wanted[2]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        old.direction,
    )
    return NewGrid(geometry, tuple(factor[::-1]), tuple(offset[::-1]))
