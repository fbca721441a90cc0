"""Small changes of image and mask that a robust feature withstands.

After Zwanenburg et al. 2019, Scientific Reports 9:614: the grid is shifted by a fraction of a
voxel, the patient lies a few degrees turned, the scanner is as noisy once more, the reader draws a
little wider or narrower. Image and mask move together, by interpolation; a voxel belongs to the
moved mask where at least half of it does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, hypot, radians, sin
from typing import Any, Literal, cast

import numpy as np
import pywt
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ImageError, MaskError
from harmonize_kit.features.box import Box, Voxels
from harmonize_kit.features.rim import change_volume
from harmonize_kit.storage.itk import from_itk, mask_to_itk, to_itk

Kind = Literal["translation", "rotation", "noise", "volume"]
KINDS: tuple[Kind, ...] = ("translation", "rotation", "noise", "volume")

# The median of the absolute value of a normal variable of unit variance.
NORMAL_MEDIAN = 0.6744897501960817
# The length of the wavelet's filter, in the plane of the slices.
NOISE_MARGIN = (6, 6, 0)
# A cubic spline's prefilter forgets a border as its pole: (2 - sqrt(3)) ** 28 < 2 ** -53.
SPLINE_MARGIN = (28, 28, 28)


@dataclass(frozen=True)
class Perturbation:
    """One change: its kind, and how much (fraction, degrees, number of the draw, fraction)."""

    kind: Kind
    amount: float

    @property
    def name(self) -> str:
        """Kind and amount in words, such as ``rotation -5``."""
        return f"{self.kind} {self.amount:g}"


def perturbations(config: RobustnessConfig) -> tuple[Perturbation, ...]:
    """Return every perturbation that a configuration asks for."""
    return (
        *(Perturbation("translation", amount) for amount in config.translations),
        *(Perturbation("rotation", amount) for amount in config.rotations),
        *(Perturbation("noise", number + 1) for number in range(config.noise)),
        *(Perturbation("volume", amount) for amount in config.volume_changes),
    )


def perturb(
    volume: Volume,
    label: int,
    perturbation: Perturbation,
    rng: np.random.Generator,
    margin: Voxels | None = None,
) -> Volume:
    """Return the volume, with ``label`` as the only one of its mask, perturbed.

    Parameters
    ----------
    volume : Volume
        With its mask, in which ``label`` occurs.
    label : int
    perturbation : Perturbation
    rng : Generator
        Of the noise and of ties at the rim of the mask.
    margin : tuple of int, optional
        Voxels around the region that are needed, along x, y, z; None for the whole image.
        Interpolating no more of a large image than that is many times faster.

    Returns
    -------
    Volume
        On the same grid, or on as much of it as ``margin`` asks for; intensities are float64 unless
        they are untouched.

    Raises
    ------
    ImageError
        NONFINITE, if an image to be interpolated is not finite everywhere.
    MaskError
        EMPTY_MASK, if nothing is left of the region, or there is no room for it to grow.
    """
    if volume.mask is None or not (inside := volume.mask == label).any():
        raise MaskError("LABEL_MISSING", f"label {label} does not occur in the mask")
    if perturbation.kind == "noise":
        near = _near(replace(volume, mask=inside.astype(np.uint8)), margin)
        mask = near.mask == 1
        changed = add_noise(near.with_array(near.as_float()), mask, rng)
    elif perturbation.kind == "volume":
        changed = volume
        mask = change_volume(inside, volume.geometry.spacing, perturbation.amount, rng)
    else:
        moved = _move(replace(volume, mask=inside.astype(np.uint8)), perturbation, margin)
        changed, mask = moved, moved.mask == 1
    if not mask.any():
        raise MaskError("EMPTY_MASK", f"nothing is left of label {label} after {perturbation.name}")
    return replace(changed, mask=(mask * label).astype(volume.mask.dtype))


def add_noise(volume: Volume, inside: NDArray[np.bool_], rng: np.random.Generator) -> Volume:
    """Return the volume with Gaussian noise of the strength that the region has."""
    scale = noise_level(volume.array, inside)
    return volume.with_array(volume.array + rng.normal(0.0, scale, volume.array.shape))


def noise_level(array: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the noise in a region.

    The finest diagonal wavelet band of each slice holds little but noise, and its median absolute
    value is spared by the edges that are left (Donoho's estimate, as Chang et al. 2000, IEEE
    Transactions on Image Processing 9:1532, use it). Only the region is asked, because images
    often end in constant air, or are noisier elsewhere.

    Parameters
    ----------
    array : ndarray, shape (z, y, x)
    inside : ndarray of bool, shape (z, y, x)

    Returns
    -------
    float
        0, to rounding, where the region is constant.
    """
    high_pass = np.asarray(cast(Any, pywt).Wavelet("coif1").dec_hi)
    box = Box.around(inside)
    if box is None:
        raise MaskError("EMPTY_MASK", "expected a region in which to estimate the noise")
    box = box.grown(NOISE_MARGIN, array.shape[::-1])
    band = ndimage.convolve1d(box.view(array), high_pass, axis=1)
    band = ndimage.convolve1d(band, high_pass, axis=2)
    return float(np.median(np.abs(band[box.view(inside)])) / NORMAL_MEDIAN)


