"""The anatomy every simulated head starts from: MNI152 tissue maps on a grid of our choice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom.splines import grid_points

MARGIN_MM = 15.0
# The posterior, left and inferior corner of the array lies at the smallest RAS coordinates, so in
# ITK's LPS convention x and y run backwards along the array.
DIRECTION = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Anatomy:
    """Tissue fractions of an average head.

    Parameters
    ----------
    geometry : Geometry
        Isotropic grid in MNI space, ITK (LPS) convention.
    csf, grey, white : ndarray, shape (z, y, x)
        Share of each tissue in a voxel; what is missing to 1 lies outside the brain.
    ventricle_pull : ndarray, shape (3, z, y, x)
        Direction towards the ventricles along z, y, x, at most of length 1, fading with distance.
    lesion_sites : ndarray, shape (n, 3)
        Positions z, y, x in deep white matter, in mm from the first voxel, where a lesion may lie.
    extent_mm : tuple of float
        Length of the box along z, y, x; the same at every spacing.
    """

    geometry: Geometry
    csf: Map
    grey: Map
    white: Map
    ventricle_pull: Map
    lesion_sites: NDArray[np.float64]
    extent_mm: tuple[float, float, float]

    @property
    def spacing(self) -> float:
        """Distance of voxel centres in mm."""
        return self.geometry.spacing[0]


@lru_cache(maxsize=2)
def load_anatomy(spacing: float = 3.0) -> Anatomy:
    """Return the average anatomy at a spacing in mm; read once, then kept.

    Grey and white matter are the ICBM152 2009a maps that nilearn ships (Fonov et al. 2011,
    NeuroImage 54:313); no network is needed. The rest of the brain mask is cerebrospinal fluid:
    ventricles, cisterns and sulci. Maps are smoothed to the voxel size before they are sampled, so
    that a coarse voxel holds the average of its content rather than its centre.

    Parameters
    ----------
    spacing : float
        Distance of voxel centres in mm, at least the 1 mm of the maps.

    Raises
    ------
    ConfigError
        If the spacing is finer than the maps.
    """
    if not spacing >= 1.0:
        raise ConfigError(f"expected a spacing of at least 1 mm, as the atlas has, got {spacing}")
    brain, grey, white, corner = _millimetre_maps()
    extent = cast(tuple[float, float, float], tuple(float(n - 1) for n in brain.shape))
    deep = _deep_white_matter(white, corner)

    brain, grey, white = (_sample(tissue, spacing, extent) for tissue in (brain, grey, white))
    csf = np.clip(brain - grey - white, 0.0, 1.0)
    x, y, z = corner
    size = cast(tuple[int, int, int], csf.shape[::-1])
    geometry = Geometry(size, (spacing, spacing, spacing), (-x, -y, z), DIRECTION)
    pull = _ventricle_pull(csf, corner, spacing)
    for kept in (csf, grey, white, pull, deep):
        kept.setflags(write=False)
    return Anatomy(geometry, csf, grey, white, pull, deep, extent)


def _millimetre_maps() -> tuple[Map, Map, Map, tuple[float, float, float]]:
    """Return brain mask, grey and white matter at 1 mm, (z, y, x), and the RAS of voxel 0."""
    from nilearn import datasets

    loaders = ("load_mni152_brain_mask", "load_mni152_gm_template", "load_mni152_wm_template")
    images: list[Any] = [getattr(datasets, name)(resolution=1) for name in loaders]
    maps = [np.asarray(image.dataobj, dtype=np.float32).T for image in images]
    maps = [np.clip(tissue, 0.0, 1.0) * (maps[0] > 0) for tissue in maps]

    inside = np.argwhere(maps[0] > 0)
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    margin = int(MARGIN_MM)
    brain, grey, white = (np.pad(tissue[box], margin) for tissue in maps)
    affine = np.asarray(images[0].affine, dtype=np.float64)
    corner = affine[:3, :3] @ (low[::-1] - margin) + affine[:3, 3]
    return brain, grey, white, (float(corner[0]), float(corner[1]), float(corner[2]))


def _sample(tissue: Map, spacing: float, extent_mm: tuple[float, float, float]) -> Map:
    """Sample a 1 mm map at a coarser spacing after averaging it over about one voxel."""
    # A Gaussian of this width has the variance of a box one voxel wide.
    averaged = ndimage.gaussian_filter(tissue, np.sqrt((spacing**2 - 1.0) / 12.0))
    points = np.meshgrid(*(grid_points(length, spacing) for length in extent_mm), indexing="ij")
    return ndimage.map_coordinates(averaged, points, order=1)


def _ventricle_pull(csf: Map, corner: tuple[float, float, float], spacing: float) -> Map:
    """Return the direction towards the lateral and third ventricles, shape (3, z, y, x)."""
    x, y, z = _mni(csf.shape, corner, spacing)
    central = (np.abs(x) < 25.0) & (np.abs(y + 5.0) < 45.0) & (np.abs(z - 15.0) < 20.0)
    near = ndimage.gaussian_filter(((csf > 0.5) & central).astype(np.float32), 8.0 / spacing)
    slopes = cast(list[Map], np.gradient(near))
    pull = np.stack(slopes)
    return (pull / np.sqrt(np.max(np.sum(pull**2, axis=0)))).astype(np.float32)


def _deep_white_matter(white: Map, corner: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return positions surrounded by white matter of the hemispheres, (n, 3), mm from voxel 0."""
    step = 4
    share = ndimage.uniform_filter(white, 13)[::step, ::step, ::step]
    x, _, z = _mni(share.shape, corner, float(step))
    found = np.argwhere((share > 0.6) & (np.abs(x) > 15.0) & (z > -5.0))
    return found.astype(np.float64) * step


def _mni(
    shape: tuple[int, ...], corner: tuple[float, float, float], spacing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return x, y, z in MNI space, mm, as arrays that broadcast to (z, y, x)."""
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return corner[0] + spacing * x, corner[1] + spacing * y, corner[2] + spacing * z
