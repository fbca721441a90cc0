"""Measures of the brain: its tissues, its nonuniformity and its sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.config.quality import Contrast, QualityConfig
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.quality.grid import Bool3, Float3
from harmonize_kit.preprocess.quality.morphology import Spacing, bounding_box
from harmonize_kit.preprocess.quality.noise import summary
from harmonize_kit.preprocess.quality.nonuniformity import Nonuniformity, nonuniformity
from harmonize_kit.preprocess.quality.tissues import tissue_masks

WHITE = 1000.0
"""Median of white matter to which MRIQC scales an image before it summarises it."""

Summaries = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Brain:
    """What was measured of a brain.

    Parameters
    ----------
    tissues : dict
        Statistics of csf, gm and wm with the median of wm at 1000; empty where there are none.
    scale : float
        Factor that puts the median of white matter at 1000; 1 without tissues.
    field : Nonuniformity, optional
    """

    tissues: Summaries
    scale: float
    field: Nonuniformity | None


def measure_brain(
    image: Float3, brain: Bool3, spacing: Spacing, contrast: Contrast, config: QualityConfig
) -> Brain:
    """Return the statistics of tissues of a brain, corrected for nonuniformity if that is wanted.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities.
    brain : ndarray of bool, shape (z, y, x)
    spacing : tuple of float
        In mm along z, y, x.
    contrast : {"t1", "t2", "flair"}
    config : QualityConfig
    """
    box = bounding_box(brain)
    image, brain = image[box], brain[box]
    field = nonuniformity(image, brain, spacing) if config.nonuniformity else None
    if field is not None:
        image = image / field.field
    try:
        masks = tissue_masks(image, brain, spacing, contrast)
    except PreprocessingError:
        return Brain({}, 1.0, field)
    white = float(np.median(image[masks["wm"]])) if masks["wm"].any() else 0.0
    if white <= 0.0 or not all(mask.any() for mask in masks.values()):
        return Brain({}, 1.0, field)
    scale = WHITE / white
    return Brain({name: summary(image[mask] * scale) for name, mask in masks.items()}, scale, field)
