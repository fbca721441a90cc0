"""The grid of the brain's bounding box, on which heads that were never registered can be averaged.

Every brain mask has a bounding box along the patient's axes. Stretched to a box of one size, brains
agree in place to about a centimetre, which is enough for differences that are smooth or belong to
large structures, and less than a registration to a template gives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.translation.places import Box

Image = NDArray[np.floating]
Mask = NDArray[np.bool_]
Shape = tuple[int, int, int]


def box_shape(box: Box) -> Shape:
    """Return how many voxels a box is long, along z, y and x."""
    return box[1] - box[0], box[3] - box[2], box[5] - box[4]


def onto_box(
    image: Image, mask: Mask, box: Box, shape: Shape
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return an image (c, z, y, x) and its mask stretched to ``shape``, both linearly.

    What lies outside of the mask has no part in it: sums and weights are interpolated alike.

    Parameters
    ----------
    image : ndarray, shape (c, z, y, x)
    mask : ndarray of bool, shape (z, y, x)
    box : Box
        Of :func:`.places.head_box`.
    shape : tuple of int
    """
    inside = mask[_within(box)]
    weight = _stretched(inside.astype(np.float32), shape)
    channels = [
        _stretched(np.where(inside, channel[_within(box)], 0).astype(np.float32), shape)
        for channel in image
    ]
    shown = weight > 0.5
    return np.where(shown, np.stack(channels) / np.where(shown, weight, 1), 0), shown


def from_box(image: Image, box: Box, size: Shape) -> NDArray[np.float32]:
    """Return an image (c, z, y, x) of the common box on a grid of ``size``, 0 outside ``box``."""
    made = np.zeros((len(image), *size), dtype=np.float32)
    for channel, common in zip(made, image, strict=True):
        channel[_within(box)] = _stretched(common.astype(np.float32), box_shape(box))
    return made


def _within(box: Box) -> tuple[slice, slice, slice]:
    return slice(box[0], box[1]), slice(box[2], box[3]), slice(box[4], box[5])


def _stretched(image: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """Return an image (z, y, x) on another number of voxels, the middles of its ends kept."""
    steps = [(a - 1) / max(b - 1, 1) for a, b in zip(image.shape, shape, strict=True)]
    return ndimage.affine_transform(
        image, np.diag(steps), output_shape=shape, order=1, mode="nearest"
    )
