"""Ghosts: copies of the head in the air, half a field of view away."""

from __future__ import annotations

import numpy as np

from harmonize_kit.preprocess.quality.grid import Bool3, Float3

FEWEST = 500


def ghost_to_signal(image: Float3, head: Bool3, air: Bool3, axis: int) -> float | None:
    """Return the ghost-to-signal ratio along one axis of the array.

    Mean of the air where a head shifted by half the field of view would lie, less the mean of the
    other air, over the median of the head (Giannelli et al. 2010, J Appl Clin Med Phys 11:3237;
    ``gsr`` of MRIQC, there for EPI). Near 0 without ghosts. Noise alone cancels; what does not is
    anything that tilts the air's brightness, such as flow or a wrapped nose.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities.
    head, air : ndarray of bool, shape (z, y, x)
        Disjoint; what is in neither is left out.
    axis : int
        Axis of the array, the phase-encoding one for the ghosts it is made for.

    Returns
    -------
    float or None
        None where fewer than 500 voxels of air are inside or outside of the shifted head.
    """
    shifted = np.roll(head, head.shape[axis] // 2, axis=axis)
    within, beside = air & shifted, air & ~shifted
    signal = float(np.median(image[head])) if head.any() else 0.0
    if min(int(within.sum()), int(beside.sum())) < FEWEST or signal <= 0.0:
        return None
    return float(image[within].mean() - image[beside].mean()) / signal
