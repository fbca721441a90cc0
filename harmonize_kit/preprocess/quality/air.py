"""The air above the head: artefacts in it, and whether its noise is that of a coil array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from harmonize_kit.preprocess.quality.grid import Bool3, Float3
from harmonize_kit.preprocess.quality.noise import MAD_TO_SD

FEWEST = 1000
"""Voxels of signal that air must hold before anything is said of its distribution."""
COILS = 32
POINTS = 2000
BANDWIDTH, TOP, STEPS = 4.0, 110.0, 1000


@dataclass(frozen=True)
class Air:
    """Air above the plane of nasion and inion, and artefacts in it.

    Parameters
    ----------
    hat : ndarray of bool, shape (z, y, x)
        Air, artefacts included.
    artefacts : ndarray of bool, shape (z, y, x)
        The part of it that is too bright and solid for noise.
    """

    hat: Bool3
    artefacts: Bool3

    @property
    def clean(self) -> Bool3:
        """The hat without the artefacts."""
        return self.hat & ~self.artefacts


def find_artefacts(image: Float3, hat: Bool3, distance: Float3, z: float = 10.0) -> Air:
    """Return the artefacts in the hat (Mortamet et al. 2009, Magn Reson Med 62:365).

    Voxels that exceed the median of the positive air by ``z`` times its spread (scaled median
    absolute deviation), not within the tenth of the air next to the head, in solid groups, which
    an opening leaves. Earlier versions of MRIQC took the median off as well, later ones do not;
    but then smooth noise, whose spread is small for its median, is all artefact.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        Finite intensities.
    hat : ndarray of bool, shape (z, y, x)
    distance : ndarray, shape (z, y, x)
        Distance from the head, in any unit.
    z : float
        Multiple of the spread above which a voxel is no noise.
    """
    nothing = np.zeros(hat.shape, dtype=bool)
    values = image[hat]
    values = values[values > 0.0]
    if len(values) < 10:
        return Air(hat, nothing)
    middle = float(np.median(values))
    spread = MAD_TO_SD * float(np.median(np.abs(values - middle)))
    if spread == 0.0:
        return Air(hat, nothing)
    bright = hat & (image > middle + z * spread) & (distance >= 0.1 * distance[hat].max())
    if not bright.any():
        return Air(hat, nothing)
    opened = ndimage.binary_opening(bright, ndimage.generate_binary_structure(3, 1))
    return Air(hat, np.asarray(opened, dtype=bool))


def qi_1(air: Air) -> float | None:
    """Return the share of the hat that is artefact; None without a hat."""
    size = int(air.hat.sum())
    return float(air.artefacts.sum()) / size if size else None


def qi_2(values: NDArray[np.float64]) -> float | None:
    """Return how far the bright half of the air's noise is from a chi-squared distribution.

    Mortamet's second index as MRIQC computes it: intensities scaled to a 99th percentile of 100,
    their density estimated with a Gaussian kernel of SD 4, a chi-squared distribution fitted by
    maximum likelihood, and the mean distance of the two densities beyond the half maximum. Here
    the fit sees 2 000 evenly spaced quantiles instead of up to 300 000 voxels, which makes it
    cheap and the same on every run.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Intensities of the hat.

    Returns
    -------
    float or None
        None with fewer than 1 000 positive voxels.
    """
    values = np.maximum(values, 0.0)
    top = float(np.percentile(values, 99.0)) if len(values) else 0.0
    if (values > 0.0).sum() < FEWEST or top <= 0.0:
        return None
    values = values * (100.0 / top)
    grid = np.linspace(0.0, TOP, STEPS)
    density = _kernel_density(values, grid)
    beyond = int(np.argmax(density[::-1] > 0.5 * density.max()))
    if beyond == 0:
        return None
    sample = np.quantile(values, (np.arange(POINTS) + 0.5) / POINTS)
    with np.errstate(all="ignore"):
        fitted: Any = stats.chi2.fit(sample, COILS)
        expected = stats.chi2.pdf(grid, *fitted[:-2], loc=fitted[-2], scale=fitted[-1])
    distance = float(np.abs(density - expected)[-beyond:].mean())
    return distance if np.isfinite(distance) else None


def _kernel_density(values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the density at the points of an even grid; what lies beyond counts with its tail."""
    step = float(grid[1] - grid[0])
    margin = int(6 * BANDWIDTH / step)
    edges = grid[0] + step * (np.arange(-margin, len(grid) + margin + 1) - 0.5)
    counts = np.histogram(values, edges)[0].astype(np.float64)
    smooth = ndimage.gaussian_filter1d(counts, BANDWIDTH / step, mode="constant")
    return smooth[margin : margin + len(grid)] / (len(values) * step)
