"""An irregular lesion in white matter, with a texture of known strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.phantom import HeadPhantomConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom.anatomy import Anatomy, Map
from harmonize_kit.phantom.people import Person
from harmonize_kit.phantom.splines import grid_points, random_field

GROUPS = ("low", "high")
IRREGULARITY = 0.3  # SD of the outline, relative to the semi-axes
OUTLINE_KNOTS_MM = 9.0
TEXTURE_KNOTS_MM = 5.0


@dataclass(frozen=True)
class LesionTraits:
    """What biology planted in a lesion: the truth behind its radiomics.

    Parameters
    ----------
    centre_mm : ndarray, shape (3,)
        Position z, y, x from the first voxel.
    radius_mm : ndarray, shape (3,)
        Semi-axes; they grow with age.
    heterogeneity : float
        SD of log T1 inside the lesion; set by group.
    t1_factor : float
        Mean ratio of T1 to that of a young lesion; rises with age and levels off.
    """

    centre_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    heterogeneity: float
    t1_factor: float


def draw_traits(
    config: HeadPhantomConfig, person: Person, sites: NDArray[np.float64], rng: np.random.Generator
) -> LesionTraits:
    """Draw the lesion of a person; group sets its heterogeneity, age its size and its T1.

    Raises
    ------
    ConfigError
        If the group is neither ``low`` nor ``high``.
    """
    if person.group not in GROUPS:
        raise ConfigError(
            f"{person.subject}: the group of a head must be one of {GROUPS}, the grades of its "
            f"lesion, got '{person.group}'"
        )
    low, high = config.age_range
    years = (person.age - low) / (high - low)  # 0 to 1
    typical = config.heterogeneity[GROUPS.index(person.group)]
    return LesionTraits(
        centre_mm=sites[rng.integers(len(sites))],
        radius_mm=rng.uniform(*config.lesion_radius_mm, size=3)
        * (1.0 + config.lesion_growth * years**2),
        heterogeneity=typical * float(np.exp(config.heterogeneity_spread * rng.standard_normal())),
        t1_factor=float(
            np.exp(config.lesion_ageing * np.sqrt(years) + 0.05 * rng.standard_normal())
        ),
    )


def lesion_fraction(
    anatomy: Anatomy, traits: LesionTraits, parenchyma: Map, rng: np.random.Generator
) -> Map:
    """Return the share of each voxel that is lesion, shape (z, y, x).

    An ellipsoid whose surface is moved in and out by a smooth random field; where the field cuts
    off islands, the largest part stays. It grows in ``parenchyma`` (share of grey and white
    matter) only, so it stops at ventricles and sulci.
    """
    outline = random_field(anatomy.extent_mm, anatomy.spacing, OUTLINE_KNOTS_MM, rng)
    z, y, x = np.ix_(*(grid_points(length, anatomy.spacing) for length in anatomy.extent_mm))
    squares = (
        ((points - centre) / radius) ** 2
        for points, centre, radius in zip(
            (z, y, x), traits.centre_mm, traits.radius_mm, strict=True
        )
    )
    inward = 1.0 - np.sqrt(sum(squares)) + IRREGULARITY * outline
    distance = inward * traits.radius_mm.mean() / anatomy.spacing  # in voxels, positive inside
    fraction = (np.clip(distance + 0.5, 0.0, 1.0) * parenchyma).astype(np.float32)

    parts, count = ndimage.label(fraction >= 0.5)
    if count > 1:
        sizes = np.bincount(parts.ravel())[1:]
        fraction[(parts > 0) & (parts != 1 + int(np.argmax(sizes)))] = 0.0
    return fraction


def lesion_texture(
    anatomy: Anatomy, traits: LesionTraits, mask: NDArray[np.bool_], rng: np.random.Generator
) -> Map:
    """Return the factor on T1 inside the lesion, shape (z, y, x).

    Its logarithm has exactly the planted heterogeneity as SD inside the mask, so that the truth
    is the number drawn and not a sample of it.
    """
    field = random_field(anatomy.extent_mm, anatomy.spacing, TEXTURE_KNOTS_MM, rng)
    inside = field[mask]
    spread = float(inside.std())
    standard = (field - inside.mean()) / (spread if spread > 0.0 else 1.0)
    return (traits.t1_factor * np.exp(traits.heterogeneity * standard)).astype(np.float32)
