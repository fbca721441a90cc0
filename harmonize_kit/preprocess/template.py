"""Templates that heads are registered to, and the grids they are resampled on."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import ConfigError
from harmonize_kit.storage.images import read_image, read_mask

# nilearn's arrays run from right to left, back to front in RAS; ITK counts in LPS.
RAS_IN_LPS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
BRATS_SIZE = (240, 240, 155)


def load_template(config: RegistrationConfig) -> Volume:
    """Return the template image at its own resolution, with its brain mask where there is one.

    Raises
    ------
    ConfigError
        If the configuration names no template, or mask and image of one given by path differ in
        their grids.
    ImageError
        If a file cannot be read.
    """
    if config.template == "none":
        raise ConfigError("expected the name or the path of a template, got template: none")
    if config.template == "mni152":
        return _mni152()
    changed = Path(config.template).stat().st_mtime_ns if Path(config.template).exists() else 0
    return _read(config.template, config.template_mask, changed)


def output_geometry(config: RegistrationConfig, template: Volume) -> Geometry:
    """Return the grid that images are resampled on, in the space of the template.

    At 2 mm it holds every second voxel of the 1 mm grid, as nilearn's does. The "brats" grid is
    centred on the template's brain (on its box, without a brain mask).
    """
    geometry = template.geometry
    if config.grid == "brats":
        return _brats(template)
    if config.template != "mni152" or config.resolution == 1:
        return geometry
    x, y, z = ((count + 1) // 2 for count in geometry.size)
    return replace(geometry, size=(x, y, z), spacing=(2.0, 2.0, 2.0))


@lru_cache(maxsize=1)
def _mni152() -> Volume:
    """ICBM152 2009a symmetric (Fonov et al. 2011, NeuroImage 54:313), 1 mm, skull-stripped."""
    from nilearn import datasets

    loaders = ("load_mni152_template", "load_mni152_brain_mask")
    image, brain = (getattr(datasets, name)(resolution=1) for name in loaders)
    head = np.ascontiguousarray(np.asarray(image.dataobj, dtype=np.float32).T)
    mask = np.ascontiguousarray((np.asarray(brain.dataobj) > 0).T.astype(np.uint8))
    x, y, z = (float(value) for value in np.asarray(image.affine)[:3, 3])
    head = np.where(mask > 0, head, np.float32(0.0))
    for kept in (head, mask):
        kept.setflags(write=False)
    size = cast(tuple[int, int, int], head.shape[::-1])
    return Volume(head, Geometry(size, (1.0, 1.0, 1.0), (-x, -y, z), RAS_IN_LPS), mask)


@lru_cache(maxsize=2)
def _read(image: str, mask: str | None, changed: int) -> Volume:
    del changed  # a template written anew under its name is read anew
    volume = read_image(Path(image))
    if mask is None:
        return volume
    brain = read_mask(Path(mask))
    difference = volume.geometry.difference(brain.geometry, 1e-4)
    if difference is not None:
        raise ConfigError(
            f"template and template_mask must lie on one grid, got {difference} "
            f"({image} and {mask})"
        )
    return replace(volume, mask=(brain.array > 0).astype(np.uint8))


def _brats(template: Volume) -> Geometry:
    geometry = template.geometry
    middle = (np.asarray(geometry.size) - 1) / 2
    if template.mask is not None and np.any(template.mask):
        middle = _middle_of_box(template.mask)
    direction = np.asarray(geometry.direction).reshape(3, 3)
    centre = direction @ (middle * geometry.spacing) + geometry.origin
    corner = centre - direction @ ((np.asarray(BRATS_SIZE) - 1) / 2)
    x, y, z = (float(value) for value in corner)
    return Geometry(BRATS_SIZE, (1.0, 1.0, 1.0), (x, y, z), geometry.direction)


def _middle_of_box(mask: NDArray[Any]) -> NDArray[np.float64]:
    """Return the middle of the box round a mask, as an index x, y, z."""
    axes = [np.flatnonzero(mask.any(axis=other)) for other in ((0, 1), (0, 2), (1, 2))]
    return np.asarray([(where[0] + where[-1]) / 2 for where in axes], dtype=np.float64)
