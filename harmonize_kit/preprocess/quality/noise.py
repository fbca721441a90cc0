"""Signal, noise and contrast of the tissues of the brain, as MRIQC defines them."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

MAD_TO_SD = 1.482602218505602
"""SD of a normal distribution over its median absolute deviation."""


def snr(median: float, sd: float, n: int) -> float | None:
    """Return the signal-to-noise ratio within one tissue: median / (sd sqrt(n / (n - 1))).

    Anatomy inside the class counts as noise, so it is small for grey matter and smallest for
    cerebrospinal fluid, whatever the scanner. None where the tissue has no spread.
    """
    return median / (sd * sqrt(n / (n - 1))) if n > 1 and sd > 0.0 else None


def snr_dietrich(median: float, mad_air: float, sd_air: float) -> float | None:
    """Return the signal-to-noise ratio against the air: sqrt((4 - pi) / 2) median / noise.

    The noise of air is Rayleigh distributed, hence the factor (Dietrich et al. 2007, J Magn Reson
    Imaging 26:375, eq. A.12); it is the median absolute deviation (scaled to an SD), or the SD
    where more than half of the air is one value. As in MRIQC, with white matter at 1000, a
    deviation below 1 is no noise but rounding. None where the air holds no noise.
    """
    noise = mad_air if mad_air > 1.0 else sd_air
    return sqrt((4.0 - pi) / 2.0) * median / noise if noise > 1e-3 else None


def cnr(
    median_wm: float, median_gm: float, sd_air: float, sd_wm: float, sd_gm: float
) -> float | None:
    """Return the contrast-to-noise ratio |WM - GM| / sqrt(sd_air^2 + sd_wm^2 + sd_gm^2).

    Magnotta and Friedman 2006, J Digit Imaging 19:140, in the form of MRIQC.
    """
    noise = sqrt(sd_air**2 + sd_wm**2 + sd_gm**2)
    return abs(median_wm - median_gm) / noise if noise > 0.0 else None


def cjv(median_wm: float, median_gm: float, mad_wm: float, mad_gm: float) -> float | None:
    """Return the coefficient of joint variation (mad_wm + mad_gm) / |WM - GM|.

    Ganzetti et al. 2016, Front Neuroinform 10:10: it rises with nonuniformity and motion.
    """
    contrast = abs(median_wm - median_gm)
    return (mad_wm + mad_gm) / contrast if contrast > 0.0 else None


def wm2max(image: NDArray[np.float64], median_wm: float) -> float | None:
    """Return the median of white matter over the 99.95th percentile of the image.

    Small where vessels or fat outshine the brain.
    """
    top = float(np.percentile(image, 99.95))
    return median_wm / top if top > 0.0 else None


def summary(values: NDArray[np.float64]) -> dict[str, float]:
    """Return mean, median, 5th and 95th percentile, kurtosis, SD, MAD and number of values.

    The names of MRIQC; ``k`` is the excess kurtosis (0 where all values are equal), ``stdv``
    divides by n, and ``mad`` is the median absolute deviation scaled to the SD of a normal
    distribution.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite, at least one.
    """
    mean, sd = float(values.mean()), float(values.std())
    p05, median, p95 = (float(q) for q in np.percentile(values, (5.0, 50.0, 95.0)))
    kurtosis = float(((values - mean) ** 4).mean()) / sd**4 - 3.0 if sd > 0.0 else 0.0
    return {
        "mean": mean, "median": median, "p95": p95, "p05": p05, "k": kurtosis, "stdv": sd,
        "mad": MAD_TO_SD * float(np.median(np.abs(values - median))), "n": float(len(values)),
    }  # fmt: skip
