"""Which voxels of the brain are fluid, grey and white matter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from harmonize_kit.config.quality import Contrast
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.quality.grid import Bool3, Float3
from harmonize_kit.preprocess.quality.morphology import Spacing
from harmonize_kit.preprocess.tissue_classes import tissue_classes

SMOOTHING_MM = 1.0
ORDER: dict[Contrast, tuple[str, str, str]] = {
    "t1": ("csf", "gm", "wm"),
    "t2": ("wm", "gm", "csf"),
    "flair": ("csf", "wm", "gm"),
}
"""Tissues from dark to bright."""


def tissue_masks(
    image: Float3, brain: Bool3, spacing: Spacing, contrast: Contrast
) -> dict[str, Bool3]:
    """Return the masks of csf, gm and wm: each voxel of the brain belongs to one.

    Fuzzy c-means of a copy smoothed within the brain by an SD of 1 mm. Classes of the image
    itself would cut its noise at their borders, and the noise within a class would hardly grow
    with that of the image; MRIQC's segmentation looks at neighbours for the same reason.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities, best corrected for nonuniformity.
    brain : ndarray of bool, shape (z, y, x)
    spacing : tuple of float
        In mm along z, y, x.
    contrast : {"t1", "t2", "flair"}
        How the tissues are ordered by intensity.

    Raises
    ------
    PreprocessingError
        If the brain holds fewer than three intensities.
    """
    widths = [SMOOTHING_MM / step for step in spacing]
    weight = ndimage.gaussian_filter(brain.astype(np.float64), widths)
    smooth = ndimage.gaussian_filter(np.where(brain, image, 0.0), widths)
    smooth = np.divide(smooth, weight, out=np.zeros_like(smooth), where=brain)
    grid = Geometry(image.shape[::-1], (spacing[2], spacing[1], spacing[0]))
    classes = tissue_classes(Volume(smooth, grid, brain.astype(np.uint8))).hard()
    return {tissue: classes == number for number, tissue in enumerate(ORDER[contrast], 1)}
