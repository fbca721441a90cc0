"""How the energy of an image is spread: over its intensities, and between head and air."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray


def efc(values: NDArray[np.float64]) -> float | None:
    """Return the entropy focus criterion, 0 (all energy in one voxel) to 1 (all voxels alike).

    The Shannon entropy of x / sqrt(sum x^2) over its largest possible value (Atkinson et al.
    1997, IEEE Trans Med Imaging 16:903; normalised as in MRIQC): motion spreads energy into
    ghosts and raises it, but so does a larger head in a smaller field of view.

    Parameters
    ----------
    values : ndarray
        Intensities outside padding; negative ones count as 0, as in MRIQC.
    """
    values = np.maximum(values, 0.0)
    energy, n = sqrt(float((values**2).sum())), values.size
    if energy == 0.0 or n < 2:
        return None
    shares = values[values > 0.0] / energy
    return float(-(shares * np.log(shares)).sum() / (sqrt(n) * log(sqrt(n))))


def fber(head: NDArray[np.float64], air: NDArray[np.float64]) -> float | None:
    """Return the foreground-background energy ratio, median(head^2) / median(air^2).

    Shehzad et al. 2015, with medians for means as in MRIQC. None where half of the air or more is
    zero: the background was removed, and the ratio says nothing.
    """
    if head.size == 0 or air.size == 0:
        return None
    background = float(np.median(air**2))
    return float(np.median(head**2)) / background if background > 0.0 else None
