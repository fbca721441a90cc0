"""The measurement itself: PyRadiomics' mathematics on the region and what its filters see.

PyRadiomics filters the whole image, bins it anew for each feature class and compares all pairs of
surface vertices. Here each filter runs on the region and its margin, once for all regions of an
image where that is less work; grey levels are made once an image; diameters come from the hull.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np
import SimpleITK as sitk

from harmonize_kit.features.box import Box
from harmonize_kit.features.discretisation import discretise, sharing_levels
from harmonize_kit.features.filters import Filtered, apply_filter, filter_margin
from harmonize_kit.features.regions import Region
from harmonize_kit.features.shape import shape_class

Values = dict[str, Any]


def measure_regions(extractor: Any, regions: list[Region]) -> list[Values]:
    """Return the features of each region, by PyRadiomics' name and in its order.

    Parameters
    ----------
    extractor : RadiomicsFeatureExtractor
        Holds the settings, image types and features asked for.
    regions : list of Region

    Raises
    ------
    ExtractionError
        BINS.
    """
    found = [_measure_shape(extractor, region) for region in regions]
    for image_type, own in extractor.enabledImagetypes.items():
        settings = {**extractor.settings, **own}
        for number, filtered in filtered_regions(image_type, regions, settings):
            found[number] |= _measure_intensities(extractor, regions[number], filtered)
    return found


def filtered_regions(
    image_type: str, regions: list[Region], settings: dict[str, Any], around: int = 0
) -> Iterator[tuple[int, Filtered]]:
    """Yield each region's number with each of its filtered images, on its box.

    Regions that share an image are filtered together where that means fewer voxels.

    Parameters
    ----------
    image_type : str
    regions : list of Region
    settings : dict
        Of the extraction, overlaid with those of the image type.
    around : int
        Voxels to keep on each side of the region, as far as the image reaches.
    """
    for together in _groups(image_type, regions, settings):
        first = regions[together[0]]
        boxes = {
            number: regions[number].box.grown((around, around, around), first.image.GetSize())
            for number in together
        }
        wide = Box.union(list(boxes.values()))
        asked = {**settings, "label": first.label}
        for filtered in apply_filter(image_type, first.image, first.mask, wide, asked):
            for number, box in boxes.items():
                yield (
                    number,
                    Filtered(
                        box.within(wide).crop(filtered.image),
                        filtered.name,
                        {**filtered.settings, "label": regions[number].label},
                    ),
                )


def _groups(image_type: str, regions: list[Region], settings: dict[str, Any]) -> list[list[int]]:
    """Return which regions to filter together, by number."""
    alone = [[number] for number in range(len(regions))]
    one_image = all(region.image is regions[0].image for region in regions)
    # LBP3D looks at the voxels of one label only.
    if not one_image or image_type == "LBP3D":
        return alone
    image = regions[0].image
    margin, size = filter_margin(image_type, settings, image.GetSpacing()), image.GetSize()
    apart = sum(region.box.grown(margin, size).voxels for region in regions)
    wide = Box.union([region.box for region in regions]).grown(margin, size).voxels
    return alone if apart < wide else [list(range(len(regions)))]


def _measure_shape(extractor: Any, region: Region) -> Values:
    enabled = extractor.enabledFeatures
    image, settings = region.box.crop(region.image), {**extractor.settings, "label": region.label}
    values: Values = {}
    for kind in enabled:
        if kind == "shape":
            values |= _run(shape_class(), kind, "original", enabled[kind], image, region.drawn,
                           settings)  # fmt: skip
        elif kind == "shape2D":
            planar = copy(extractor)
            planar.enabledFeatures = {kind: enabled[kind]}
            size = np.array(region.box.size)
            bounds = np.stack([np.zeros(3, dtype=int), size - 1], axis=1).ravel()
            values |= planar.computeShape(image, region.drawn, bounds, **settings)
    return values


def _measure_intensities(extractor: Any, region: Region, filtered: Filtered) -> Values:
    from radiomics.featureextractor import getFeatureClasses

    values: Values = {}
    classes = getFeatureClasses()
    asked = {
        kind: names
        for kind, names in extractor.enabledFeatures.items()
        if not kind.startswith("shape") and kind in classes
    }
    if not asked:
        return values
    array = sitk.GetArrayViewFromImage(filtered.image)
    inside = np.asarray(sitk.GetArrayViewFromImage(region.measured) == region.label)
    levels = discretise(array, inside, filtered.settings, filtered.name)
    settings = {**filtered.settings, "grey_levels": levels}
    for kind, names in asked.items():
        values |= _run(sharing_levels(classes[kind]), kind, filtered.name, names, filtered.image,
                       region.measured, settings)  # fmt: skip
    return values


def _run(
    feature_class: type[Any],
    kind: str,
    image_name: str,
    names: list[str] | None,
    image: sitk.Image,
    mask: sitk.Image,
    settings: dict[str, Any],
) -> Values:
    features = feature_class(image, mask, **settings)
    for name in names or ():
        features.enableFeatureByName(name)
    return {f"{image_name}_{kind}_{name}": value for name, value in features.execute().items()}
