"""The coarse grid on which N4 looks for the field, and the way back to every voxel."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from harmonize_kit.config.bias_field import BiasFieldConfig

# Of the spline that carries the field back; it needs a knot more than its degree.
DEGREE = 3


@dataclass(frozen=True)
class CoarseAxis:
    """Which voxels of one axis are looked at.

    Parameters
    ----------
    start, step, count : int
        Voxels ``start``, ``start + step``, ... of the volume.
    before, after : int
        Steps added on either side, all outside of the mask, so that the knots of the spline are
        as far apart along this axis as along the longest.
    spans : int
        Spans of the spline at the coarsest level.
    """

    start: int
    step: int
    count: int
    before: int
    after: int
    spans: int

    def taken(self) -> slice:
        """Return the voxels looked at."""
        return slice(self.start, self.start + self.step * (self.count - 1) + 1, self.step)

    def weights(self, size: int) -> NDArray[np.float32]:
        """Return what each step contributes to each voxel, shape (size, steps).

        Beyond the steps the field stays as it is at the last of them: a spline extrapolated would
        run off to any value.
        """
        steps = self.before + self.count + self.after
        places = (np.arange(size) - self.start) / self.step + self.before
        spline = make_interp_spline(np.arange(steps), np.eye(steps), k=min(DEGREE, steps - 1))
        return spline(np.clip(places, 0, steps - 1)).astype(np.float32)


@dataclass(frozen=True)
class CoarseGrid:
    """The grid of N4: three axes in the order (z, y, x), and how many levels it is worth."""

    axes: tuple[CoarseAxis, CoarseAxis, CoarseAxis]
    levels: int

    def take(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels looked at, 0 in what was added."""
        seen = array[tuple(axis.taken() for axis in self.axes)]
        return np.pad(seen, [(axis.before, axis.after) for axis in self.axes])

    def describe(self) -> dict[str, Any]:
        """Return the choices along x, y, z, and the levels, as plain values."""
        axes = self.axes[::-1]
        return {
            "shrink": [axis.step for axis in axes],
            "coarse_size": [axis.before + axis.count + axis.after for axis in axes],
            "spans": [axis.spans for axis in axes],
            "levels": self.levels,
        }

    def spread(self, field: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
        """Return a field on this grid at every voxel of an array of shape ``size``.

        The field is a spline whose knots are many steps apart, so that cubic interpolation between
        the steps gives it back: one axis after the other, which is a product of matrices each.
        """
        for place in (2, 1, 0):
            weights = self.axes[place].weights(size[place])
            field = np.moveaxis(np.tensordot(weights, field, (1, place)), 0, place)
        return np.ascontiguousarray(field)


def coarse_grid(
    inside: NDArray[np.bool_], spacing: tuple[float, ...], config: BiasFieldConfig
) -> CoarseGrid:
    """Choose the grid for a mask.

    It covers the box of the mask alone, so that the air around a head, more here and less there,
    changes nothing. An axis keeps so many voxels that it is neither coarser than ``coarsest_mm``
    nor thinner than ``fewest_voxels``. The spline has one span of ``spline_distance_mm`` along
    each axis, or as many as fit the box best. For each time that the box could be doubled and
    still fit into one span, the span is halved and there is one level fewer, so that the finest
    knots are as far apart in mm in every volume.

    Parameters
    ----------
    inside : ndarray of bool, shape (z, y, x)
        At least one voxel is true.
    spacing : tuple of float
        Along z, y, x, in mm.
    config : BiasFieldConfig
    """
    boxes = [np.flatnonzero(inside.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    spans = [(int(box[0]), int(box[-1]) + 1) for box in boxes]
    steps = [_step(end - low, mm, config) for (low, end), mm in zip(spans, spacing, strict=True)]
    longest = max((end - low) * mm for (low, end), mm in zip(spans, spacing, strict=True))
    wanted = config.spline_distance_mm
    fewer = min(max(0, floor(log2(wanted / longest))), len(config.iterations) - 1)
    side = wanted / 2**fewer
    axes = [
        _axis(low, end, step, step * mm, side)
        for (low, end), step, mm in zip(spans, steps, spacing, strict=True)
    ]
    return CoarseGrid((axes[0], axes[1], axes[2]), len(config.iterations) - fewer)


def _step(voxels: int, mm: float, config: BiasFieldConfig) -> int:
    step = min(config.shrink_factor, floor(config.coarsest_mm / mm + 1e-6))
    return max(1, min(step, voxels // config.fewest_voxels))


def _axis(low: int, end: int, step: int, mm: float, side: float) -> CoarseAxis:
    count = (end - low - 1) // step + 1
    spans = max(1, round(count * mm / side))
    more = max(0, ceil(side / mm - 1e-6) + 1 - count, DEGREE + 1 - count)
    return CoarseAxis(low, step, count, more // 2, more - more // 2, spans)
