"""Outlines as SVG paths: they stay sharp at any size and can be switched off."""

from __future__ import annotations

from typing import cast

import numpy as np
from contourpy import LineType, contour_generator
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster import vq

UNIT = 4  # path coordinates are whole numbers, in quarters of a pixel
_SHORTEST = 8  # points of a line; shorter ones are specks


def outline(values: NDArray[np.floating], level: float, smooth: float = 0.7) -> str:
    """Return the path along which ``values`` (rows, columns) cross ``level``, empty for none.

    Coordinates are quarters of a pixel from the upper left corner of the picture.
    """
    padded = np.pad(ndimage.gaussian_filter(values.astype(np.float64), smooth), 1)
    generator = contour_generator(z=padded, line_type=LineType.Separate)
    # The middle of the first pixel is at 0.5 of the picture, and at 1 of the padded array.
    lines = cast(list[NDArray[np.float64]], generator.lines(level))
    return "".join(_path(line - 0.5) for line in lines if len(line) >= _SHORTEST)


def tissue_levels(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the intensities that part dark, middle and bright tissue.

    Halfway between the centres of three clusters (k-means from fixed starts, hence the same each
    time); in T1 the borders of fluid with grey, and of grey with white matter.
    """
    values = values[:: max(1, values.size // 20_000)]
    if np.unique(values).size < 3:
        return ()
    starts = np.quantile(values, (0.1, 0.5, 0.9))
    centres = np.sort(vq.kmeans(values, np.unique(starts))[0])
    return tuple(float(level) for level in (centres[1:] + centres[:-1]) / 2)


def _path(line: NDArray[np.float64]) -> str:
    kept = line[::2] if len(line) > 40 else line
    points = np.rint(kept * UNIT).astype(np.int64)
    closed = bool((line[0] == line[-1]).all())
    steps = np.diff(points, axis=0)
    steps = steps[(steps != 0).any(axis=1)]
    if not len(steps):
        return ""
    moves = " ".join(f"{x} {y}" for x, y in steps.tolist()).replace(" -", "-")
    start = points[0]
    return f"M{start[0]} {start[1]}l{moves}{'z' if closed else ''}"
