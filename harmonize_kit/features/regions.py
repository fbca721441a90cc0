"""Regions of interest of one image, ready to be measured: normalised, resampled, resegmented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from harmonize_kit.errors import MaskError
from harmonize_kit.features.box import Box
from harmonize_kit.features.limits import require_resampled_size

# What PyRadiomics adds around a resampled region, in voxels.
DEFAULT_PADDING = 5


@dataclass(frozen=True)
class Region:
    """One region of interest and the image it is measured on.

    Parameters
    ----------
    label : int
    image : sitk.Image
        The whole image, normalised and resampled where that was asked for. Regions of one image
        share it, unless resampling gave each its own grid.
    mask : sitk.Image
        On the grid of ``image``.
    box : Box
        Where the region lies.
    drawn : sitk.Image
        The mask on ``box``, as it was drawn.
    measured : sitk.Image
        The mask on ``box``, resegmented where that was asked for.
    """

    label: int
    image: sitk.Image
    mask: sitk.Image
    box: Box
    drawn: sitk.Image
    measured: sitk.Image


def prepare_regions(
    image: sitk.Image, mask: sitk.Image, labels: Iterable[int], settings: dict[str, Any]
) -> list[Region]:
    """Return the regions of ``labels``, each by PyRadiomics' own steps in its order.

    Normalisation sees the whole image, and so does resampling: its spline prefilter runs from
    border to border, and another origin would move the grid in the last bits. What follows sees
    the region only.

    Raises
    ------
    MaskError
        LABEL_MISSING if resampling lost a region, TOO_SMALL.
    ImageError
        TOO_LARGE, if resampling would make more voxels than memory holds.
    """
    from radiomics import imageoperations

    if settings.get("normalize"):
        image = imageoperations.normalizeImage(image, **settings)
    return [_prepare(image, mask, label, {**settings, "label": label}) for label in labels]


def _prepare(image: sitk.Image, mask: sitk.Image, label: int, settings: dict[str, Any]) -> Region:
    from radiomics import imageoperations

    # PyRadiomics resamples when both are set.
    resampled = settings.get("resampledPixelSpacing") is not None
    if resampled and settings.get("interpolator") is not None:
        mask = sitk.Cast(mask, sitk.sitkUInt32)
        require_resampled_size(
            _box_of(mask, label).size,
            mask.GetSpacing(),
            settings["resampledPixelSpacing"],
            margin=int(settings.get("padDistance", DEFAULT_PADDING)),
        )
        image, mask = imageoperations.resampleImage(image, mask, **settings)
    box = _box_of(mask, label)
    if settings.get("preCrop") and not resampled:
        more = int(settings.get("padDistance", 0))
        seen = box.grown((more, more, more), image.GetSize())
        image, mask, box = seen.crop(image), seen.crop(mask), box.within(seen)
    drawn = sitk.Cast(box.crop(mask), sitk.sitkUInt32)
    _require_size(drawn, label, box, settings)
    measured = drawn
    if settings.get("resegmentRange") is not None:
        measured = imageoperations.resegmentMask(box.crop(image), drawn, **settings)
        left = _box_of(measured, label)
        drawn, measured = left.crop(drawn), left.crop(measured)
        box = left.moved(box.start)
        _require_size(measured, label, box, settings)
        if settings.get("resegmentShape"):
            drawn = measured
    return Region(label, image, mask, box, drawn, measured)


def _require_size(mask: sitk.Image, label: int, box: Box, settings: Mapping[str, Any]) -> None:
    """Hold a region against PyRadiomics' minimumROIDimensions and minimumROISize."""
    extended, fewest = sum(length > 1 for length in box.size), settings.get("minimumROISize")
    needed = max(int(settings.get("minimumROIDimensions", 2)), 1)
    if extended < needed:
        raise MaskError(
            "TOO_SMALL",
            f"label {label}: the region of {box.size} voxels (x, y, z) extends along {extended} "
            f"dimensions, at least {needed} are asked for (minimumROIDimensions)",
        )
    if fewest is None:
        return
    count = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask) == label))
    if count <= fewest:
        raise MaskError(
            "TOO_SMALL",
            f"label {label}: the region has {count} voxels, more than {fewest} are asked for "
            "(minimumROISize)",
        )


def _box_of(mask: sitk.Image, label: int) -> Box:
    region = sitk.GetArrayViewFromImage(mask) == label
    box = Box.around(region)
    if box is None:
        raise MaskError(
            "LABEL_MISSING",
            f"label {label} has no voxel left after resampling; choose a finer "
            "resampledPixelSpacing",
        )
    return box
