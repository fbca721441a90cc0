"""Feature maps: each feature in a small kernel around every voxel of a region.

PyRadiomics' voxel-based extraction, on the region and the surroundings of its kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from harmonize_kit.features.discretisation import require_few_levels
from harmonize_kit.features.filters import Filtered
from harmonize_kit.features.measure import filtered_regions
from harmonize_kit.features.regions import Region

DEFAULT_KERNEL_RADIUS = 1


def map_region(extractor: Any, region: Region) -> dict[str, sitk.Image]:
    """Return a map of each feature, by PyRadiomics' name and in its order.

    A map covers the box of the region and one kernel radius around it, as PyRadiomics' maps do;
    voxels outside of the region hold ``initValue``. Shape has no maps.

    Parameters
    ----------
    extractor : RadiomicsFeatureExtractor
        Its settings include ``kernelRadius``, ``maskedKernel``, ``initValue`` and ``voxelBatch``.
    region : Region

    Raises
    ------
    ExtractionError
        BINS.
    """
    settings = {**extractor.settings, "voxelBased": True}
    radius = int(settings.get("kernelRadius", DEFAULT_KERNEL_RADIUS))
    mask = _mask_around(region, radius)
    maps: dict[str, sitk.Image] = {}
    for image_type, own in extractor.enabledImagetypes.items():
        for _, filtered in filtered_regions(image_type, [region], {**settings, **own}, radius):
            _require_few_levels(filtered, mask)
            maps |= extractor.computeFeatures(
                filtered.image, mask, filtered.name, **filtered.settings
            )
    return maps


def _mask_around(region: Region, radius: int) -> sitk.Image:
    wide = region.box.grown((radius, radius, radius), region.image.GetSize())
    labels = np.zeros(wide.size[::-1], dtype=np.uint32)
    measured = sitk.GetArrayViewFromImage(region.measured) == region.label
    region.box.within(wide).view(labels)[measured] = region.label
    mask = sitk.GetImageFromArray(labels)
    mask.SetOrigin(region.image.TransformIndexToPhysicalPoint(wide.start))
    mask.SetSpacing(region.image.GetSpacing())
    mask.SetDirection(region.image.GetDirection())
    return mask


def _require_few_levels(filtered: Filtered, mask: sitk.Image) -> None:
    values = sitk.GetArrayViewFromImage(filtered.image)
    if filtered.settings.get("maskedKernel", True):
        values = values[sitk.GetArrayViewFromImage(mask) != 0]
    require_few_levels(np.array([values.min(), values.max()]), filtered.settings, filtered.name)
