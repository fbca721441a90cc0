"""Real heads as two scanners show them: R as they are, S rendered from them by a known law.

S is made of the voxels of R: contrast by tissue, gamma, coil, and for one family blur and noise.
Whoever is rendered in both has a truth in each. Intensities are in units of white matter's median.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]

# Tissue classes by the labels of DLMUSE; all from 100 on are cortex.
CLASSES = {
    "csf": (1, 4, 11, 49, 50, 51, 52),
    "cortex": tuple(range(100, 208)),
    "deep grey": (23, 30, 31, 32, 36, 37, 47, 48, 57, 58, 75, 76),
    "thalamus": (55, 56, 59, 60, 61, 62),
    "white": (40, 41, *range(81, 96)),
    "cerebellum": (38, 39, 71, 72, 73),
    "brainstem": (35,),
}
# By class: what R shows; what S adds to it; by how much that addition differs between subjects of
# the family "varying" (uniform, half of the range); and what becomes of texture.
CONTRAST = {
    "csf": (0.41, 0.09, 0.12, 0.8),
    "cortex": (0.74, 0.04, 0.08, 1.0),
    "deep grey": (0.88, -0.14, 0.12, 1.0),
    "thalamus": (0.98, -0.16, 0.14, 1.0),
    "white": (1.00, 0.00, 0.00, 1.0),
    "cerebellum": (0.80, 0.10, 0.10, 0.9),
    "brainstem": (1.00, -0.12, 0.10, 1.0),
}


@dataclass(frozen=True)
class Family:
    """How S differs from R.

    Parameters
    ----------
    shift : float
        Times the additions of ``CONTRAST``.
    varying : float
        Times their half ranges, drawn for each subject and class.
    gamma, gamma_range : float
        Middle and half of the range of the exponent, drawn for each subject.
    coil, visit : float
        Of the log gain over the head: the same in all, and by subject.
    blur : float
        Standard deviation in voxels.
    noise : float
        Of Rician noise, in units of white matter.
    """

    shift: float = 1.0
    varying: float = 0.0
    gamma: float = 0.85
    gamma_range: float = 0.04
    coil: float = 0.14
    visit: float = 0.05
    blur: float = 0.0
    noise: float = 0.0


FAMILIES = {
    "place": Family(),
    "varying": Family(varying=1.0, gamma_range=0.15),
    "noise": Family(shift=0.5, gamma=0.92, blur=0.6, noise=0.03),
}
REFERENCE = "R"
LESIONS = 6
LESION_DEPTH = {"R": 0.28, "S": 0.14}
# Voxels of 2 mm: the box every brain is brought to, and how far it lies from the border.
BOX, MARGIN = (64, 88, 64), 4
SPACING = 2.0
TRAINING, VALIDATION = 18, 4


def splits(participants: pd.DataFrame) -> pd.DataFrame:
    """Deal subjects out by age: 18 to train in each site, 4 to choose by, the others to judge by.

    Parameters
    ----------
    participants : DataFrame
        ``MRID``, ``Age``, ``Sex``.
    """
    people = participants.sort_values(["Age", "MRID"]).reset_index(drop=True)
    n = len(people)
    order = np.empty(n, dtype=object)
    test = n - 2 * TRAINING - VALIDATION
    wanted = {"train S": TRAINING, "train R": TRAINING, "validation": VALIDATION, "test": test}
    dealt = dict.fromkeys(wanted, 0)
    for place in range(n):
        # Whoever is furthest behind its share of those dealt so far; ties by turns.
        names = list(wanted) if place % 2 else list(wanted)[::-1]
        behind = {name: wanted[name] * (place + 1) / n - dealt[name] for name in names}
        order[place] = max(behind, key=lambda name: behind[name])
        dealt[str(order[place])] += 1
    return people.assign(part=order)


def to_box(image: sitk.Image, labels: sitk.Image) -> tuple[Image, Labels]:
    """Return a head on the common grid: its brain's bounding box brought to one size and place.

    Cubic splines for the image, nearest neighbours for labels; arrays (z, y, x) from the feet up,
    from the front back, from the right to the left.
    """
    image, labels = (sitk.DICOMOrient(one, "LPS") for one in (image, labels))
    values = sitk.GetArrayFromImage(image).astype(np.float64)
    regions = sitk.GetArrayFromImage(labels).astype(np.int64)
    found = np.argwhere(regions > 0)
    low, high = found.min(axis=0), found.max(axis=0)
    scale = (high - low) / (np.array(BOX) - 1)
    start = low - MARGIN * scale
    size = tuple(length + 2 * MARGIN for length in BOX)
    moved = ndimage.affine_transform(values, scale, start, size, order=3, mode="nearest")
    kept = ndimage.affine_transform(regions, scale, start, size, order=0, mode="constant")
    return np.where(kept > 0, np.maximum(moved, 0.0), 0.0), kept


def class_of(labels: Labels) -> dict[str, Flags]:
    """Return the voxels of each tissue class."""
    return {name: np.isin(labels, numbers) for name, numbers in CLASSES.items()}


def lesions(labels: Labels, count: int, rng: np.random.Generator) -> Image:
    """Return a map from 0 to 1 of round lesions in white matter."""
    white = np.isin(labels, (81, 82, 83, 84, 85, 86, 87, 88))
    places = np.argwhere(ndimage.binary_erosion(white, iterations=2))
    depth = np.zeros(labels.shape)
    grid = np.indices(labels.shape).transpose(1, 2, 3, 0)
    for _ in range(count):
        centre = places[rng.integers(len(places))]
        radius = rng.uniform(2.0, 3.2) * rng.uniform(0.85, 1.15, size=3)
        away = np.sqrt((((grid - centre) / radius) ** 2).sum(axis=-1))
        depth = np.maximum(depth, np.clip(1.5 * (1.2 - away), 0.0, 1.0))
    return np.where(labels > 0, depth, 0.0)


def as_reference(image: Image, lesion: Image) -> Image:
    """Return the head as R shows it: as it is, with lesions."""
    return image * (1 - LESION_DEPTH["R"] * lesion)


def as_site(
    image: Image, labels: Labels, lesion: Image, family: Family, rng: np.random.Generator
) -> Image:
    """Return the head as S shows it.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Without lesions, white matter's median 1, background 0.
    labels : ndarray of int, shape (z, y, x)
    lesion : ndarray, shape (z, y, x)
        As :func:`lesions` gives it.
    family : Family
    rng : Generator
        Of this subject on this scanner.
    """
    inside = labels > 0
    members = {
        name: ndimage.gaussian_filter(flags.astype(np.float64), 0.7)
        for name, flags in class_of(labels).items()
    }
    total = np.maximum(sum(members.values()), 1e-9)
    made = np.zeros(image.shape)
    for name, share in members.items():
        shown, shift, half, texture = CONTRAST[name]
        shift = family.shift * shift + family.varying * half * rng.uniform(-1, 1)
        gain = 1 - (1 - texture) * family.shift
        made += share / total * (shown + shift + gain * (image - shown))
    made *= 1 - LESION_DEPTH["S"] * lesion
    gamma = family.gamma + family.gamma_range * rng.uniform(-1, 1)
    made = np.maximum(made, 0.0) ** gamma * _gain(labels.shape, family, rng)
    if family.blur:
        # The brain alone is blurred: skull and air are not there to be mixed in.
        weight = ndimage.gaussian_filter(inside.astype(np.float64), family.blur)
        made = ndimage.gaussian_filter(np.where(inside, made, 0.0), family.blur)
        made = made / np.maximum(weight, 1e-6)
    if family.noise:
        real, imaginary = rng.normal(0.0, family.noise, size=(2, *image.shape))
        made = np.hypot(made + real, imaginary)
    return np.where(inside, made, 0.0)


def _gain(shape: tuple[int, ...], family: Family, rng: np.random.Generator) -> Image:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    coil = y + 0.6 * z - 0.8 * x**2 + 0.5 * y * z
    visit = sum(rng.normal() * part for part in (x, y, z, x * y, y * z, x**2 - y**2))
    return np.exp(family.coil * coil + family.visit * visit)


def write(array: NDArray[np.generic], path: Path) -> None:
    """Write an array (z, y, x) of the common grid as NIfTI."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((SPACING,) * 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
