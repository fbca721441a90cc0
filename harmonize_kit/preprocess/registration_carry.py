"""Images, masks and labels carried along a transform, each interpolated once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.storage.itk import to_itk

INTERPOLATORS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline}
# Voxels round the brain that interpolation inside of it may reach.
REACH = 4


class Transform(Protocol):
    """What maps points of the grid that is filled to points of the scan that is read."""

    def to_itk(self) -> sitk.Transform:
        """Return the transform as ITK has it."""
        ...

    @property
    def is_identity(self) -> bool:
        """Whether no point moves."""
        ...


def carry_image(
    volume: Volume,
    transform: Transform,
    geometry: Geometry,
    interpolation: Literal["linear", "bspline"] = "linear",
) -> Volume:
    """Return an image on another grid, with its mask.

    The image becomes float32 and keeps the range that it had. What lies outside its field of view
    is 0. Where it is exactly 0 all over outside of its mask, as after a skull strip, it is so
    afterwards, and the values at the rim come from the inside alone. An image that stays where it
    is, is returned as it is.
    """
    if transform.is_identity and volume.geometry.difference(geometry) is None:
        return volume
    inside = None if volume.mask is None else volume.mask != 0
    stripped = inside is not None and bool(inside.any()) and not np.any(volume.array[~inside])
    array = volume.array.astype(np.float32)
    seen = array[inside] if stripped else array
    low, high = float(seen.min()), float(seen.max())
    if stripped and inside is not None:
        array = _filled_round(array, inside)
    image = to_itk(Volume(array, volume.geometry))
    moved = _resampled(image, transform, geometry, INTERPOLATORS[interpolation])
    covered = _resampled(
        to_itk(Volume(np.ones(array.shape, np.uint8), volume.geometry)),
        transform, geometry, sitk.sitkNearestNeighbor,
    )  # fmt: skip
    moved = np.where(covered > 0, np.clip(moved, low, high), np.float32(0.0))
    mask = None
    if volume.mask is not None:
        mask = carry_labels(Volume(volume.mask, volume.geometry), transform, geometry).array
        if stripped:
            moved[mask == 0] = 0.0
    return Volume(moved.astype(np.float32), geometry, mask)


def carry_labels(labels: Volume, transform: Transform, geometry: Geometry) -> Volume:
    """Return integer labels on another grid: that of the nearest voxel, 0 outside."""
    if transform.is_identity and labels.geometry.difference(geometry) is None:
        return labels
    image = to_itk(replace(labels, mask=None))
    moved = _resampled(image, transform, geometry, sitk.sitkNearestNeighbor)
    return Volume(moved.astype(labels.array.dtype), geometry)


def _resampled(
    image: sitk.Image, transform: Transform, geometry: Geometry, interpolator: int
) -> NDArray[Any]:
    moved = sitk.Resample(
        image, geometry.size, transform.to_itk(), interpolator, geometry.origin,
        geometry.spacing, geometry.direction, 0.0,
    )  # fmt: skip
    return sitk.GetArrayFromImage(moved)


def _filled_round(array: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the image with the nearest value of the inside in a shell round it."""
    box = ndimage.find_objects(inside.astype(np.uint8))[0]
    grown = tuple(slice(max(axis.start - REACH, 0), axis.stop + REACH) for axis in box)
    nearest: Any = ndimage.distance_transform_edt(
        ~inside[grown], return_distances=False, return_indices=True
    )
    filled = array.copy()
    filled[grown] = array[grown][tuple(nearest)]
    return filled
