"""What the cases of the corpus are made of: a small image and mask, changed in one place.

A case is a function that writes into a folder of its own and returns the names of image and mask.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from corpus.formats import (
    Edit,
    nifti,
    voxels,
)
from numpy.typing import NDArray

Names = tuple[str, str]
MAKERS: dict[str, Callable[[Path], Names]] = {}
PATIENT = "DOE^JANE^1970"


def case(maker: Callable[[Path], Names]) -> Callable[[Path], Names]:
    MAKERS[maker.__name__.lstrip("_")] = maker
    return maker


def array() -> NDArray[np.int16]:
    """Smooth noise, (z, y, x) = (12, 13, 14)."""
    rng = np.random.default_rng(55)
    z, y, x = np.mgrid[:12, :13, :14]
    values = 300 + 60 * np.sin(x / 3) * np.cos(y / 4) + 5 * z + rng.normal(0, 25, x.shape)
    return values.round().astype(np.int16)


def ball() -> NDArray[np.uint8]:
    z, y, x = np.mgrid[:12, :13, :14]
    inside = (z - 6) ** 2 + (y - 6) ** 2 + (x - 7) ** 2 <= 16
    return inside.astype(np.uint8)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def flipped(content: bytes) -> bytes:
    """One bit flipped in the middle of the region; stored, so that nothing else changes."""
    damaged = bytearray(content)
    first = content.index(voxels(array())[:64])
    damaged[first + 2 * ((6 * 13 + 6) * 14 + 7) + 1] ^= 0x10
    return bytes(damaged)


def put(
    here: Path,
    image: bytes,
    name: str = "image.nii.gz",
    mask: bytes | None = None,
    mask_name: str = "mask.nii.gz",
) -> Names:
    (here / name).write_bytes(image)
    (here / mask_name).write_bytes(packed(nifti(ball())) if mask is None else mask)
    return name, mask_name


def edited(here: Path, edit: Edit, **options: Any) -> Names:
    return put(here, packed(nifti(array(), None, edit, **options)))


def both_edited(here: Path, edit: Edit) -> Names:
    image, mask = (packed(nifti(part, None, edit)) for part in (array(), ball()))
    return put(here, image, mask=mask)


def valued(here: Path, values: NDArray[Any], **options: Any) -> Names:
    return put(here, packed(nifti(values)), **options)


def masked(here: Path, mask: NDArray[Any], **options: Any) -> Names:
    return put(here, packed(nifti(array())), mask=packed(nifti(mask, **options)))


def placed(here: Path, affine: NDArray[np.float64]) -> Names:
    """The whole image, and the mask on a grid of its own."""
    return put(here, packed(nifti(array())), mask=packed(nifti(ball(), affine)))


def both_placed(here: Path, affine: NDArray[np.float64], **options: Any) -> Names:
    image, mask = (packed(nifti(part, affine, **options)) for part in (array(), ball()))
    return put(here, image, mask=mask)


@case
def whole(here: Path) -> Names:
    return put(here, packed(nifti(array())))
