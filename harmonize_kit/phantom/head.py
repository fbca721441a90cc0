"""A head before any scanner: tissue fractions, T1 factors and labels of one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.phantom import HeadPhantomConfig
from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom.anatomy import Anatomy, Map
from harmonize_kit.phantom.lesion import (
    LesionTraits,
    draw_traits,
    lesion_fraction,
    lesion_texture,
)
from harmonize_kit.phantom.people import Person
from harmonize_kit.phantom.splines import grid_points, random_field

LESION_LABEL = 1
GREY_MATTER_LABEL = 2

DEFORMATION_KNOTS_MM = 35.0
TISSUE_KNOTS_MM = 10.0
CRISPNESS = 2.5


@dataclass(frozen=True)
class Head:
    """What a scanner looks at.

    Parameters
    ----------
    person : Person
    geometry : Geometry
    fractions : mapping of str to ndarray, shape (z, y, x)
        Share of csf, grey, white and lesion in each voxel; what is missing to 1 is air.
    t1_factors : mapping of str to ndarray, shape (z, y, x)
        Factor on the T1 of grey and white matter and of the lesion, voxel by voxel.
    mask : ndarray of uint8, shape (z, y, x)
        1 lesion, 2 grey matter, 0 elsewhere; known, not segmented, hence the same on any scanner.
    lesion : LesionTraits
        What was planted.
    """

    person: Person
    geometry: Geometry
    fractions: dict[str, Map]
    t1_factors: dict[str, Map]
    mask: NDArray[np.uint8]
    lesion: LesionTraits


def make_head(
    anatomy: Anatomy, person: Person, config: HeadPhantomConfig, rng: np.random.Generator
) -> Head:
    """Grow one person's head from the average anatomy.

    A smooth random displacement makes every brain its own; ageing widens ventricles and sulci
    (faster with age) and lengthens T1 a little; men's heads are larger by 3 % in length. The
    lesion replaces the tissue it lies in.

    Raises
    ------
    ConfigError
        If the lesion settings leave no voxel of lesion at this spacing, or the person's group is
        neither ``low`` nor ``high``.
    """
    traits = draw_traits(config, person, anatomy.lesion_sites, rng)
    low, high = config.age_range
    ageing = config.atrophy * ((person.age - low) / (high - low)) ** 2
    csf, grey, white = _tissues(anatomy, person, config.deformation_mm, ageing, rng)

    lesion = lesion_fraction(anatomy, traits, grey + white, rng)
    inside = lesion >= 0.5
    if not inside.any():
        raise ConfigError(
            f"expected a lesion of at least one voxel, got none for {person.subject} at a spacing "
            f"of {anatomy.spacing:g} mm; raise lesion_radius_mm or lower spacing"
        )
    healthy = {"csf": csf, "grey": grey, "white": white}
    fractions = {name: (part * (1 - lesion)).astype(np.float32) for name, part in healthy.items()}
    fractions["lesion"] = lesion
    speckle = random_field(anatomy.extent_mm, anatomy.spacing, TISSUE_KNOTS_MM, rng)
    tissue = np.exp(0.06 * ageing + 0.015 * rng.standard_normal() + 0.025 * speckle)
    factors = {
        "grey": tissue.astype(np.float32),
        "white": tissue.astype(np.float32),
        "lesion": lesion_texture(anatomy, traits, inside, rng),
    }
    mask = np.where(fractions["grey"] >= 0.5, GREY_MATTER_LABEL, 0).astype(np.uint8)
    mask[inside] = LESION_LABEL
    return Head(person, anatomy.geometry, fractions, factors, mask, traits)


def _tissues(
    anatomy: Anatomy, person: Person, deformation_mm: float, ageing: float, rng: np.random.Generator
) -> tuple[Map, Map, Map]:
    """Return the deformed fractions of cerebrospinal fluid, grey and white matter."""
    size = 1.0 + (0.015 if person.sex == "M" else -0.015) + 0.02 * rng.standard_normal()
    coordinates = np.empty((3, *anatomy.csf.shape), dtype=np.float32)
    for axis, length in enumerate(anatomy.extent_mm):
        wave = random_field(anatomy.extent_mm, anatomy.spacing, DEFORMATION_KNOTS_MM, rng)
        line = length / 2.0 + (grid_points(length, anatomy.spacing) - length / 2.0) / size  # mm
        along = np.expand_dims(line, tuple(i for i in range(3) if i != axis))
        # Each voxel looks up where its tissue comes from; looking towards the ventricles
        # brings them outwards.
        moved = deformation_mm * wave + 4.0 * ageing * anatomy.ventricle_pull[axis]
        coordinates[axis] = (along + moved) / anatomy.spacing

    csf, grey, white = (
        ndimage.map_coordinates(tissue, coordinates, order=1)
        for tissue in (anatomy.csf, anatomy.grey, anatomy.white)
    )
    brain = csf + grey + white
    # The atlas averages many brains and is blurred by it; a power sharpens it towards one brain.
    # Weighing fluid up before that moves the border of all fluid outwards: sulci widen.
    sharp = np.stack([(1.0 + ageing) * csf, grey, white]) ** CRISPNESS  # (3, z, y, x)
    sharp = (sharp * brain / np.maximum(sharp.sum(axis=0), 1e-6)).astype(np.float32)
    return sharp[0], sharp[1], sharp[2]