def _near(volume: Volume, margin: Voxels | None) -> Volume:
    """Return the part of a volume with a binary mask that its features look at."""
    region = Box.around(volume.mask == 1)
    if margin is None or region is None:
        return volume
    # What the estimate of the noise looks at besides.
    box = region.grown(NOISE_MARGIN, volume.geometry.size).grown(margin, volume.geometry.size)
    mask = from_itk(box.crop(mask_to_itk(volume))).array
    return replace(from_itk(box.crop(to_itk(volume))), mask=mask)


def _move(volume: Volume, perturbation: Perturbation, margin: Voxels | None) -> Volume:
    image, mask = to_itk(volume), mask_to_itk(volume)
    region = Box.around(volume.mask == 1)
    if region is None:
        raise MaskError("EMPTY_MASK", "expected a region to move")
    turns = perturbation.kind == "rotation"
    transform = (
        _turn(image, region, perturbation.amount) if turns else _shift(image, perturbation.amount)
    )
    degrees = perturbation.amount if turns else 0.0
    wanted = seen = Box.whole(image)
    if margin is not None:
        size, spacing = image.GetSize(), volume.geometry.spacing
        wanted = region.grown(_reach(region, spacing, degrees), size).grown(margin, size)
        seen = wanted.grown(_reach(wanted, spacing, degrees), size).grown(SPLINE_MARGIN, size)
    if not np.isfinite(seen.view(volume.array)).all():
        raise ImageError(
            "NONFINITE",
            "voxels outside the region are not finite (NaN or infinite), and interpolation would "
            "spread them; mend the image, or leave out translations and rotations",
        )
    grid = wanted.crop(image)
    # Third-order splines, as PyRadiomics resamples; beyond the border the nearest voxel stands.
    moved = sitk.Resample(
        sitk.Cast(seen.crop(image), sitk.sitkFloat64), grid, transform, sitk.sitkBSpline, 0.0,
        sitk.sitkFloat64, True,
    )  # fmt: skip
    share = sitk.Resample(
        sitk.Cast(seen.crop(mask), sitk.sitkFloat64), grid, transform, sitk.sitkLinear, 0.0
    )
    half = sitk.GetArrayFromImage(share) >= 0.5
    return replace(from_itk(moved), mask=half.astype(np.uint8))


def _shift(image: sitk.Image, fraction: float) -> sitk.Transform:
    """Return the shift by a fraction of a voxel along each axis of the image."""
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    offset = direction @ (fraction * np.asarray(image.GetSpacing()))
    return sitk.TranslationTransform(3, offset.tolist())


def _turn(image: sitk.Image, region: Box, degrees: float) -> sitk.Transform:
    """Return the turn about the slices' normal through the middle of the region."""
    middle = [(low + high - 1) / 2 for low, high in zip(region.start, region.stop, strict=True)]
    centre = image.TransformContinuousIndexToPhysicalPoint(middle)
    normal = np.asarray(image.GetDirection()).reshape(3, 3)[:, 2]
    return sitk.VersorTransform(normal.tolist(), radians(degrees), centre)


def _reach(box: Box, spacing: tuple[float, float, float], degrees: float) -> Voxels:
    """Return how many voxels, along x, y, z, a voxel of the box moves at most.

    A turn moves what lies at the distance r of its axis by 2 r sin(angle / 2); a shift, and what a
    box around another one's middle is off by, is at most a voxel.
    """
    extent = [count * step for count, step in zip(box.size, spacing, strict=True)]
    # A box cut off at the border lies off the middle it was grown about, by its own half at most.
    radius = hypot(extent[0], extent[1])
    across = 2 * radius * sin(radians(abs(degrees)) / 2)
    return ceil(across / spacing[0]) + 1, ceil(across / spacing[1]) + 1, 1
