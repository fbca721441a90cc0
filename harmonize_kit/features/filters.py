"""Filtered images on a box, bit-equal to PyRadiomics' filters on the whole image.

Every filter is PyRadiomics' own function, or ITK's own filter, on the part of the image that the
values inside the box depend on (see :mod:`harmonize_kit.features.margins`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.features.box import Box, Voxels
from harmonize_kit.features.margins import (
    FEWEST,
    log_margin,
    neighbour_margin,
    wavelet_margin,
)

POINTWISE = ("Square", "SquareRoot", "Logarithm", "Exponential")
Named = tuple[sitk.Image, str, dict[str, Any]]


@dataclass(frozen=True)
class Filtered:
    """A filtered image on a box, with PyRadiomics' name of it and the settings of its features."""

    image: sitk.Image
    name: str
    settings: dict[str, Any]


def apply_filter(
    image_type: str, image: sitk.Image, mask: sitk.Image, box: Box, settings: dict[str, Any]
) -> Iterator[Filtered]:
    """Yield what PyRadiomics' image type makes of ``image``, on ``box`` alone.

    Parameters
    ----------
    image_type : str
        PyRadiomics' name: Original, LoG, Wavelet, Square ...
    image, mask : sitk.Image
        The whole image, resampled and normalised where that was asked for, and its mask.
    box : Box
        The part that is wanted.
    settings : dict
        Settings of the extraction, overlaid with those of the image type.

    Yields
    ------
    Filtered
        In PyRadiomics' order.
    """
    if image_type == "Original":
        yield Filtered(box.crop(image), "original", settings)
        return
    if image_type == "LoG":
        found = _laplacians(image, box, settings)
    elif image_type == "Wavelet":
        found = _wavelets(image, box, settings)
    elif image_type in POINTWISE:
        found = _pointwise(image_type, image, box, settings)
    else:
        found = _neighbours(image_type, image, mask, box, settings)
    origin = image.TransformIndexToPhysicalPoint(box.start)
    for filtered, name, own in found:
        filtered.SetOrigin(origin)
        filtered.SetSpacing(image.GetSpacing())
        filtered.SetDirection(image.GetDirection())
        yield Filtered(filtered, name, own)


def filter_margin(
    image_type: str, settings: Mapping[str, Any], spacing: tuple[float, ...]
) -> Voxels:
    """Return the widest margin the images of one type need, along x, y, z."""
    if image_type == "LoG":
        sigmas = [float(sigma) for sigma in settings.get("sigma", ()) if sigma > 0]
        return log_margin(max(sigmas, default=0.0), spacing)
    if image_type == "Wavelet":
        margin = wavelet_margin(settings)
    elif image_type in ("Gradient", "LBP2D"):
        margin = neighbour_margin(image_type, settings)
    else:
        margin = 0
    return margin, margin, margin


def _laplacians(image: sitk.Image, box: Box, settings: dict[str, Any]) -> Iterator[Named]:
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    if size.min() < FEWEST:
        return
    for sigma in settings.get("sigma", ()):
        # PyRadiomics' own condition.
        if sigma > 0 and np.all(size >= np.ceil(sigma / spacing) + 1):
            yield laplacian_of_gaussian(image, sigma, box), laplacian_name(sigma), settings


def laplacian_name(sigma: float) -> str:
    """Return PyRadiomics' name of the image of one Laplacian of Gaussian, sigma in mm."""
    return f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"


