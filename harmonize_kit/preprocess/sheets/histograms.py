"""The intensities inside the mask as a histogram, drawn as one SVG path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 90
_BINS = 64
_ROOM = 60  # for a number at either end
_COARSE = 2000  # distinct values
_GOLDEN = 0.6180339887498949  # multiples of it fill the unit interval evenly


@dataclass(frozen=True)
class Histogram:
    """A histogram of one image.

    Parameters
    ----------
    title : str
    path : str
        Of the area, in a box of WIDTH by HEIGHT; empty where there is no value.
    ticks : tuple of (float, str)
        Place along the width, and what stands there.
    text : str
        What it shows in a sentence.
    """

    title: str
    path: str
    ticks: tuple[tuple[float, str], ...]
    text: str


def histogram(title: str, values: NDArray[np.float64]) -> Histogram:
    """Return the histogram of finite values from their 0.1st to their 99.9th percentile."""
    if not values.size:
        return Histogram(title, "", (), f"{title}: no voxel to count.")
    low, high = (float(end) for end in np.percentile(values, (0.1, 99.9)))
    middle, mean, deviation = float(np.median(values)), float(values.mean()), float(values.std())
    mean = 0.0 if abs(mean) < 1e-6 * deviation else mean
    if not high > low:
        low, high = low - 0.5, low + 0.5
    counts, _ = np.histogram(_spread(values), bins=_BINS, range=(low, high))
    tops = HEIGHT - HEIGHT * counts / max(1, counts.max())
    step = WIDTH / _BINS
    stairs = "".join(f"V{top:.1f}h{step:g}" for top in tops)
    place = WIDTH * (middle - low) / (high - low)
    # The median is in the text, too; its number must not run into those at the ends.
    named = number(middle) if _ROOM < place < WIDTH - _ROOM else ""
    ticks = ((0.0, number(low)), (place, named), (float(WIDTH), number(high)))
    text = (
        f"{title}: median {number(middle)}, mean {number(mean)}, standard deviation "
        f"{number(deviation)}; drawn from {number(low)} to {number(high)}."
    )
    return Histogram(title, f"M0 {HEIGHT}{stairs}V{HEIGHT}z", ticks, text)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values spread over the step they were stored with, where that is coarse.

    Bins that hold two stored values now and three then would draw teeth that are not in the image.
    """
    distinct = np.unique(values)
    if not 1 < len(distinct) < _COARSE:
        return values
    step = float(np.median(np.diff(distinct)))
    even = (np.arange(len(values)) * _GOLDEN) % 1.0
    return values + step * (even - 0.5)


def number(value: float) -> str:
    """Return a number with four significant digits, as short as it can be written."""
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
