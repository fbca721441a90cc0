"""One image with all the masks that its measures are taken in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.config.quality import QualityConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.quality.grid import (
    Bool3,
    CoarseGrid,
    Float3,
    array_spacing,
    height,
)
from harmonize_kit.preprocess.quality.masks import empty_border, head_mask, rough_brain
from harmonize_kit.preprocess.quality.morphology import Spacing, distance_to

EDGE_MM = 2.5
SCALP_MM = 10.0
"""From the top of the brain to the top of the head."""
THICKEST_MM = 3.5
"""Widest spacing at which a brain is looked for without a mask: thicker slices hide its border."""
SILENT = 0.01
"""Share of positive voxels outside the head below which its background was wiped."""


@dataclass(frozen=True)
class View:
    """An image and its parts; all masks are disjoint but for the brain, which is in the head.

    Parameters
    ----------
    image : ndarray of float64, shape (z, y, x)
        Finite intensities; voxels that were not are 0.
    spacing : tuple of float
        In mm along z, y, x.
    head : ndarray of bool, shape (z, y, x)
    empty : ndarray of bool, shape (z, y, x)
        Padding: zeros filled in at the border.
    hat : ndarray of bool, shape (z, y, x)
        Air above the plane of nasion and inion.
    distance : ndarray, shape (z, y, x)
        Distance from the head, in mm.
    brain : ndarray of bool, shape (z, y, x), or None
        None where it is not looked for, or not found.
    given : bool
        Whether the brain is the mask that the volume carried.
    silent : bool
        Whether the air holds no signal: the background was wiped.
    """

    image: Float3
    spacing: Spacing
    head: Bool3
    empty: Bool3
    hat: Bool3
    distance: Float3
    brain: Bool3 | None
    given: bool
    silent: bool


def view(volume: Volume, config: QualityConfig) -> View:
    """Return a volume's image with its masks."""
    image = np.nan_to_num(volume.as_float(), nan=0.0, posinf=0.0, neginf=0.0)
    spacing = array_spacing(volume.geometry)
    grid = CoarseGrid.of(image.shape, spacing, EDGE_MM)
    coarse = grid.mean(image)
    head = head_mask(coarse, grid.spacing)
    given = volume.mask is not None and bool(volume.mask.any())
    brain: Bool3 | None = None
    if volume.mask is not None and given:
        brain = volume.mask != 0
    elif config.brain and max(spacing) <= THICKEST_MM:
        rough = rough_brain(coarse, head, grid.spacing, config.brain_ml)
        brain = None if rough is None else grid.spread(rough)
    empty = grid.spread(empty_border(grid.largest(image)) & ~head)
    full_head = grid.spread(head)
    outside = ~full_head
    return View(
        image=image, spacing=spacing, head=full_head, empty=empty,
        hat=_hat(volume, outside & ~empty, full_head, brain, config),
        distance=grid.spread(distance_to(head, grid.spacing)),
        brain=brain, given=given,
        silent=not outside.any() or float((image[outside] > 0.0).mean()) < SILENT,
    )  # fmt: skip


def _hat(
    volume: Volume, air: Bool3, head: Bool3, brain: Bool3 | None, config: QualityConfig
) -> Bool3:
    """Return the air above a plane a fixed distance below the top of the brain."""
    if not config.brain or not head.any():
        return air
    up = height(volume.geometry)
    top = up[brain].max() if brain is not None else up[head].max() - SCALP_MM
    return air & (up > top - config.hat_mm)
