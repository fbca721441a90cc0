"""Measures of what is in the field of view: sharpness, evenness of slices, and what is cut off."""

from __future__ import annotations

import numpy as np

from harmonize_kit.core.volume import Geometry
from harmonize_kit.preprocess.quality.completeness import cut, cut_anywhere
from harmonize_kit.preprocess.quality.contrast import Metrics
from harmonize_kit.preprocess.quality.grid import anatomical_axes
from harmonize_kit.preprocess.quality.sharpness import fwhm
from harmonize_kit.preprocess.quality.slices import slice_steps
from harmonize_kit.preprocess.quality.views import View


def grid_metrics(geometry: Geometry) -> Metrics:
    """Return size_* and spacing_* along the anatomical axes x, y, z."""
    axes = dict(zip("xyz", anatomical_axes(geometry), strict=True))
    sizes: Metrics = {f"size_{name}": float(geometry.size[2 - axis]) for name, axis in axes.items()}
    return sizes | {f"spacing_{name}": geometry.spacing[2 - axis] for name, axis in axes.items()}


def extent_metrics(seen: View, geometry: Geometry) -> Metrics:
    """Return fwhm_*, slice_jump, odd_even, cut_top, cut_brain and volumes in ml.

    Sharpness and slices are looked at in the brain or, where it is unknown, in the head.
    """
    axes = dict(zip("xyz", anatomical_axes(geometry), strict=True))
    inside = seen.head if seen.brain is None else seen.brain
    widths = fwhm(seen.image, inside)
    metrics: Metrics = {f"fwhm_{name}": widths[axis] for name, axis in axes.items()}
    known = [width for width in widths if width is not None]
    metrics["fwhm_avg"] = sum(known) / 3.0 if len(known) == 3 else None

    steps = [slice_steps(seen.image, inside, axis) for axis in range(3)]
    metrics["slice_jump"] = max((step[0] for step in steps if step is not None), default=None)
    metrics["odd_even"] = max((step[1] for step in steps if step is not None), default=None)

    rises = np.asarray(geometry.direction).reshape(3, 3)[2, 2 - axes["z"]] > 0.0
    metrics["cut_top"] = cut(seen.head, axes["z"], -1 if rises else 0)
    metrics["cut_brain"] = None if seen.brain is None else cut_anywhere(seen.brain)
    voxel_ml = float(np.prod(seen.spacing)) / 1000.0
    metrics["head_ml"] = float(seen.head.sum()) * voxel_ml
    metrics["brain_ml"] = None if seen.brain is None else float(seen.brain.sum()) * voxel_ml
    return metrics
