"""Head-like volumes whose tissues are known, made without chance: the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from harmonize_kit.core.volume import Geometry, Volume

T1 = {"csf": (400.0, 90.0), "gm": (1100.0, 120.0), "wm": (1600.0, 70.0)}
T2 = {"csf": (1900.0, 150.0), "gm": (1000.0, 90.0), "wm": (700.0, 60.0)}
SHARES = {"csf": 0.15, "gm": 0.44, "wm": 0.40}
OBLIQUE = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


def tissue_volume(
    tissues: dict[str, tuple[float, float]] | None = None,
    gain: float = 1.0,
    gamma: float = 1.0,
    size: int = 28,
) -> tuple[Volume, NDArray[np.str_]]:
    """A ball of three tissues with 1 % bright vessels in a bright skull, and the tissue by voxel.

    The intensities of a tissue are even quantiles of a normal distribution, scattered by a fixed
    permutation; the last voxel of the ball is 0, as a void in the brain is.
    """
    z, y, x = np.mgrid[:size, :size, :size] - (size - 1) / 2
    inside = z**2 + y**2 + x**2 <= (0.42 * size) ** 2
    n = int(inside.sum())
    names = np.full(n, "vessel", dtype="<U6")
    values = np.linspace(1900.0, 4000.0, n)
    start = 0
    for name, share in SHARES.items():
        mean, sd = (tissues or T1)[name]
        count = int(share * n)
        names[start : start + count] = name
        values[start : start + count] = mean + sd * ndtri((np.arange(count) + 0.5) / count)
        start += count
    step = next(k for k in range(n // 3, n) if np.gcd(k, n) == 1)
    order = np.arange(n) * step % n
    values = gain * 1000.0 * (np.clip(values[order], 0, None) / 1000.0) ** gamma
    values[-1] = 0.0
    array = np.full(inside.shape, 900.0 * gain, dtype=np.float32)
    array[inside] = values
    where = np.full(inside.shape, "", dtype="<U6")
    where[inside] = names[order]
    geometry = Geometry((size, size, size), (0.9, 1.1, 2.0), (-30.0, 12.5, 7.0), OBLIQUE)
    return Volume(array, geometry, inside.astype(np.uint8)), where
