"""Volumes as SimpleITK images, and back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume

# ITK prints its warnings to the terminal, past every log; what matters is checked and raised here.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


@contextmanager
def one_thread() -> Generator[None]:
    """Let ITK compute on one thread in the block, so that sums are made in one order everywhere."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def to_itk(volume: Volume) -> sitk.Image:
    """Return the intensities of ``volume`` as a SimpleITK image of the same type."""
    return _image(volume.array, volume.geometry)


def mask_to_itk(volume: Volume) -> sitk.Image:
    """Return the mask of ``volume`` as a SimpleITK image."""
    if volume.mask is None:
        raise ValueError("expected a volume that carries a mask")
    return _image(volume.mask, volume.geometry)


def from_itk(image: sitk.Image) -> Volume:
    """Return a three-dimensional SimpleITK image as a volume."""
    return Volume(sitk.GetArrayFromImage(image), geometry_of(image))


def geometry_of(image: sitk.Image | sitk.ImageFileReader) -> Geometry:
    """Return the grid of a three-dimensional image, or of a file whose header was read.

    A negative spacing, which only a header can have, is an axis reversed, as it is to ITK.
    """
    size, spacing, origin = image.GetSize(), image.GetSpacing(), image.GetOrigin()
    cosines = enumerate(image.GetDirection())
    return Geometry(
        (size[0], size[1], size[2]),
        (abs(spacing[0]), abs(spacing[1]), abs(spacing[2])),
        (origin[0], origin[1], origin[2]),
        tuple(-cosine if spacing[place % 3] < 0 else cosine for place, cosine in cosines),
    )


def _image(array: NDArray[Any], geometry: Geometry) -> sitk.Image:
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image
