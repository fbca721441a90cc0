"""Shape of a region: PyRadiomics' features on a mesh that large regions do not slow down."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.features.diameter import mesh_diameters
from harmonize_kit.features.triangles import mesh_area_and_volume


@lru_cache(maxsize=1)
def shape_class() -> type[Any]:
    """Return PyRadiomics' class of shape features, with its mesh and diameters from here."""
    from radiomics.shape import RadiomicsShape

    def measure(self: Any) -> None:
        self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
        self.maskArray = np.pad(sitk.GetArrayViewFromImage(self.inputMask) == self.label, 1)
        self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
        self.SurfaceArea, self.Volume = mesh_area_and_volume(self.maskArray, self.pixelSpacing)
        self.diameters = mesh_diameters(self.maskArray, self.pixelSpacing)
        self.eigenValues = _eigenvalues(self.labelledVoxelCoordinates, self.pixelSpacing)

    names = RadiomicsShape.getFeatureNames()
    own = {
        "_initSegmentBasedCalculation": measure,
        "getFeatureNames": staticmethod(lambda: names),
        "__module__": RadiomicsShape.__module__,
    }
    return type("RegionShape", (RadiomicsShape,), own)


def _eigenvalues(
    coordinates: tuple[NDArray[np.intp], ...], spacing: NDArray[np.float64]
) -> NDArray[Any]:
    """Return the eigenvalues of the voxels' covariance, small ones first.

    The steps are PyRadiomics', in its order, for the same last bits.
    """
    placed = np.array(coordinates, dtype="int").transpose((1, 0)) * spacing[None, :]
    placed -= np.mean(placed, axis=0)
    placed /= np.sqrt(len(coordinates[0]))
    covariance: NDArray[np.float64] = np.dot(placed.T.copy(), placed)
    values = np.asarray(np.linalg.eigvals(covariance))
    # A flat region has an eigenvalue of zero, up to rounding.
    values[(values < 0) & (values > -1e-10)] = 0
    values.sort()
    return values