def laplacian_of_gaussian(image: sitk.Image, sigma: float, box: Box) -> sitk.Image:
    """Return ITK's LaplacianRecursiveGaussian of ``image`` on ``box``, bit by bit.

    The filter is separable: for each axis it takes the second derivative along it, then smooths
    along the others, each pass in double precision with its result kept as float32, and adds the
    three over the squared spacing. A pass needs the margin along its own axis and those still to
    come only, so the box shrinks to the wanted voxels pass by pass.

    Parameters
    ----------
    image : sitk.Image
        At least four voxels along each axis.
    sigma : float
        Standard deviation of the Gaussian, in mm.
    box : Box

    Returns
    -------
    sitk.Image
        float32, the voxels of ``box``.
    """
    spacing = image.GetSpacing()
    seen = box.grown(log_margin(sigma, spacing), image.GetSize())
    around = seen.crop(image)
    total: NDArray[np.float32] = np.zeros(box.size[::-1], dtype=np.float32)
    for axis in range(3):
        passed, left = around, seen
        for along in (axis, *(other for other in range(3) if other != axis)):
            order = (
                sitk.RecursiveGaussianImageFilter.SecondOrder
                if along == axis
                else sitk.RecursiveGaussianImageFilter.ZeroOrder
            )
            passed = sitk.RecursiveGaussian(passed, sigma, True, order, along)
            narrowed = left.along(along, box)
            passed, left = narrowed.within(left).crop(passed), narrowed
        term = sitk.GetArrayViewFromImage(passed).astype(np.float64)
        weight = 1.0 / (spacing[axis] * spacing[axis])
        total = (total.astype(np.float64) + term * weight).astype(np.float32)
    return sitk.GetImageFromArray(total)


def _wavelets(image: sitk.Image, box: Box, settings: dict[str, Any]) -> Iterator[Named]:
    from radiomics import imageoperations

    array = sitk.GetArrayViewFromImage(image)
    margin = wavelet_margin(settings)
    still = settings.get("force2Ddimension", 0) if settings.get("force2D") else None
    indices: list[NDArray[np.int64]] = []
    starts: list[int] = []
    for axis, length in enumerate(array.shape):
        reach = 0 if axis == still else margin
        index, start = _periodic(box.start[2 - axis], box.stop[2 - axis], reach, length)
        indices.append(index)
        starts.append(start)
    seen = sitk.GetImageFromArray(array[np.ix_(*indices)])
    first: Voxels = (starts[2], starts[1], starts[0])
    inner = Box((0, 0, 0), box.size).moved(first)
    for found, name, own in imageoperations.getWaveletImage(seen, None, **settings):
        yield inner.crop(found), name, own


def _periodic(start: int, stop: int, margin: int, length: int) -> tuple[NDArray[np.int64], int]:
    """Return the voxels to take along one axis, and where the wanted ones begin among them.

    The transform takes the image as periodic, one voxel longer where its length is odd: the added
    voxel repeats the first. What lies beyond a border is taken from the other side and stays there,
    because voxels near a border are summed in another order than those within. An even number is
    taken, for an odd one would be made longer again. Where the margin would meet itself, the axis
    is taken whole.
    """
    period = length + length % 2
    taken = stop - start + 2 * margin
    taken += taken % 2
    if taken >= period:
        return np.arange(length), start
    index = np.sort(np.arange(start - margin, start - margin + taken) % period)
    return np.where(index == length, 0, index), int(np.searchsorted(index, start))


def _pointwise(
    image_type: str, image: sitk.Image, box: Box, settings: dict[str, Any]
) -> Iterator[Named]:
    """Filter the box with one more plane, which holds the extreme voxel of the whole image.

    These filters scale by the largest absolute intensity of the image and look at nothing else
    beside the voxel itself.
    """
    whole = sitk.GetArrayViewFromImage(image)
    low, high = whole.min(), whole.max()
    extreme = high if abs(float(high)) >= abs(float(low)) else low
    wanted = box.view(whole)
    plane = np.full((1, *wanted.shape[1:]), extreme, dtype=wanted.dtype)
    seen = sitk.GetImageFromArray(np.concatenate([wanted, plane]))
    inner = Box((0, 0, 0), box.size)
    for found, name, own in _own_filter(image_type)(seen, None, **settings):
        yield inner.crop(found), name, own


def _neighbours(
    image_type: str, image: sitk.Image, mask: sitk.Image, box: Box, settings: dict[str, Any]
) -> Iterator[Named]:
    if image_type == "LBP3D":
        # It interpolates at positions counted from the first voxel, which a crop would round anew.
        seen = Box.whole(image)
    else:
        margin = neighbour_margin(image_type, settings)
        seen = box.grown((margin, margin, margin), image.GetSize())
    inner = box.within(seen)
    around, drawn = seen.crop(image), seen.crop(mask)
    for found, name, own in _own_filter(image_type)(around, drawn, **settings):
        yield inner.crop(found), name, own


def _own_filter(image_type: str) -> Any:
    from radiomics import imageoperations

    return getattr(imageoperations, f"get{image_type}Image")
