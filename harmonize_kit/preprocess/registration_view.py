"""What registration sees of a scan: float32, coarse to fine, with the brain if it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.transforms import Array, Xyz
from harmonize_kit.storage.itk import to_itk

# The brightest voxels (vessels, fat) would take most bins of the histogram for themselves.
BRIGHTEST = 99.9
# A stripped brain with its rim fills no more; the smallest whole head fills more.
LARGEST_BRAIN_ML = 2300.0
# A head from the crown down to here holds the brain, and little of jaw and neck.
CROWN_TO_BASE_MM = 150.0
MASK_SPACING_MM = 2.0
COARSE_MM = 4.0
# Anatomy varies over less, the sensitivity of a coil over more.
SHADING_MM = 15.0


@dataclass(frozen=True)
class View:
    """A scan prepared for registration.

    Parameters
    ----------
    image : sitk.Image
        Intensities as float32, clipped at the top. Where the brain is known, its shading is evened
        out, and the outside is 0 (or continues the brain, as :func:`view_of` was told).
    region : sitk.Image or None
        Where the brain is: 1 inside, 0 outside, at about 2 mm. None for a whole head or body.
    centre : tuple of float
        Middle of the brain, known or guessed from the crown of the head, in mm.
    """

    image: sitk.Image
    region: sitk.Image | None
    centre: Xyz

    @property
    def bare(self) -> bool:
        """Whether nothing but the brain is seen."""
        return self.region is not None

    def pyramid(self, spacings: list[float]) -> list[sitk.Image]:
        """Return the image at several spacings in mm, from the coarsest to the finest given."""
        levels = [self.image]
        for spacing in sorted(spacings):
            levels.append(coarsened(levels[-1], spacing))
        return levels[:0:-1]

    def foreground(self) -> sitk.Image:
        """Return the brain, or for a whole head all that is not air, at a coarse spacing."""
        if self.region is not None:
            return self.region
        coarse = coarsened(self.image, 4.0)
        return sitk.OtsuThreshold(coarse, 0, 1)


def view_of(volume: Volume, name: str, edgeless: bool = False) -> View:
    """Prepare a scan for registration.

    Where the volume carries a mask, only what is inside it counts. Without one, an image that is
    exactly 0 outside a region no larger than a brain is taken as stripped.

    Parameters
    ----------
    volume : Volume
    name : str
        For messages.
    edgeless : bool
        Continue the brain outwards by its nearest voxel instead of by 0. Where the mask was
        carried from one scan to the other by position, its edge lies in both at the same place
        and would say that nobody moved.

    Raises
    ------
    PreprocessingError
        If the image holds one single value or values that are not finite, or the mask is empty.
    """
    array = volume.array.astype(np.float32)
    strange = int(array.size - np.isfinite(array).sum())
    if strange:
        raise PreprocessingError(
            f"expected finite intensities to register {name}, got {strange} voxels that are NaN "
            "or infinite; set them to 0 or convert the image again"
        )
    inside = _brain(volume, array, name)
    seen = array if inside is None else array[inside]
    low, high = float(seen.min()), float(np.percentile(seen, BRIGHTEST))
    if not high > low:
        raise PreprocessingError(
            f"expected an image of {name} with contrast, got the single value {low:g}"
        )
    # Where 0 is a value of the brain like any other, the outside must not look like the brain.
    array = np.clip(array, low, high) - np.float32(low)
    if inside is not None:
        array = _continued(array, inside) if edgeless else np.where(inside, array, np.float32(0.0))
    image = to_itk(Volume(array.astype(np.float32), volume.geometry))
    if inside is None:
        return View(image, None, _below_the_crown(image))
    region = to_itk(Volume(inside.astype(np.float32), volume.geometry))
    region = sitk.BinaryThreshold(coarsened(region, MASK_SPACING_MM), 0.5, 1e9, 1, 0)
    return View(_evened(image, region), region, _centroid(region))


def _evened(image: sitk.Image, region: sitk.Image) -> sitk.Image:
    """Return a brain divided by its own broad local mean, as a coil's shading would be.

    Mutual information takes shading for contrast: at a third of the intensity from side to side it
    moves the result by half a mm.
    """
    inside = sitk.Cast(coarsened(region, COARSE_MM), sitk.sitkFloat32)
    seen = coarsened(image, COARSE_MM)
    weight = sitk.Resample(inside, seen, sitk.Transform(), sitk.sitkLinear, 0.0)
    width = [SHADING_MM] * 3
    broad = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(seen * weight, width))
    share = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(weight, width))
    kept = share > 0.01
    mean = float(broad[kept].sum() / share[kept].sum())
    level = np.where(kept, broad / np.where(kept, share, 1.0) / mean, 1.0)
    field = sitk.GetImageFromArray(np.clip(level, 0.2, 5.0).astype(np.float32))
    field.CopyInformation(seen)
    even = image / sitk.Resample(field, image, sitk.Transform(), sitk.sitkLinear, 1.0)
    # ITK divides in float64, and registers only images of one type.
    return sitk.Cast(even, sitk.sitkFloat32)


def coarsened(image: sitk.Image, spacing: float) -> sitk.Image:
    """Return an image with voxels of at least ``spacing`` mm, averaged over about one voxel.

    Axes that are coarser already stay as they are. The middle of the box stays where it is.
    """
    old, count = np.asarray(image.GetSpacing()), np.asarray(image.GetSize())
    new = np.maximum(old, spacing)
    if np.all(new < old * 1.01):
        return image
    # A Gaussian of this width has the variance that the larger voxel adds to the smaller.
    sigma = np.sqrt(np.maximum(new**2 - old**2, 0.0) / 12.0)
    # ITK's recursive filter needs at least four voxels along an axis, and a width.
    if int(count.min()) >= 4:
        image = sitk.SmoothingRecursiveGaussian(image, np.maximum(sigma, 1e-3).tolist())
    size = np.maximum(np.ceil(count * old / new), 1).astype(int)
    middle = image.TransformContinuousIndexToPhysicalPoint(((count - 1) / 2).tolist())
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    corner = np.asarray(middle) - direction @ ((size - 1) / 2 * new)
    return sitk.Resample(
        image, [int(n) for n in size], sitk.Transform(), sitk.sitkLinear, corner.tolist(),
        new.tolist(), image.GetDirection(), 0.0,
    )  # fmt: skip


def _brain(volume: Volume, array: NDArray[np.float32], name: str) -> NDArray[np.bool_] | None:
    """Return where the brain is, or None where that is not known."""
    if volume.mask is not None:
        inside: NDArray[np.bool_] = volume.mask > 0
        if not inside.any():
            raise PreprocessingError(
                f"expected a mask of {name} with some voxels inside, got an empty one; give the "
                "image without a mask, or strip the skull again"
            )
        return inside
    inside = array != 0
    voxel_ml = float(np.prod(volume.geometry.spacing)) / 1000.0
    share = float(inside.mean())
    stripped = share < 0.9 and 0 < inside.sum() * voxel_ml < LARGEST_BRAIN_ML
    return ndimage.binary_fill_holes(inside) if stripped else None


def _continued(array: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    nearest: Any = ndimage.distance_transform_edt(
        ~inside, return_distances=False, return_indices=True
    )
    return array[tuple(nearest)]


def _below_the_crown(image: sitk.Image) -> Xyz:
    """Guess the middle of the brain of a whole head: that of its upper 150 mm."""
    coarse = coarsened(image, 8.0)
    points = points_inside(sitk.OtsuThreshold(coarse, 0, 1))
    if len(points) == 0:
        middle = [(count - 1) / 2 for count in coarse.GetSize()]
        points = np.asarray([coarse.TransformContinuousIndexToPhysicalPoint(middle)])
    crown = np.percentile(points[:, 2], 99.5)
    upper = points[points[:, 2] > crown - CROWN_TO_BASE_MM]
    x, y, z = (float(value) for value in upper.mean(axis=0))
    return x, y, z


def _centroid(region: sitk.Image) -> Xyz:
    x, y, z = (float(value) for value in points_inside(region).mean(axis=0))
    return x, y, z


def points_inside(mask: sitk.Image) -> Array:
    """Return the positions of the voxels of a mask, shape (n, 3) in mm."""
    array: NDArray[Any] = sitk.GetArrayViewFromImage(mask)
    steps: Array = np.argwhere(array > 0)[:, ::-1] * np.asarray(mask.GetSpacing(), np.float64)
    direction = np.asarray(mask.GetDirection(), np.float64).reshape(3, 3)
    return np.add(steps @ direction.T, mask.GetOrigin(), dtype=np.float64)
