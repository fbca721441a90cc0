"""Patches moved by torchio, as they are read: turned, scaled, shifted and bent."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harmonize_kit.errors import DependencyError
from harmonize_kit.translation.augmentation import Variation, margin
from harmonize_kit.translation.parts import Part
from harmonize_kit.translation.places import places_on
from harmonize_kit.translation.store import INSIDE, SliceStore

# Where the nearest voxel is inside, those inside weigh an eighth at least.
LEAST_WEIGHT = 0.125
Moved = tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.float32]]


def move_patch(store: SliceStore, part: Part, variation: Variation, row: int) -> Moved:
    """Return images (c, z, y, x), regions (1, z, y, x) and places (3, z, y, x) of a moved patch.

    As slices are (:mod:`.augmentation_slices`). A patch that does not move is as it is read.

    Parameters
    ----------
    store : SliceStore
    part : Part
        The patch to be shown; what may come to lie in it is read with it.
    variation : Variation
    row : int
        Which of the variation's images it is.

    Raises
    ------
    DependencyError
        If torchio is not installed.
    """
    if not bool(variation.moved[row]):
        return *part.read(store, None), places_on(part.places())
    tio = import_torchio()
    size = part.spans[0].stop - part.spans[0].start
    degrees, scales, shifts = (
        tuple(float(value) for value in values[row])
        for values in (variation.degrees, variation.scales, variation.shifts)
    )
    bends = variation.bends[row].double().numpy()
    elastic = float(np.abs(bends).max())
    around = margin(
        size, 3, degrees=sum(map(abs, degrees)), scale=min(scales), shift=max(map(abs, shifts)),
        elastic=elastic,
    )  # fmt: skip
    wide = part.widened(around)
    images, regions = wide.read(store, None)
    given = np.concatenate([images, regions >= INSIDE]).astype(np.float32)
    subject = tio.Subject(
        images=tio.ScalarImage(tensor=_tensor(given)),
        places=tio.ScalarImage(tensor=_tensor(places_on(wide.places()))),
        regions=tio.LabelMap(tensor=_tensor(regions)),
    )
    affine = {
        "scales": scales,
        "degrees": degrees,
        "translation": tuple(size * shift for shift in shifts),
        "default_pad_value": 0.0,
    }
    if elastic > 0:
        points = {
            "control_points": size * np.moveaxis(bends, 0, -1),
            "max_displacement": (size * elastic,) * 3,
        }
        transform = tio.AffineElasticDeformation(True, affine, points)
    else:
        transform = tio.Affine(**affine)
    # Called by its name, torchio would draw from torch's own generator whether to do it.
    moved = transform.apply_transform(subject)
    sampled, places, near = (_array(moved[name]) for name in ("images", "places", "regions"))
    middle = (slice(None), *[slice(around, around + size)] * 3)
    sampled, places, near = sampled[middle], places[middle], near[middle]
    inside = near >= INSIDE
    images = np.where(inside, sampled[:-1] / np.maximum(sampled[-1:], LEAST_WEIGHT), 0)
    return images.astype(np.float32), near.astype(np.uint8), places.astype(np.float32)


def import_torchio() -> Any:
    """Return torchio.

    Raises
    ------
    DependencyError
        If it is not installed.
    """
    try:
        return importlib.import_module("torchio")
    except ImportError as error:
        raise DependencyError(
            "training.augmentation of patches needs torchio; install it with pip install "
            "'harmonize-kit[augment]', or leave augmentation out"
        ) from error


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array))


def _array(image: Any) -> NDArray[Any]:
    return image.data.numpy()
