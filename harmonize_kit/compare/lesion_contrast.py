"""Whether a lesion stands out as it did: the first thing an image translator can destroy.

Models that match the distribution of images add and remove tumours where these are more frequent
at one site (Cohen, Luck and Honari 2018, MICCAI, arXiv:1805.08841).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from harmonize_kit.compare.arrays import Flags, Floats

GAP = 1  # voxels between lesion and rim, where both mix
RIM = 4  # voxels
LEAST_VOXELS = 8


def lesion_contrast(image: Floats, lesion: Flags, mask: Flags) -> float | None:
    """Return how far the lesion's mean lies from its surroundings, in their standard deviations.

    The surroundings are the voxels of ``mask`` at most five voxels from the lesion and not next to
    it. Positive where the lesion is brighter. Contrast-to-noise of a lesion against the tissue
    around it does not depend on the unit of the image.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
    lesion, mask : ndarray of bool, shape (z, y, x)

    Returns
    -------
    float or None
        None where lesion or surroundings have fewer than eight voxels, or the surroundings do not
        vary.
    """
    near = np.asarray(ndimage.binary_dilation(lesion, iterations=GAP), dtype=np.bool_)
    wide = np.asarray(ndimage.binary_dilation(near, iterations=RIM), dtype=np.bool_)
    around = image[wide & ~near & mask]
    inside = image[lesion]
    if min(len(around), len(inside)) < LEAST_VOXELS:
        return None
    noise = float(around.std())
    if noise <= 1e-12 * float(np.abs(around).max()):
        return None
    return float(inside.mean() - around.mean()) / noise
